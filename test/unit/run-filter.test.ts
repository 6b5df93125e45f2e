import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { parseRunFilter } from '../../src/shared/run-filter.js';
import type { RunTableRow } from '../../src/shared/run-table.js';
import { holds } from './support/property.js';

const row: RunTableRow = {
  ...{ id: 'night-1', name: 'Night Owl', state: 'finished', colour: '#cc6677' },
  ...{
    model: 'stacked-lstm',
    method: 'selfish',
    density: 0.33,
    corpus: 'ptb',
    seed: 7,
    step: 400,
    epoch: 4,
    epochs: 4,
  },
  ...{ progress: 1, remainingMs: null, loss: 4.5, bestValidationPerplexity: 75.5, testPerplexity: null },
  ...{ tokensPerSecond: 9000, parameters: 1000, activeParameters: 330, flops: 1e12, flopsOfDense: 0.33 },
  durationMs: 90 * 60_000,
  ...{ created: new Date('2026-11-24T10:00:00').getTime(), tags: ['paper', 'v2'], note: 'a (long) note', pinned: null },
  config: parseRunConfig({ seed: 7, training: { batch: 40 }, model: { tied: true, hidden: 200, embedding: 200 } }),
};
const fits = (expression: string) => parseRunFilter(expression)(row);

describe('a filter', () => {
  test.each([
    '',
    '  ',
    'method:selfish',
    'method=selfish',
    'METHOD'.toLowerCase() + ':SELFISH',
    'method:static,selfish',
    'method:self*',
    'name:"night owl"',
    'name:"Night"*',
    'name:*owl',
    'density<0.5',
    'density<=0.33',
    'density>=0.33',
    'density:0.33',
    'density:0.1,0.33',
    'density>3.2e-1',
    'tag:paper',
    'tag:v2 tag:paper',
    '-state:failed',
    '-tag:draft',
    'valid<80',
    'minutes>=90',
    'seed:7',
    'training.batch:40',
    'training.batch>20',
    'model.tied:true',
    'optimizer.kind:snt-asgd',
    'created:2026-11-24',
    'created>=2026-11-24',
    'created<=2026-11-24',
    'created>2026-11-23',
    'created<2026-11-25',
    'owl',
    'OWL night',
    '(long)',
    '"a (long)"',
    'lstm ptb',
    '-wren',
    'method:selfish density<0.5 tag:paper -state:failed owl',
    '-test<100', // it has none
  ])('%j takes the run', (expression) => {
    expect(fits(expression)).toBe(true);
  });

  test.each([
    'method:static',
    'method:self',
    'method:s.lfish',
    'name:owl',
    '-method:selfish',
    'density<0.33',
    'density>0.33',
    'tag:pap',
    'state:running,failed',
    'test<100',
    'test>0',
    'test:0',
    'training.batch:20',
    'created:2026-11-23',
    'created>2026-11-24',
    'created<2026-11-24',
    'wren',
    '-owl',
    'method:selfish state:failed',
    '"night owl wren"',
  ])('%j leaves it out', (expression) => {
    expect(fits(expression)).toBe(false);
  });

  test.each([
    { expression: 'colour:red', message: 'colour:red: there is no field colour; the fields are id, name, state' },
    { expression: 'toString:x', message: 'there is no field toString' },
    { expression: 'model.kine:x', message: 'there is no field model.kine' },
    { expression: 'training:x', message: 'there is no field training' },
    { expression: 'density<half', message: 'density<half: "half" is not a number' },
    { expression: 'density:', message: 'density:: a value is missing' },
    { expression: 'method<selfish', message: 'method<selfish: texts are compared with ":", not "<"' },
    { expression: 'created>yesterday', message: '"yesterday" is no day: write it as 2026-11-24' },
    { expression: 'created:2026-13-01', message: '"2026-13-01" is no day' },
    { expression: 'name:"night', message: 'a double quote is not closed' },
    { expression: '-colour:red', message: 'there is no field colour' },
  ])('$expression is refused with the reason', ({ expression, message }) => {
    expect(() => parseRunFilter(expression)).toThrow(UserError);
    expect(() => parseRunFilter(expression)).toThrow(message);
  });

  test('with a hyphen takes what it leaves out without, whatever is written', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('tag:', 'density<', '"', 'name:"', ',', '*', '-', ':', '0.33'));
    const expression = fc.array(word, { maxLength: 6 }).map((words) => words.join(''));
    holds(
      fc.property(expression, (written) => {
        let plain: boolean;
        try {
          plain = fits(`"${written.replaceAll('"', '')}"`);
          fits(written);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          return;
        }
        expect(fits(`-"${written.replaceAll('"', '')}"`)).toBe(!plain);
      }),
      2000,
    );
  });
});
