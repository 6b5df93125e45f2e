import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { LearningRate, type RateSchedule } from '../../src/worker/optimizers/learning-rate.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { isTriggered } from '../../src/worker/optimizers/trigger.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { DenseParameter, SparseParameter, type Layout, type Parameter } from '../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { updateTopology } from '../../src/worker/sparsity/topology.js';
import * as tf from '../../src/worker/tf.js';
import { contextOf } from './support/layers.js';
import { denseSlot, patternOf } from '../golden/parameters.js';
import {
  denseParameter,
  layouts,
  matrix,
  numbers,
  optimizerConfig,
  randomPattern,
  storedGradient,
} from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const [rows, columns] = [3, 5];
const size = rows * columns;
const gates = [{ name: 'all', rows }];

/** One optimiser step on one parameter. */
function step(optimizer: { step: SntAsgd['step'] }, parameter: Parameter, gradient: Float32Array, scale = 1): void {
  const stored = storedGradient(parameter, gradient);
  optimizer.step([parameter], [stored], scale);
  stored.dispose();
}

/** An optimiser that averages from its first step on. */
function averaging(parameters: readonly Parameter[], learningRate: number, weightDecay = 0): SntAsgd {
  const optimizer = new SntAsgd(optimizerConfig({ learningRate, weightDecay }));
  optimizer.beginAveraging(parameters);
  return optimizer;
}

function expectClose(ours: ArrayLike<number>, theirs: ArrayLike<number>, tolerance = 1e-5): void {
  expect(ours.length).toBe(theirs.length);
  for (let i = 0; i < theirs.length; i++) {
    expect(Math.abs(ours[i] - theirs[i]), `[${i}] ${ours[i]} and ${theirs[i]}`).toBeLessThan(
      tolerance * Math.max(1, Math.abs(theirs[i])),
    );
  }
}

/** Random steps: from time to time the mask changes; gradients are of every position, active or not. */
const histories = fc.record({
  layout: fc.constantFrom(...layouts),
  learningRate: fc.double({ min: 0.01, max: 1, noNaN: true }),
  weightDecay: fc.constantFrom(0, 1.2e-6, 0.1),
  seed: fc.nat({ max: 10_000 }),
  // Each entry is a step; where it is true, a new mask is put in force before it.
  changes: fc.array(fc.boolean(), { minLength: 1, maxLength: 14 }),
});

interface Moment {
  readonly gradient: Float32Array;
  /** Factor from clipping. */
  readonly scale: number;
  /** 1 where active during this step. */
  readonly mask: Float32Array;
  readonly parameter: SparseParameter;
  readonly optimizer: ReturnType<typeof createOptimizer>;
}

type History = typeof histories extends fc.Arbitrary<infer Value> ? Value : never;

/** Runs a history and shows each step after it has been done. */
function replay(
  { layout, seed, changes }: History,
  make: (parameters: readonly Parameter[]) => ReturnType<typeof createOptimizer>,
  look: (moment: Moment) => void,
): void {
  const parameter = matrix('weight', [rows, columns], layout, { seed, density: 0.5 }) as SparseParameter;
  const optimizer = make([parameter]);
  for (const [t, change] of changes.entries()) {
    if (change) parameter.changePattern(randomPattern(seed + t + 1, rows, columns, 0.5), optimizer.fills);
    const gradient = numbers(seed + 20_000 + 100 * t, size);
    const scale = t % 2 === 0 ? 1 : 0.4;
    step(optimizer, parameter, gradient, scale);
    look({ gradient, scale, mask: parameter.pattern.toMask(), parameter, optimizer });
  }
  parameter.dispose();
}

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

for (const kind of ['sgd', 'momentum', 'snt-asgd', 'adam'] as const) {
  test(`inactive weights, averages and moments are exactly 0 after every step of ${kind}`, () => {
    fc.assert(
      fc.property(histories, (history) => {
        replay(
          { ...history, layout: 'masked' },
          (parameters) =>
            kind === 'snt-asgd'
              ? averaging(parameters, history.learningRate, history.weightDecay)
              : createOptimizer(optimizerConfig({ kind, weightDecay: history.weightDecay }), parameters),
          ({ mask, parameter, optimizer }) => {
            for (const slot of ['values', ...optimizer.slots] as const) {
              if (slot === 'activeSince') continue; // a count, which nobody evaluates
              const stored = parameter.slot(slot).dataSync();
              expect(stored.every((number, j) => mask[j] === 1 || number === 0)).toBe(true);
            }
          },
        );
      }),
      { seed: 3, numRuns: 20 },
    );
  });

  test(`a step of ${kind} is the same in both layouts to the last bit`, () => {
    fc.assert(
      fc.property(histories, (history) => {
        const [packed, masked] = layouts.map((layout) => {
          const seen: Float32Array[] = [];
          replay(
            { ...history, layout },
            (parameters) =>
              kind === 'snt-asgd'
                ? averaging(parameters, history.learningRate, history.weightDecay)
                : createOptimizer(optimizerConfig({ kind, weightDecay: history.weightDecay }), parameters),
            ({ parameter, optimizer }) => {
              for (const slot of ['values', ...optimizer.slots] as const) seen.push(parameter.read(slot).slice());
            },
          );
          return seen;
        });
        expect(packed).toEqual(masked);
      }),
      { seed: 4, numRuns: 20 },
    );
  });

  test(`steps of ${kind} keep the number of tensors`, () => {
    for (const layout of layouts) {
      const counts = new Set<number>();
      const history: History = {
        layout,
        learningRate: 0.1,
        weightDecay: 0.1,
        seed: 1,
        changes: new Array<boolean>(6).fill(false),
      };
      replay(
        history,
        (parameters) =>
          kind === 'snt-asgd' ? averaging(parameters, 0.1) : createOptimizer(optimizerConfig({ kind }), parameters),
        () => counts.add(tf.memory().numTensors),
      );
      expect(counts.size).toBe(1);
    }
  });
}

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

