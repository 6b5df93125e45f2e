import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { expectClose, histories, replay, size, step } from './support/histories.js';
import { denseSlot } from '../golden/parameters.js';
import { denseParameter, optimizerConfig } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

test('Adam follows its equations with moments of active weights only, through any change of masks', () => {
  const betas = fc.constantFrom([0, 0.999], [0.9, 0.99]);
  fc.assert(
    fc.property(histories, betas, (history, [beta1, beta2]) => {
      const { learningRate, weightDecay } = history;
      const epsilon = 1e-3; // so large that leaving it out would be seen
      const adam = { learningRate, beta1, beta2, epsilon };
      const [m, v] = [new Float64Array(size), new Float64Array(size)];
      let w: Float64Array | undefined;
      let t = 0;
      replay(
        history,
        (parameters) => {
          w = Float64Array.from(denseSlot(parameters[0], 'values'));
          return createOptimizer(optimizerConfig({ kind: 'adam', weightDecay, adam }), parameters);
        },
        ({ gradient, scale, mask, parameter }) => {
          t += 1;
          const weights = w!;
          for (let j = 0; j < size; j++) {
            // What is removed loses its moments, and what grows starts without any.
            if (mask[j] === 0) {
              weights[j] = m[j] = v[j] = 0;
              continue;
            }
            const g = scale * gradient[j] + weightDecay * weights[j];
            m[j] = beta1 * m[j] + (1 - beta1) * g;
            v[j] = beta2 * v[j] + (1 - beta2) * g * g;
            const [mHat, vHat] = [m[j] / (1 - beta1 ** t), v[j] / (1 - beta2 ** t)];
            weights[j] -= (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
          }
          const active = [...parameter.pattern.positions()];
          expectClose(denseSlot(parameter, 'values'), weights, 1e-4);
          expectClose(
            parameter.read('moment1'),
            active.map((j) => m[j]),
            1e-5,
          );
          expectClose(
            parameter.read('moment2'),
            active.map((j) => v[j]),
            1e-5,
          );
        },
      );
    }),
    { seed: 1, numRuns: 40 },
  );
});

for (const engine of ['wasm', 'native'] as const) {
  test(`dense moments go on while a weight is inactive, and only they do (${engine})`, async () => {
    await startEngine({ engine, threads: 1 });
    let heldOutside = 0;
    fc.assert(
      fc.property(histories, (history) => {
        const { learningRate, weightDecay } = history;
        const [beta1, beta2, epsilon] = [0.5, 0.9, 1e-3];
        const adam = { learningRate, beta1, beta2, epsilon, denseMoments: true };
        const [m, v] = [new Float64Array(size), new Float64Array(size)];
        let w: Float64Array | undefined;
        let t = 0;
        replay(
          { ...history, layout: 'masked' },
          (parameters) => {
            w = Float64Array.from(denseSlot(parameters[0], 'values'));
            return createOptimizer(optimizerConfig({ kind: 'adam', weightDecay, adam }), parameters);
          },
          ({ gradient, scale, mask, parameter }) => {
            t += 1;
            const weights = w!;
            for (let j = 0; j < size; j++) {
              if (mask[j] === 0) weights[j] = 0;
              const g = scale * gradient[j] + weightDecay * weights[j];
              m[j] = beta1 * m[j] + (1 - beta1) * g;
              v[j] = beta2 * v[j] + (1 - beta2) * g * g;
              const [mHat, vHat] = [m[j] / (1 - beta1 ** t), v[j] / (1 - beta2 ** t)];
              if (mask[j] === 1) weights[j] -= (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
            }
            expectClose(denseSlot(parameter, 'values'), weights, 1e-4);
            expectClose(parameter.read('wholeMoment1'), m);
            expectClose(parameter.read('wholeMoment2'), v);
            heldOutside += parameter.read('wholeMoment2').filter((number, j) => number > 0 && mask[j] === 0).length;
          },
        );
      }),
      { seed: 8, numRuns: 30 },
    );
    expect(heldOutside).toBeGreaterThan(0);
    await startEngine({ engine: 'wasm', threads: 0 });
  });
}

test('the learning rate of Adam halves after three epochs in a row without a new best', () => {
  const optimizer = createOptimizer(optimizerConfig({ kind: 'adam' }), []);
  const rates = [5, 4, 4, 4, 4].map((loss, index) => {
    optimizer.afterValidation([], loss, index + 1);
    return optimizer.learningRate;
  });
  expect(rates).toEqual([1e-3, 1e-3, 1e-3, 1e-3, 5e-4]);
});

test('the learning rate that has been cut is the one of the next step', () => {
  const parameter = denseParameter('bias', [1], 1);
  const adam = { learningRate: 1, beta1: 0, plateauPatience: 0 };
  const optimizer = createOptimizer(optimizerConfig({ kind: 'adam', weightDecay: 0, adam }), [parameter]);
  const move = () => {
    const [before] = parameter.read('values').slice();
    step(optimizer, parameter, Float32Array.of(1));
    return before - parameter.read('values')[0];
  };
  expect(move()).toBeCloseTo(1, 5); // the step of a constant gradient is the learning rate
  [1, 2].forEach((loss, index) => optimizer.afterValidation([parameter], loss, index + 1));
  expect(move()).toBeCloseTo(0.5, 5);
  parameter.dispose();
});
