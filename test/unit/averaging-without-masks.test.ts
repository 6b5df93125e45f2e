import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import type { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { columns, expectClose, histories, replay, rows, size, step } from './support/histories.js';
import { denseSlot } from '../golden/parameters.js';
import { matrix, numbers, optimizerConfig } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

test('averaging without masks follows the equations of ASGD: what is removed fades, what is regrown is diluted', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { learningRate, weightDecay } = history;
      const a = new Float64Array(size);
      let t = 0;
      let outside = 0;
      replay(
        { ...history, layout: 'masked' },
        (parameters) => createOptimizer(optimizerConfig({ kind: 'asgd', learningRate, weightDecay }), parameters),
        ({ mask, parameter, optimizer }) => {
          t += 1;
          const weights = denseSlot(parameter, 'values');
          const mu = 1 / Math.max(1, t - 1);
          for (let j = 0; j < size; j++) a[j] += mu * (weights[j] - a[j]);
          expect(optimizer.averaging).toBe('wholeAverage');
          const average = parameter.read('wholeAverage');
          expectClose(average, a);
          outside += average.filter((number, j) => number !== 0 && mask[j] === 0).length;
        },
      );
      // From the third step on a mean keeps what it had; a new mask in force then leaves weights outside it.
      if (history.changes.slice(2).some(Boolean)) expect(outside).toBeGreaterThan(0);
    }),
    { seed: 7, numRuns: 40 },
  );
});

test('where masks stay averaging without them is SNT-ASGD to the last bit', () => {
  const [masked, unmasked] = (['average', 'wholeAverage'] as const).map((slot) => {
    const parameter = matrix('weight', [rows, columns], 'masked', { seed: 1 }) as SparseParameter;
    const optimizer = new SntAsgd(optimizerConfig({ learningRate: 0.3 }), slot);
    optimizer.beginAveraging([parameter]);
    for (let t = 0; t < 6; t++) step(optimizer, parameter, numbers(t, size));
    return slot === 'average' ? denseSlot(parameter, slot) : parameter.read(slot);
  });
  expect([...unmasked]).toEqual([...masked]);
});

test('averages without masks have no place in the packed layout', () => {
  const parameter = matrix('weight', [rows, columns], 'packed', { seed: 1 });
  expect(() => createOptimizer(optimizerConfig({ kind: 'asgd' }), [parameter])).toThrow('wholeAverage of weight is');
  parameter.dispose();
});
