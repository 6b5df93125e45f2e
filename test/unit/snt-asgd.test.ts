import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { DenseParameter, SparseParameter, type Parameter } from '../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { updateTopology } from '../../src/worker/sparsity/topology.js';
import * as tf from '../../src/worker/tf.js';
import { contextOf } from './support/layers.js';
import { averaging, columns, expectClose, gates, histories, replay, rows, size, step } from './support/histories.js';
import { denseSlot, patternOf } from '../golden/parameters.js';
import { denseParameter, layouts, matrix, numbers, optimizerConfig, storedGradient } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

for (const layout of layouts) {
  test(`three weights of which one is replaced have the weights and averages worked out by hand (${layout})`, () => {
    const parameter = new SparseParameter(
      'weight',
      [1, 3],
      [{ name: 'all', rows: 1 }],
      Pattern.fromPositions(1, 3, Int32Array.of(0, 1)),
      Float32Array.of(1, 2),
      layout,
    );
    const optimizer = averaging([parameter], 0.1);
    const trace: [weights: number[], averages: number[]][] = [
      [
        [0.9, 2.1, 0],
        [0.9, 2.1, 0],
      ],
      [
        [0.8, 2.2, 0],
        [0.8, 2.2, 0],
      ],
      [
        [0.7, 2.3, 0],
        [0.75, 2.25, 0],
      ],
      [
        [0.6, 2.4, 0],
        [0.7, 2.3, 0],
      ],
      [
        [0, 2.5, -0.05],
        [0, 2.35, -0.05],
      ],
      [
        [0, 2.6, -0.1],
        [0, 2.4, -0.1],
      ],
      [
        [0, 2.7, -0.15],
        [0, 2.45, -0.125],
      ],
      [
        [0, 2.8, -0.2],
        [0, 2.5, -0.15],
      ],
    ];
    for (const [done, [weights, averages]] of trace.entries()) {
      if (done === 4) parameter.changePattern(Pattern.fromPositions(1, 3, Int32Array.of(1, 2)), optimizer.fills);
      step(optimizer, parameter, Float32Array.of(1, -1, 0.5));
      expectClose(denseSlot(parameter, 'values'), weights, 1e-6);
      expectClose(denseSlot(parameter, 'average'), averages, 1e-6);
    }
    parameter.dispose();
  });
}

test('a dense weight is averaged with mu 1, 1, 1/2, 1/3, 1/4, 1/5', () => {
  const parameter = new DenseParameter('bias', [1], [{ name: 'all', rows: 1 }], Float32Array.of(1));
  const optimizer = averaging([parameter], 0.1);
  let before = 1;
  for (const [index, expected] of [0.9, 0.8, 0.75, 0.7, 0.65, 0.6].entries()) {
    step(optimizer, parameter, Float32Array.of(1));
    const [weight, average] = [parameter.read('values')[0], parameter.read('average')[0]];
    expect(average).toBeCloseTo(expected, 6);
    expect((average - before) / (weight - before)).toBeCloseTo(1 / Math.max(1, index), 5);
    before = average;
  }
  parameter.dispose();
});

