import fc from 'fast-check';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { decodeAndCrossEntropy } from '../../src/worker/ops/decode-and-cross-entropy.js';
import { embedding } from '../../src/worker/ops/embedding.js';
import { sparseLinear } from '../../src/worker/ops/sparse-linear.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { SparseParameter, slots } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import {
  denseParameter,
  expectNoLeak,
  integers,
  layouts,
  matrix,
  numbers,
  optimizerConfig,
  randomPattern,
  storages,
  useOracle,
} from './support/numerics.js';
import {
  computed,
  dispose,
  expectAgreement,
  gradientsOf,
  makers,
  objective,
  weightsOf,
  type OpCase,
  type Sizes,
} from './support/op-cases.js';
import { modelOf, stepOf } from './support/steps.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

beforeEach(async () => {
  await tf.setBackend('wasm');
});

/**
 * Gradients by differences of fourth order, for every stored number. With h = 1/32 the error of the formula is below
 * h⁴ / 30 = 3e-8 times the fifth derivative, and that of float32 sums of order 1 about 1e-7 * 1.5 / h = 5e-6.
 */
function finiteDifferences(opCase: OpCase): Float64Array[] {
  const h = 1 / 32;
  return opCase.inputs.map((parameter) => {
    const values = parameter.values.dataSync<'float32'>().slice();
    const set = (numbers: Float32Array) => {
      parameter.setSlot('values', tf.tensor(numbers, parameter.storedShape));
    };
    const derivatives = Float64Array.from(values.keys(), (i) => {
      const at = (step: number) => {
        set(values.with(i, values[i] + step));
        return objective(opCase);
      };
      return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    });
    set(values);
    return derivatives;
  });
}

function expectRightGradients(opCase: OpCase): void {
  const gradients = gradientsOf(opCase);
  for (const [i, expected] of finiteDifferences(opCase).entries()) {
    const { name } = opCase.inputs[i];
    expect(gradients[i].length, name).toBe(expected.length);
    expected.forEach((derivative, j) => {
      expect(Math.abs(gradients[i][j] - derivative), `${name}[${j}]`).toBeLessThan(
        1e-4 * Math.max(1, Math.abs(derivative)),
      );
    });
  }
}

const odd: Sizes = { batch: 3, steps: 3, inputs: 3, units: 2, words: 5 };
const corners: Sizes[] = [
  odd,
  { batch: 1, steps: 5, inputs: 2, units: 3, words: 3 }, // a batch of one, every word more than once
  { batch: 3, steps: 1, inputs: 1, units: 1, words: 4 }, // one time step, one column, one unit
  { batch: 1, steps: 1, inputs: 1, units: 1, words: 2 },
];

for (const storage of storages) {
  test(`a mixture of softmaxes in blocks is that of all positions at once (${storage})`, () => {
    for (const sizes of [odd, { ...odd, batch: 1, steps: 1 }, { ...odd, words: 200 }]) {
      const [inBlocks, whole] = [makers['mixtureOfSoftmaxes in blocks'], makers.mixtureOfSoftmaxes];
      expectAgreement(computed(inBlocks, sizes, storage, 3), computed(whole, sizes, storage, 3), 1e-6);
    }
  });
}

for (const [name, make] of Object.entries(makers)) {
  for (const storage of storages) {
    test(`gradients of ${name} are those of finite differences (${storage})`, async () => {
      await useOracle();
      for (const [seed, sizes] of corners.entries()) {
        const opCase = make(sizes, storage, 10 * seed);
        expectRightGradients(opCase);
        dispose(opCase);
      }
    });
  }
}

for (const [index, name] of ['outputs of every step', 'last hidden state', 'last cell'].entries()) {
  test(`lstm back-propagates from its ${name} alone`, async () => {
    await useOracle();
    const whole = makers.lstm(odd, 'packed', 5);
    expectRightGradients({ inputs: whole.inputs, outputs: () => [whole.outputs()[index]] });
    dispose(whole);
  });
}

test('a matrix with empty rows and columns has the gradients of finite differences in every op', async () => {
  await useOracle();
  const sparse = randomPattern(31, odd.words, odd.inputs, 0.4);
  expect([...sparse.rowStart].some((start, row) => start === sparse.rowStart[row + 1])).toBe(true);
  for (const layout of layouts) {
    const weight = matrix('weight', [odd.words, odd.inputs], layout, { seed: 31 });
    const x = denseParameter('x', [4, odd.inputs], 1);
    const bias = denseParameter('bias', [odd.words], 2);
    const text = integers(3, 7, odd.words);
    const cases: OpCase[] = [
      { inputs: [weight], outputs: () => [embedding(weight, text)] },
      { inputs: [x, weight, bias], outputs: () => [sparseLinear(x.values as tf.Tensor2D, weight, bias)] },
      {
        inputs: [x, weight, bias],
        outputs: () => [decodeAndCrossEntropy(x.values as tf.Tensor2D, weight, bias, text.slice(0, 4))],
      },
    ];
    for (const opCase of cases) expectRightGradients(opCase);
    for (const parameter of [weight, x, bias]) parameter.dispose();
  }
});

