import { expect, test } from 'vitest';
import { parseRunConfig, type RunConfig } from '../../src/shared/run-config.js';
import { planOf, rowsAt } from '../../src/shared/tables/plan.js';
import { configOf, quickCorpora, scales, tableNamed } from '../../src/shared/tables/table.js';
import { tables } from '../../src/shared/tables/tables.js';

const here = (corpora: readonly string[]) => ({ corpora, views: [] });

test.each(tables)('every row of $id is a run of its own, at every scale and on every text', (table) => {
  for (const scale of scales) {
    for (const corpus of quickCorpora) {
      const rows = rowsAt(table, scale, [corpus]);
      const configs = rows.map((row) => configOf(table, scale, row, 0));
      const same = (config: RunConfig) => JSON.stringify({ ...config, name: '' });
      expect(new Set(configs.map(({ name }) => name)).size).toBe(rows.length);
      expect(new Set(configs.map(same)).size).toBe(rows.length);
      for (const config of configs) expect(parseRunConfig(config)).toEqual(config);
    }
  }
});

test('the quick scale has the rows that were asked for', () => {
  const count = (name: string) => rowsAt(tableNamed(name, tables), 'quick', []).length;
  expect(['E1', 'E9', 'E10'].map(count)).toEqual([8, 12, 3]);
});

test('a text that is not here is named with the remedy', () => {
  expect(() => planOf(tableNamed('E1', tables), 'full', 1, here(['mini-ptb']))).toThrow(
    'E1 at full scale is trained on ptb, which is not here: "sparrow data fetch ptb" first',
  );
});