test('every weight follows the equations of SNT-ASGD with a counter of its own, through any change of masks', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { learningRate, weightDecay } = history;
      const [k, a] = [new Int32Array(size), new Float64Array(size)];
      let w: Float64Array | undefined;
      replay(
        history,
        (parameters) => {
          w = Float64Array.from(denseSlot(parameters[0], 'values'));
          return averaging(parameters, learningRate, weightDecay);
        },
        ({ gradient, scale, mask, parameter }) => {
          const weights = w!;
          for (let j = 0; j < size; j++) {
            weights[j] *= mask[j]; // removed since the last step
            k[j] = mask[j] === 0 ? 0 : k[j] + 1;
            weights[j] -= learningRate * (scale * gradient[j] + weightDecay * weights[j]);
            const mu = k[j] <= 2 ? 1 : 1 / (k[j] - 1);
            a[j] = mu === 1 ? weights[j] : a[j] + mu * (weights[j] - a[j]);
            a[j] *= mask[j];
            weights[j] *= mask[j];
          }
          expectClose(denseSlot(parameter, 'values'), weights);
          expectClose(denseSlot(parameter, 'average'), a);
        },
      );
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('the average of an active weight is the mean of its iterates but the first since it became active', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const iterates = Array.from({ length: size }, (): number[] => []);
      replay(
        history,
        (parameters) => averaging(parameters, history.learningRate),
        ({ mask, parameter }) => {
          const [values, averages] = [denseSlot(parameter, 'values'), denseSlot(parameter, 'average')];
          iterates.forEach((list, j) => {
            if (mask[j] === 0) list.length = 0;
            else list.push(values[j]);
            if (list.length < 2) return;
            const mean = list.slice(1).reduce((sum, value) => sum + value, 0) / (list.length - 1);
            expect(Math.abs(averages[j] - mean)).toBeLessThan(1e-5 * Math.max(1, Math.abs(mean)));
          });
        },
      );
    }),
    { seed: 2, numRuns: 40 },
  );
});

/** Weights and averages of a few steps with gradients of every position. */
function averagedSteps(parameter: Parameter): [weights: Float32Array, averages: Float32Array][] {
  const optimizer = averaging([parameter], 0.3, 1e-3);
  const seen = Array.from({ length: 12 }, (_, t): [Float32Array, Float32Array] => {
    step(optimizer, parameter, numbers(50 + t, size), 0.7);
    return [denseSlot(parameter, 'values').slice(), denseSlot(parameter, 'average').slice()];
  });
  parameter.dispose();
  return seen;
}

for (const layout of layouts) {
  test(`a mask of ones is dense averaging to the last bit (${layout})`, () => {
    const values = numbers(1, size);
    const full = new SparseParameter('weight', [rows, columns], gates, Pattern.full(rows, columns), values, layout);
    expect(averagedSteps(full)).toEqual(
      averagedSteps(new DenseParameter('weight', [rows, columns], gates, values.slice())),
    );
  });

  test(`a mask that never changes is dense averaging where it is 1, and 0 elsewhere (${layout})`, () => {
    const sparse = matrix('weight', [rows, columns], layout, { seed: 3 }) as SparseParameter;
    const mask = sparse.pattern.toMask();
    const dense = new DenseParameter('weight', [rows, columns], gates, denseSlot(sparse, 'values'));
    const expected = averagedSteps(dense).map((pair) =>
      pair.map((numbers) => numbers.map((number, j) => (mask[j] === 0 ? 0 : number))),
    );
    expect(averagedSteps(sparse)).toEqual(expected);
  });

  test(`a weight removed and grown again by the same update keeps its value and its average (${layout})`, () => {
    const parameter = matrix('weight', [12, 12], layout, { seed: 1 }) as SparseParameter;
    const optimizer = averaging([parameter], 0.1);
    for (let t = 0; t < 4; t++) step(optimizer, parameter, numbers(t, 144));
    const before = { values: denseSlot(parameter, 'values').slice(), average: denseSlot(parameter, 'average').slice() };

    const { pattern, activeCount, name } = parameter;
    const layer = { name, pattern, budgets: [activeCount], values: parameter.read('values'), gates: parameter.gates };
    const context = contextOf({ rate: 0.8 });
    const [change] = updateTopology([layer], rulesOf(context.config)!, context).changes;
    parameter.changePattern(change.pattern, optimizer.fills);

    const cameBack = change.grown.filter((position) => change.removed.includes(position));
    const isNew = change.grown.filter((position) => !change.removed.includes(position));
    expect(Math.min(cameBack.length, isNew.length)).toBeGreaterThan(0);
    for (const slot of ['values', 'average'] as const) {
      const now = denseSlot(parameter, slot);
      for (const position of cameBack) expect(now[position]).toBe(before[slot][position]);
      for (const position of isNew) expect(now[position]).toBe(0);
    }
    // Their counters go on, too: the fifth step has mu = 1/4, while a new weight has its first.
    step(optimizer, parameter, numbers(4, 144));
    const [values, average] = [denseSlot(parameter, 'values'), denseSlot(parameter, 'average')];
    for (const position of cameBack) {
      expect(average[position]).toBeCloseTo(before.average[position] * 0.75 + values[position] * 0.25, 6);
    }
    for (const position of isNew) expect(average[position]).toBe(values[position]);
    parameter.dispose();
  });

  test(`a weight that comes back after a step without it starts from 0 with a new average (${layout})`, () => {
    const [both, second] = [
      [1, 1],
      [0, 1],
    ].map((mask) => patternOf(Float32Array.from(mask), [1, 2]));
    const parameter = new SparseParameter(
      'weight',
      [1, 2],
      [{ name: 'all', rows: 1 }],
      both,
      Float32Array.of(5, 5),
      layout,
    );
    const optimizer = averaging([parameter], 1);
    const gradient = Float32Array.of(-1, -1);
    for (let t = 0; t < 3; t++) step(optimizer, parameter, gradient);
    parameter.changePattern(second, optimizer.fills);
    step(optimizer, parameter, gradient);
    parameter.changePattern(both, optimizer.fills);
    expect([...denseSlot(parameter, 'values')]).toEqual([0, 9]);
    const averages = [1, 2, 3].map(() => {
      step(optimizer, parameter, gradient);
      return denseSlot(parameter, 'average')[0];
    });
    expect(averages).toEqual([1, 2, 2.5]); // of the iterates 1, 2, 3 the first does not count
    parameter.dispose();
  });
}