test('the embedding of a word that occurs again adds up what each of its positions asks for', async () => {
  await useOracle();
  const weight = matrix('embedding', [3, 2], 'dense', { seed: 1 });
  const rowSums = (text: number[]) =>
    gradientsOf({ inputs: [weight], outputs: () => [embedding(weight, Int32Array.from(text))] })[0];
  const dy = weightsOf(0, 6);
  const expected = [0, 0, dy[2], dy[3], dy[0] + dy[4], dy[1] + dy[5]];
  expect(rowSums([2, 1, 2])).toEqual(Float32Array.from(expected));
  weight.dispose();
});

test('the watched dense gradient of a packed matrix is the gradient of the masked one, summed over its uses', () => {
  for (const make of Object.values(makers)) {
    const [packed, masked] = layouts.map((layout) => make(odd, layout, 3));
    watchGradients(packed.inputs, 'all', { seed: 1, step: 1 });
    gradientsOf(packed);
    const dense = gradientsOf(masked);
    for (const [i, parameter] of packed.inputs.entries()) {
      if (!(parameter instanceof SparseParameter)) continue;
      const sum = parameter.denseGradient.take() as tf.Tensor2D;
      expect(sum.dataSync<'float32'>()).toEqual(dense[i]);
      sum.dispose();
    }
    dispose(packed);
    dispose(masked);
  }
});

test('a packed matrix keeps no dense gradient unless it is watched', () => {
  const opCase = makers.sparseLinear(odd, 'packed', 1);
  gradientsOf(opCase);
  const weight = opCase.inputs.find((parameter) => parameter instanceof SparseParameter)!;
  expect(weight.denseGradient.take()).toBeUndefined();
  dispose(opCase);
});

const anySizes = fc.record({
  batch: fc.integer({ min: 1, max: 7 }),
  steps: fc.integer({ min: 1, max: 6 }),
  inputs: fc.integer({ min: 1, max: 19 }),
  units: fc.integer({ min: 1, max: 13 }),
  words: fc.integer({ min: 2, max: 37 }),
});

for (const [name, make] of Object.entries(makers)) {
  test(`${name} computes the same on wasm as on plain loops, forward and backward`, async () => {
    await useOracle();
    const property = fc.asyncProperty(
      anySizes,
      fc.constantFrom(...storages),
      fc.nat({ max: 1000 }),
      async (sizes, storage, seed) => {
        const on = async (backend: string) => {
          await tf.setBackend(backend);
          return computed(make, sizes, storage, seed);
        };
        expectAgreement(await on('wasm'), await on('cpu'));
      },
    );
    await fc.assert(property, { seed: 1, numRuns: 20 });
  });
}

test('packed and masked weights give a stacked LSTM the same loss, state, gradients and norms to the last bit', () => {
  fc.assert(
    fc.property(anySizes, fc.boolean(), fc.nat({ max: 1000 }), (sizes, tied, seed) => {
      const [packed, masked] = layouts.map((layout) => {
        const model = modelOf(layout, sizes, tied, seed);
        const step = stepOf(model, sizes, seed);
        for (const parameter of model.parameters) parameter.dispose();
        return step;
      });
      if (tied) {
        // The sketched norm, which is the last, is that of a sum of sketches, or the sketch of a sum.
        expect(packed.at(-1)!.norm / masked.at(-1)!.norm).toBeCloseTo(1, 5);
        packed[packed.length - 1] = { ...packed.at(-1)!, norm: masked.at(-1)!.norm };
      }
      expect(packed).toEqual(masked);
    }),
    { seed: 1, numRuns: 15 },
  );
});

for (const storage of storages) {
  test(`no op leaves a tensor behind after forward, backward and disposal (${storage})`, () => {
    for (const make of Object.values(makers)) {
      expectNoLeak(() => {
        const opCase = make(odd, storage, 1);
        gradientsOf(opCase);
        tf.dispose(tf.tidy(opCase.outputs));
        dispose(opCase);
      });
    }
  });
}

for (const layout of layouts) {
  test(`a training step leaves its loss, gradients and state and nothing else (${layout})`, () => {
    const model = modelOf(layout, odd, true, 1);
    const window = { inputs: integers(1, 9, odd.words), targets: integers(2, 9, odd.words), batch: 3 };
    const state = model.initialState(3);
    const step = () => {
      watchGradients(model.parameters, 'all', { seed: 1, step: 1 });
      const pass = lossAndGradients(model, window, state, () => undefined);
      gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step: 1 });
      return pass;
    };
    tf.dispose(step() as unknown as tf.TensorContainer); // masks and indices are made with the first use
    const before = tf.memory().numTensors;
    const pass = step();
    expect(tf.memory().numTensors - before).toBe(1 + model.parameters.length + state.length);
    tf.dispose(pass as unknown as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(before);
    for (const parameter of model.parameters) parameter.dispose();
    tf.dispose([...state]);
  });
}