test('the learning rate of Adam halves after three epochs in a row without a new best', () => {
  const optimizer = createOptimizer(optimizerConfig({ kind: 'adam' }), []);
  const rates = [5, 4, 4, 4, 4].map((loss, index) => {
    optimizer.afterValidation([], loss, index + 1);
    return optimizer.learningRate;
  });
  expect(rates).toEqual([1e-3, 1e-3, 1e-3, 1e-3, 5e-4]);
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

test('the plateau counts anew after a best epoch and after each cut', () => {
  const rates = ratesOf(8, { kind: 'plateau', factor: 0.5, patience: 2 }, [5, 5, 5, 4, 5, 5, 4.5, 6, 6, 6, 6]);
  expect(rates).toEqual([8, 8, 8, 8, 8, 8, 4, 4, 4, 2, 2]);
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

const resumable = {
  sgd: { kind: 'sgd' },
  'SNT-ASGD before its trigger': { kind: 'snt-asgd' },
  'SNT-ASGD while it averages': { kind: 'snt-asgd', averagingFrom: 2 },
  'momentum, with a rate that falls when validation stalls': {
    kind: 'momentum',
    schedule: { kind: 'plateau', patience: 0 },
  },
  'SNT-ASGD, with a rate that falls at set epochs': {
    kind: 'snt-asgd',
    averagingFrom: 3,
    schedule: { kind: 'decay', from: 2 },
  },
  Adam: { kind: 'adam', adam: { beta1: 0.9, plateauPatience: 1 } },
} as const;

for (const [name, settings] of Object.entries(resumable)) {
  test(`${name}, restored from its state and slots, goes on as if never interrupted`, () => {
    const config = optimizerConfig({ ...settings, nonmonotone: 2 });
    const epochs = [3, 2.5, 2.6, 2.4, 2.7, 2.8, 2.9];

    /** Epochs of three steps; an interruption takes only plain data over into a new optimiser and a new parameter. */
    const train = (layout: Layout, interruptedAfter?: number) => {
      let parameter = matrix('weight', [rows, columns], layout, { seed: 1 }) as SparseParameter;
      let optimizer = createOptimizer(config, [parameter]);
      const seen: unknown[] = [];
      for (const [index, loss] of epochs.entries()) {
        for (let t = 0; t < 3; t++) step(optimizer, parameter, numbers(10 * index + t, size));
        const cause = optimizer.afterValidation([parameter], loss, index + 1);
        parameter.changePattern(randomPattern(index, rows, columns, 0.5), optimizer.fills);
        seen.push([cause, optimizer.learningRate, [...parameter.read('values')]]);
        if (index !== interruptedAfter) continue;

        const state: unknown = JSON.parse(JSON.stringify(optimizer.state()));
        const held = (['values', ...optimizer.slots] as const).map(
          (slot) => [slot, parameter.read(slot).slice()] as const,
        );
        const fresh = new SparseParameter(
          parameter.name,
          parameter.shape,
          parameter.gates,
          parameter.pattern,
          new Float32Array(parameter.activeCount),
          layout,
        );
        parameter.dispose();
        parameter = fresh;
        optimizer = createOptimizer(config, [parameter]);
        optimizer.restore(state);
        for (const [slot, active] of held) parameter.load(slot, active);
      }
      seen.push(...optimizer.slots.map((slot) => [...parameter.read(slot)]), optimizer.state());
      parameter.dispose();
      return seen;
    };
    for (const layout of layouts) {
      const uninterrupted = train(layout);
      for (const epoch of epochs.keys()) expect(train(layout, epoch)).toEqual(uninterrupted);
    }
  });
}

test('a state that is not one of the optimiser is refused', () => {
  for (const kind of ['snt-asgd', 'adam'] as const) {
    const optimizer = createOptimizer(optimizerConfig({ kind }), []);
    expect(() => {
      optimizer.restore({ steps: -1 });
    }).toThrow();
  }
});
