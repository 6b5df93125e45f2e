import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { LearningRate, type RateSchedule } from '../../src/worker/optimizers/learning-rate.js';
import { expectClose, step } from './support/histories.js';
import { denseParameter, optimizerConfig } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

/** The learning rate after each epoch. */
function ratesOf(initial: number, schedule: Partial<RateSchedule>, losses: readonly number[]): number[] {
  const rate = new LearningRate(initial, { ...optimizerConfig({}).schedule, ...schedule });
  return losses.map((loss, index) => {
    rate.afterEpoch(loss, index + 1);
    return rate.now;
  });
}

/** The learning rate in each epoch, which is that after the one before. */
function ratesInEpochs(initial: number, schedule: Partial<RateSchedule>, epochs: number): number[] {
  return [initial, ...ratesOf(initial, schedule, new Array<number>(epochs - 1).fill(1))];
}

test('the recipe of the RHN divides its rate by 1.02 in every epoch after the twentieth', () => {
  const rates = ratesInEpochs(0.2, { kind: 'decay', factor: 1 / 1.02, from: 20, every: 1 }, 40);
  expect(rates.slice(0, 20)).toEqual(new Array(20).fill(0.2));
  for (const epoch of [21, 22, 40]) expect(rates[epoch - 1]).toBeCloseTo(0.2 / 1.02 ** (epoch - 20), 12);
});

test('the recipe of ISS takes a tenth of its rate every eighteen epochs', () => {
  const rates = ratesInEpochs(1, { kind: 'decay', factor: 0.1, from: 18, every: 18 }, 55);
  for (const [first, last, rate] of [
    [1, 18, 1],
    [19, 36, 0.1],
    [37, 54, 0.01],
    [55, 55, 0.001],
  ]) {
    for (const epoch of [first, last]) expect(rates[epoch - 1] / rate).toBeCloseTo(1, 12);
  }
});

test('a constant rate stays whatever the losses are', () => {
  expect(ratesOf(3, { kind: 'constant' }, [1, 2, 3, 4, 5, 6])).toEqual([3, 3, 3, 3, 3, 3]);
});

for (const kind of ['sgd', 'momentum', 'snt-asgd', 'nt-asgd', 'asgd'] as const) {
  test(`${kind} follows the schedule of its rate, before and while it averages`, () => {
    const schedule = { kind: 'decay', factor: 0.5, from: 1, every: 1 } as const;
    const parameter = denseParameter('bias', [1], 1);
    const averagingFrom = kind.endsWith('nt-asgd') || kind === 'snt-asgd' ? 2 : 0;
    const config = optimizerConfig({ kind, learningRate: 1, weightDecay: 0, schedule, averagingFrom, momentum: 1e-9 });
    const optimizer = createOptimizer(config, [parameter]);
    const moves = [1, 2, 3].map((epoch) => {
      const [before] = parameter.read('values').slice();
      step(optimizer, parameter, Float32Array.of(1));
      optimizer.afterValidation([parameter], 1, epoch);
      return before - parameter.read('values')[0];
    });
    expectClose(moves, [1, 0.5, 0.25]);
    parameter.dispose();
  });
}

test('the plateau counts anew after a best epoch and after each cut', () => {
  const rates = ratesOf(8, { kind: 'plateau', factor: 0.5, patience: 2 }, [5, 5, 5, 4, 5, 5, 4.5, 6, 6, 6, 6]);
  expect(rates).toEqual([8, 8, 8, 8, 8, 8, 4, 4, 4, 2, 2]);
});