for (const kind of ['sgd', 'snt-asgd', 'adam'] as const) {
  test(`after a step of ${kind} a packed matrix has one number per active weight and slot, and nothing dense`, () => {
    const bytesBefore = tf.memory().numBytes;
    const model = modelOf('packed', odd, false, 2);
    const optimizer = createOptimizer(optimizerConfig({ kind, learningRate: 0.1 }), model.parameters);
    if (optimizer instanceof SntAsgd) optimizer.beginAveraging(model.parameters);
    const state = model.initialState(1);
    watchGradients(model.parameters, 'all', { seed: 1, step: 1 });
    const pass = lossAndGradients(
      model,
      { inputs: Int32Array.of(1, 2), targets: Int32Array.of(2, 3), batch: 1 },
      state,
      () => undefined,
    );
    const norm = gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step: 1 });
    optimizer.step(model.parameters, pass.gradients, clipScale(norm, 0.25));
    tf.dispose([pass.loss, ...pass.gradients, ...pass.state, ...state]);

    let stored = 0;
    for (const parameter of model.parameters) {
      const held = slots.filter((slot) => parameter.has(slot));
      expect(held).toEqual(['values', ...optimizer.slots]);
      for (const slot of held) expect(parameter.slot(slot).size).toBe(parameter.activeCount);
      const indices = parameter instanceof SparseParameter ? 1 : 0;
      stored += (held.length + indices) * parameter.activeCount;
    }
    expect(tf.memory().numBytes - bytesBefore).toBe(4 * stored);
    for (const parameter of model.parameters) parameter.dispose();
    expect(tf.memory().numBytes).toBe(bytesBefore);
  });
}

/** What tf.slice means, in plain loops; -1 is all that is left. */
function sliced(
  data: ArrayLike<number>,
  shape: readonly number[],
  begin: readonly number[],
  size: readonly number[],
): number[] {
  const lengths = size.map((length, axis) => (length === -1 ? shape[axis] - begin[axis] : length));
  const [length = 1] = lengths;
  if (shape.length === 0) return [data[0]];
  const inner = shape.slice(1).reduce((product, other) => product * other, 1);
  return Array.from({ length }, (_, i) => {
    const row = Array.from({ length: inner }, (_, j) => data[(begin[0] + i) * inner + j]);
    return sliced(row, shape.slice(1), begin.slice(1), size.slice(1));
  }).flat();
}

const slices = fc
  .array(
    fc
      .record({ length: fc.integer({ min: 1, max: 9 }), a: fc.nat(), b: fc.nat(), rest: fc.boolean() })
      .map(({ length, a, b, rest }) => {
        const begin = a % length;
        return { length, begin, size: rest ? -1 : b % (length - begin + 1) };
      }),
    { minLength: 1, maxLength: 4 },
  )
  .chain((axes) =>
    fc.record({ axes: fc.constant(axes), dtype: fc.constantFrom('float32' as const, 'int32' as const) }),
  );

test('slices on wasm are those of tfjs, for any begin, size, rank and type', () => {
  fc.assert(
    fc.property(slices, ({ axes, dtype }) => {
      const shape = axes.map(({ length }) => length);
      const [begin, size] = [axes.map((axis) => axis.begin), axes.map((axis) => axis.size)];
      const data = integers(
        7,
        shape.reduce((product, length) => product * length, 1),
        1000,
      );
      expectNoLeak(() => {
        tf.tidy(() => {
          const slice = tf.slice(tf.tensor(data, shape, dtype), begin, size);
          expect(slice.dtype).toBe(dtype);
          expect(slice.shape).toEqual(axes.map((axis) => (axis.size === -1 ? axis.length - axis.begin : axis.size)));
          expect([...slice.dataSync()]).toEqual(sliced(data, shape, begin, size));
        });
      });
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('a slice of a matrix takes missing sizes as all that is left, and columns of it can be sliced again', () => {
  tf.tidy(() => {
    const data = numbers(1, 7 * 5);
    const x = tf.tensor2d(data, [7, 5]);
    const columns = tf.slice(x, [2, 1]);
    expect([...columns.dataSync()]).toEqual(sliced(data, [7, 5], [2, 1], [-1, -1]));
    expect([...tf.slice(columns, 3, 2).dataSync()]).toEqual(sliced(data, [7, 5], [5, 1], [2, -1]));
    expect([...x.dataSync()]).toEqual([...data]);
  });
});

test('a slice survives the growth of the heap that its own result causes', () => {
  tf.tidy(() => {
    const [rows, columns] = [2300, 2000]; // 18 MB each, of a heap that starts with 16
    const x = tf.range(0, rows * columns).reshape<tf.Tensor2D>([rows, columns]);
    const data = tf.slice2d(x, [1, 1], [rows - 1, columns - 1]).dataSync();
    expect([data[0], data[columns - 1], data.at(-1)]).toEqual([columns + 1, 2 * columns + 1, rows * columns - 1]);
  });
});
