import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { columns, expectClose, histories, replay, rows, size, step } from './support/histories.js';
import { denseSlot } from '../golden/parameters.js';
import { matrix, numbers, optimizerConfig } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

test('SGD is w - lr (scale g + decay w): clipping does not scale the decay', () => {
  fc.assert(
    fc.property(
      histories,
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      ({ layout, learningRate, weightDecay, seed }, scale) => {
        for (const storage of [layout, 'dense'] as const) {
          const parameter = matrix('weight', [rows, columns], storage, { seed });
          const before = denseSlot(parameter, 'values').slice();
          const gradient = numbers(seed + 1, size);
          const mask = parameter instanceof SparseParameter ? parameter.pattern.toMask() : before.map(() => 1);
          step(
            createOptimizer(optimizerConfig({ kind: 'sgd', learningRate, weightDecay }), [parameter]),
            parameter,
            gradient,
            scale,
          );
          const expected = before.map((w, j) => mask[j] * (w - learningRate * (scale * gradient[j] + weightDecay * w)));
          expectClose(denseSlot(parameter, 'values'), expected, 1e-6);
          parameter.dispose();
        }
      },
    ),
    { seed: 1, numRuns: 30 },
  );
});

test('SGD with momentum follows its equations, and what is removed loses its velocity', () => {
  fc.assert(
    fc.property(histories, fc.constantFrom(0.9, 0.3), (history, momentum) => {
      const { learningRate, weightDecay } = history;
      const v = new Float64Array(size);
      let w: Float64Array | undefined;
      replay(
        history,
        (parameters) => {
          w = Float64Array.from(denseSlot(parameters[0], 'values'));
          return createOptimizer(
            optimizerConfig({ kind: 'momentum', learningRate, weightDecay, momentum }),
            parameters,
          );
        },
        ({ gradient, scale, mask, parameter }) => {
          const weights = w!;
          for (let j = 0; j < size; j++) {
            if (mask[j] === 0) {
              weights[j] = v[j] = 0;
              continue;
            }
            v[j] = momentum * v[j] + scale * gradient[j] + weightDecay * weights[j];
            weights[j] -= learningRate * v[j];
          }
          expectClose(denseSlot(parameter, 'values'), weights, 1e-4);
        },
      );
    }),
    { seed: 6, numRuns: 40 },
  );
});
