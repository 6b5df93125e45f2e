import { expect, test } from 'vitest';
import { sorted } from '../../src/renderer/runs/columns.js';
import { fields } from '../../src/renderer/new-run/fields.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import type { RunTableRow } from '../../src/shared/run-table.js';

const row = (name: string, testPerplexity: number | null) => ({ name, testPerplexity }) as RunTableRow;
const names = (by: string) => sorted([row('b10', 3), row('b9', null), row('a', 2)], by).map(({ name }) => name);

test('runs are sorted by a column, either way; what is not known comes last', () => {
  expect(names('test')).toEqual(['a', 'b10', 'b9']);
  expect(names('-test')).toEqual(['b10', 'a', 'b9']);
  expect(names('name')).toEqual(['a', 'b9', 'b10']);
  expect(names('no such column')).toEqual(['b10', 'b9', 'a']);
});

test('the form has every field of a configuration, with its sentence and its kind', () => {
  const leaves = (value: object, path = ''): [string, unknown][] =>
    Object.entries(value).flatMap(([name, inner]: [string, unknown]) =>
      typeof inner === 'object' && inner !== null
        ? leaves(inner, `${path}${name}.`)
        : [[path + name, inner] as [string, unknown]],
    );
  const config = leaves(parseRunConfig({}));
  expect(fields.map(({ path }) => path)).toEqual(config.map(([path]) => path));
  for (const [path, value] of config) {
    const { kind, sentence } = fields.find((field) => field.path === path)!;
    expect(sentence).not.toBe('');
    if (typeof value === 'boolean') expect(kind).toBe('boolean');
    if (typeof value === 'number') expect(['integer', 'number']).toContain(kind);
    if (typeof value === 'string') expect(['choice', 'text']).toContain(kind);
  }
});
