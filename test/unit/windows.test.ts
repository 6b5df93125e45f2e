import { expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { Streams } from '../../src/worker/corpus/batches.js';
import { trainingWindows } from '../../src/worker/corpus/windows.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { DenseParameter } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { matrix, optimizerConfig, useOracle } from './support/numerics.js';
import '../../src/worker/ops/apply-update.js';

const streams = new Streams(new Int32Array(40_000), 2); // 20,000 rows
const windowsOf = (epoch: number, settings: PartialRunConfig = {}) => {
  const training = { bptt: 70, windows: 'random', ...settings.training } as const;
  return trainingWindows(streams, parseRunConfig({ seed: 3, ...settings, training }), epoch);
};

test('fixed windows are those of the streams, with the learning rate as it is', () => {
  const config = parseRunConfig({ training: { bptt: 35 } });
  expect(trainingWindows(streams, config, 4)).toEqual(streams.windows(35).map((window) => ({ ...window, rate: 1 })));
});

test('random windows follow each other to the end of the text', () => {
  const windows = windowsOf(0);
  let row = 0;
  for (const { start, length } of windows) {
    expect(start).toBe(row);
    expect(length).toBeGreaterThan(0);
    row += length;
  }
  expect(row).toBeGreaterThanOrEqual(streams.rows - 2);
  expect(row).toBeLessThanOrEqual(streams.rows - 1);
});

test('random windows are 68.25 steps long on average, one in twenty about half as long as the others', () => {
  const lengths = [0, 1, 2, 3, 4, 5, 6, 7]
    .flatMap((epoch) => windowsOf(epoch).slice(0, -1))
    .map(({ length }) => length);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  // Truncation takes half a step; the standard deviation of the mean of some 2,300 of them is below 0.2.
  expect(Math.abs(mean - 67.75)).toBeLessThan(0.8);
  const short = lengths.filter((length) => length < 52).length / lengths.length;
  expect(Math.abs(short - 0.05)).toBeLessThan(0.02);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(5);
});

test('the learning rate goes with the length that was drawn: 35 steps of 70 train with half of it', () => {
  for (const { length, rate } of windowsOf(0).slice(0, -1)) expect(rate).toBe(length / 70);
  expect(30 * (35 / 70)).toBe(15);
  expect(15 * (71 / 70)).toBeCloseTo(15.214286, 6);
});

test('a limit cuts what is longer', () => {
  const lengths = windowsOf(0, { training: { windowDelta: 1 } }).map(({ length }) => length);
  expect(Math.max(...lengths)).toBe(71);
});

test('seed and epoch decide the windows, and nothing else', () => {
  expect(windowsOf(2)).toEqual(windowsOf(2));
  expect(windowsOf(3)).not.toEqual(windowsOf(2));
  expect(windowsOf(2, { seed: 4 })).not.toEqual(windowsOf(2));
});

test('a frozen rate is that of the first averaging step for sparse weights, and that of the step before for all others', async () => {
  await useOracle();
  const stepsOf = (frozenRate: boolean) => {
    const optimizer = new SntAsgd(optimizerConfig({ learningRate: 1, weightDecay: 0, frozenRate }));
    const sparse = matrix('weight', [1, 2], 'packed', { seed: 1, density: 1 });
    const bias = new DenseParameter('bias', [1], [{ name: 'all', rows: 1 }], Float32Array.of(0));
    sparse.fill('values', 0);
    optimizer.beginAveraging([sparse, bias]);
    const after: number[][] = [];
    for (const rate of [0.5, 1, 0.25]) {
      tf.tidy(() => {
        optimizer.step([sparse, bias], [tf.fill(sparse.storedShape, -1), tf.fill([1], -1)], 1, rate);
      });
      after.push([sparse.read('values')[0], bias.read('values')[0]]);
    }
    for (const parameter of [sparse, bias]) parameter.dispose();
    return after;
  };
  expect(stepsOf(false)).toEqual([
    [0.5, 0.5],
    [1.5, 1.5],
    [1.75, 1.75],
  ]);
  expect(stepsOf(true)).toEqual([
    [0.5, 0.5],
    [1, 1],
    [1.5, 2],
  ]);
});