test('while mu is 1 the average is the weight itself, to the last bit', () => {
  const parameter = matrix('weight', [60, 60], 'packed', { seed: 1 });
  const optimizer = averaging([parameter], 0.37);
  // Far away and back again: what is lost in the difference of the two must not stay lost.
  const far = numbers(1, 400).map((value) => value * 1e8);
  for (const gradient of [far, far.map((value) => -value)]) {
    step(optimizer, parameter, gradient);
    expect(parameter.read('average')).toEqual(parameter.read('values'));
  }
  step(optimizer, parameter, numbers(3, 400));
  expect(parameter.read('average')).not.toEqual(parameter.read('values'));
  parameter.dispose();
});

test('biases are averaged like any weight and never masked', () => {
  const bias = denseParameter('bias', [4], 1);
  const weight = matrix('weight', [rows, columns], 'masked', { seed: 1 });
  const before = bias.read('values').slice();
  const optimizer = averaging([weight, bias], 0.5);
  const gradients = [storedGradient(weight, numbers(1, size)), tf.tensor1d([1, 1, 1, 1])];
  optimizer.step([weight, bias], gradients, 1);
  expectClose(
    bias.read('values'),
    before.map((value) => value - 0.5),
    1e-6,
  );
  expect(bias.read('average')).toEqual(bias.read('values'));
  tf.dispose(gradients);
  for (const parameter of [weight, bias]) parameter.dispose();
});

test('until the trigger SNT-ASGD is SGD to the last bit, and has no averages', () => {
  const weights = (['sgd', 'snt-asgd'] as const).map((kind) => {
    const parameter = matrix('weight', [rows, columns], 'packed', { seed: 1 });
    const optimizer = createOptimizer(optimizerConfig({ kind, learningRate: 0.3, weightDecay: 0.1 }), [parameter]);
    for (let t = 0; t < 5; t++) step(optimizer, parameter, numbers(t, size));
    expect([optimizer.averaging, optimizer.slots, parameter.has('average')]).toEqual([undefined, [], false]);
    const values = [...parameter.read('values')];
    parameter.dispose();
    return values;
  });
  expect(weights[1]).toEqual(weights[0]);
});
