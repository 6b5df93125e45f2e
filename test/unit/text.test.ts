import { describe, expect, test, vi } from 'vitest';
import { jsonProgress } from '../../src/main/shells/cli/progress.js';
import { summary } from '../../src/main/shells/cli/summary.js';
import { bytes, duration, integer, list, percent, perplexity, table } from '../../src/main/shells/cli/text.js';
import type { RunEvent, RunEventOf } from '../../src/shared/run-events.js';
import { told } from './support/fake-trainer.js';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1234567, '1,234,567'],
    [1234.5, '1,235'],
  ])('integer %d is %s', (value, text) => {
    expect(integer(value)).toBe(text);
  });

  test.each([
    [1, '1.00'],
    [78.456, '78.46'],
    [999.99, '999.99'],
    [999.996, '1,000'],
    [1000, '1,000'],
    [12345.6, '12,346'],
    [Infinity, '∞'],
    [NaN, 'NaN'],
    [4.2e30, '4.2e+30'],
  ])('perplexity %d is %s', (value, text) => {
    expect(perplexity(value)).toBe(text);
  });

  test.each([
    [0, '0.0 %'],
    [0.3333, '33.3 %'],
    [1, '100.0 %'],
  ])('share %d is %s', (share, text) => {
    expect(percent(share)).toBe(text);
  });

  test.each([
    [0, '0 s'],
    [499, '0 s'],
    [59_400, '59 s'],
    [59_600, '1 min 0 s'],
    [83_000, '1 min 23 s'],
    [3_599_400, '59 min 59 s'],
    [3_599_600, '1 h 0 min'],
    [5_400_000, '1 h 30 min'],
    [100 * 3_600_000, '100 h 0 min'],
  ])('%d ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_234_567, '1.2 MB'],
    [999_960_000, '1.0 GB'],
    [5_000_000_000_000, '5.0 TB'],
    [5_000_000_000_000_000, '5000.0 TB'],
  ])('%d bytes are %s', (value, text) => {
    expect(bytes(value)).toBe(text);
  });
});

describe('columns', () => {
  test('of a table stand below each other, the first to the left and the others to the right', () => {
    expect(
      table([
        ['corpus', 'words'],
        ['ptb', '10,000'],
        ['x', ''],
      ]),
    ).toBe(['corpus   words', 'ptb     10,000', 'x', ''].join('\n'));
  });

  test('of a list stand below each other, to the left', () => {
    expect(
      list([
        ['run', 'a-1'],
        ['perplexity', '78.4'],
      ]),
    ).toBe('run         a-1\nperplexity  78.4\n');
  });

  test('of nothing are nothing', () => {
    expect(table([])).toBe('');
    expect(list([])).toBe('');
  });
});

describe('the summary', () => {
  const reference = { unigram: 90, bigram: 44, bestPossible: 14.6 };
  const started: RunEventOf<'started'> = {
    type: 'started',
    engine: { name: 'wasm', version: '1', threads: 1, features: ['simd'] },
    layout: 'packed',
    corpus: {
      ...{ name: 'built-in', vocabulary: 500, tokens: { train: 40_000, valid: 4000, test: 4000 } },
      reference: { valid: reference, test: reference },
    },
    parameters: { total: 1_000_000, active: 330_000 },
    layers: [],
    ...{ stepsPerEpoch: 100, epochs: 2, resumedFrom: null },
  };
  const gate = (name: string, active: number, size = 1000) => ({ name, size, active, removed: 0, grown: 0 });
  const sparsity = (update: number, [i, f, decoder]: [number, number, number]): RunEvent => ({
    ...{ type: 'sparsity', step: update * 100, epoch: update, update, removingRate: 0.5 },
    layers: [
      { name: 'lstm0.hidden', active: i + f, removed: 0, grown: 0, gates: [gate('i', i), gate('f', f)] },
      { name: 'decoder', active: decoder, removed: 0, grown: 0, gates: [gate('all', decoder, 2000)] },
    ],
  });
  const evaluation: RunEvent = {
    ...{ type: 'evaluation', step: 100, epoch: 1, trainingLoss: 4, loss: 3.5, perplexity: 33.1 },
    ...{ best: true, averaged: false },
  };
  const finished: RunEventOf<'finished'> = {
    ...{ type: 'finished', step: 1200, epoch: 2, testLoss: 3.4, testPerplexity: 30.123 },
    ...{ bestValidationPerplexity: 31.456, bestEpoch: 2, bigramPerplexity: 44.04, bestPossiblePerplexity: 14.6 },
    trainingMs: 83_000,
  };
  const events: RunEvent[] = [
    ...[started, sparsity(0, [330, 330, 660]), evaluation, sparsity(1, [300, 360, 660])],
    ...[sparsity(2, [250, 410, 700]), finished],
  ];

  test('of a finished run has its results and the density of each gate at first and at last', () => {
    expect(summary('owl-1', events)).toBe(
      `
run              owl-1
test perplexity  30.12
best validation  31.46 (epoch 2)
bigram model     44.04 on the test text
best possible    14.60 on the test text
parameters       330,000 active of 1,000,000 (33.0 %)
time             1 min 23 s for 1,200 steps

density         at first  at last
lstm0.hidden i    33.0 %   25.0 %
lstm0.hidden f    33.0 %   41.0 %
decoder           33.0 %   35.0 %
`,
    );
  });

  test('leaves out the best possible where the language is not known', () => {
    const { bestPossiblePerplexity, ...unknown } = finished;
    expect(bestPossiblePerplexity).toBeDefined();
    expect(summary('owl-1', [...events.slice(0, -1), unknown])).not.toContain('best possible');
  });

  test('leaves out densities where no topology was told', () => {
    const text = summary('owl-1', [started, evaluation, finished]);
    expect(text).not.toContain('density');
    expect(text.endsWith('time             1 min 23 s for 1,200 steps\n')).toBe(true);
  });

  test('of a resumed run counts what was told last', () => {
    const resumed = { ...started, parameters: { total: 1_000_000, active: 250_000 }, resumedFrom: 100 };
    expect(summary('owl-1', [started, evaluation, resumed, finished])).toContain(
      '250,000 active of 1,000,000 (25.0 %)',
    );
  });

  test('of a run that has not finished is nothing', () => {
    expect(summary('owl-1', events.slice(0, -1))).toBe('');
    expect(summary('owl-1', [finished])).toBe('');
    expect(summary('owl-1', [])).toBe('');
  });
});

test('a line of JSON is JSON although a loss is no number', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    jsonProgress('wild-1').show({ ...told.step(1), loss: NaN } as RunEvent);
    expect(JSON.parse(String(write.mock.calls[0][0]))).toMatchObject({ type: 'step', run: 'wild-1', loss: 'NaN' });
  } finally {
    write.mockRestore();
  }
});
