import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { isTriggered } from '../../src/worker/optimizers/trigger.js';
import { columns, rows, size, step } from './support/histories.js';
import { layouts, matrix, numbers, optimizerConfig } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

/** The epoch at which averaging begins with these validation losses, and why. */
function triggerOf(losses: readonly number[], settings: Parameters<typeof optimizerConfig>[0] = {}): unknown {
  const optimizer = new SntAsgd(optimizerConfig({ nonmonotone: 5, ...settings }));
  for (const [index, loss] of losses.entries()) {
    const cause = optimizer.afterValidation([], loss, index + 1);
    expect(optimizer.averaging).toBe(cause === undefined ? undefined : 'average');
    if (cause !== undefined) return { epoch: index + 1, cause };
  }
  return 'never';
}

const falling = [5.0, 4.8, 4.6, 4.5, 4.45, 4.44, 4.43, 4.42];

test('losses that keep falling do not trigger', () => {
  expect(triggerOf(falling)).toBe('never');
});

test('a loss equal to the best of more than five epochs ago does not trigger', () => {
  expect(triggerOf([...falling, 4.6])).toBe('never');
});

test('a loss above the best of more than five epochs ago triggers', () => {
  expect(triggerOf([...falling, 4.61])).toEqual({ epoch: 9, cause: 'trigger' });
});

test('the last five losses are not looked at: worse than they are is not bad enough', () => {
  expect(triggerOf([...falling, 4.5])).toBe('never');
});

test('a loss above those of epochs 1 to 6 triggers at epoch 7', () => {
  expect(triggerOf([5, 5, 5, 5, 5, 5, 5.1])).toEqual({ epoch: 7, cause: 'trigger' });
});

test('no losses trigger before epoch 7, and rising ones do then', () => {
  expect(triggerOf([1, 2, 3, 4, 5, 6])).toBe('never');
  expect(triggerOf([1, 2, 3, 4, 5, 6, 7])).toEqual({ epoch: 7, cause: 'trigger' });
});

test('with a patience of 0 epochs the trigger compares with the best of all epochs before', () => {
  expect(triggerOf([3, 2, 1, 1], { nonmonotone: 0 })).toBe('never');
  expect(triggerOf([3, 2, 1, 1.5], { nonmonotone: 0 })).toEqual({ epoch: 4, cause: 'trigger' });
});

test('the trigger fires exactly where some loss of more than n epochs ago was better', () => {
  const losses = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 });
  fc.assert(
    fc.property(losses, fc.integer({ min: 1, max: 9 }), fc.nat({ max: 7 }), (history, loss, n) => {
      const better = history.some((before, epoch) => epoch < history.length - n && before < loss);
      expect(isTriggered(history, loss, n)).toBe(better);
    }),
    { seed: 1 },
  );
});

test('averaging begins after the configured epoch even if the trigger has not fired', () => {
  expect(triggerOf([5, 4, 3, 2, 1], { averagingFrom: 3 })).toEqual({ epoch: 3, cause: 'configured' });
});

test('a trigger before the configured epoch, or in it, is named as the cause', () => {
  const rising = [1, 2, 3, 4, 5, 6, 7, 8];
  expect(triggerOf(rising, { averagingFrom: 8 })).toEqual({ epoch: 7, cause: 'trigger' });
  expect(triggerOf(rising, { averagingFrom: 7 })).toEqual({ epoch: 7, cause: 'trigger' });
});

test('once it averages it never begins again unless an epoch is set for it, and then not before it averages', () => {
  const optimizer = new SntAsgd(optimizerConfig({ nonmonotone: 0, averagingFrom: 4 }));
  const causes = [1, 2, 3, 4, 5].map((loss, index) => optimizer.afterValidation([], loss, index + 1));
  expect(causes).toEqual([undefined, 'trigger', undefined, undefined, undefined]);

  const restarting = new SntAsgd(optimizerConfig({ nonmonotone: 0, averagingFrom: 3, restartAverages: '1,3,5,60' }));
  const falling = [6, 5, 4, 3, 2, 1].map((loss, index) => restarting.afterValidation([], loss, index + 1));
  expect(falling).toEqual([undefined, undefined, 'configured', undefined, 'restart', undefined]);
});

test.each([...layouts])('averages begun anew are those of a new optimiser with the same weights (%s)', (layout) => {
  const begun = () => {
    const parameter = matrix('weight', [rows, columns], layout, { seed: 1 });
    const optimizer = new SntAsgd(optimizerConfig({ averagingFrom: 1, restartAverages: '2', learningRate: 1 }));
    return { parameter, optimizer };
  };
  const [old, fresh] = [begun(), begun()];
  old.optimizer.afterValidation([old.parameter], 1, 1);
  for (const seed of [1, 2, 3]) step(old.optimizer, old.parameter, numbers(seed, size));
  fresh.parameter.load('values', old.parameter.read('values'));
  expect(old.optimizer.afterValidation([old.parameter], 1, 2)).toBe('restart');
  fresh.optimizer.afterValidation([fresh.parameter], 1, 1);
  for (const { parameter } of [old, fresh]) expect(Math.max(...parameter.read('average'))).toBe(0);
  for (const seed of [4, 5, 6]) {
    for (const { optimizer, parameter } of [old, fresh]) step(optimizer, parameter, numbers(seed, size));
    expect(old.parameter.read('average')).toEqual(fresh.parameter.read('average'));
  }
  expect(old.optimizer.fills).toEqual({ activeSince: 3 });
  for (const { parameter } of [old, fresh]) parameter.dispose();
});

test('averages and counters are empty when averaging begins', () => {
  const parameter = matrix('weight', [rows, columns], 'packed', { seed: 1 });
  const optimizer = new SntAsgd(optimizerConfig({ averagingFrom: 1 }));
  step(optimizer, parameter, numbers(1, size));
  optimizer.afterValidation([parameter], 1, 1);
  expect(optimizer.slots).toEqual(['average', 'activeSince']);
  for (const slot of optimizer.slots) expect(parameter.read(slot).every((number) => number === 0)).toBe(true);
  parameter.dispose();
});
