import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { NativeMatrix } from '../../src/worker/engines/native/addon.js';
import { byColumn } from '../../src/worker/engines/native/by-column.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { noDropout } from '../../src/worker/models/model.js';
import type { LanguageModel } from '../../src/worker/models/model.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { slots } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { nativeEngine, skipWithoutNative, useNative, widths } from './support/native.js';
import {
  expectNoLeak,
  integers,
  layouts,
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
  type MakeCase,
  type Sizes,
} from './support/op-cases.js';
import { clipNorms, modelOf, stepOf } from './support/steps.js';

skipWithoutNative();

beforeEach(async () => {
  await useOracle();
});

/** Windows around the 64 positions of a block, and any small ones. */
const windows = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ batch: fc.integer({ min: 1, max: 23 }), steps: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { batch: 20, steps: 7 },
      { batch: 9, steps: 7 }, // 63
      { batch: 63, steps: 1 },
      { batch: 16, steps: 4 }, // 64
      { batch: 1, steps: 64 },
      { batch: 13, steps: 5 }, // 65
      { batch: 65, steps: 1 },
      { batch: 13, steps: 10 }, // 130
    ),
  },
);

/** Around what a vector, a tile and a block hold. */
const lengths = (max: number) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max }) },
    { weight: 1, arbitrary: fc.constantFrom(1, 15, 16, 17, 63, 64, 65) },
  );

const anySizes = fc
  .tuple(
    windows,
    fc.record({
      inputs: lengths(19),
      units: lengths(13),
      words: fc.oneof(fc.integer({ min: 2, max: 37 }), fc.constantFrom(64, 65, 131)),
      density: fc.constantFrom(0, 0.01, 0.3, 1),
      fullRow: fc.boolean(),
    }),
  )
  .map(([window, sizes]): Sizes => ({ ...window, ...sizes }));

/** What plain loops compute, once for all engines that are compared with them. */
const known = new Map<string, Promise<Float32Array[]>>();

function onOracle(...[make, sizes, storage, seed]: Parameters<typeof computed>): Promise<Float32Array[]> {
  const key = JSON.stringify([Object.values(makers).indexOf(make), sizes, storage, seed]);
  let numbersOfCase = known.get(key);
  if (numbersOfCase === undefined) {
    numbersOfCase = tf.setBackend('cpu').then(() => computed(make, sizes, storage, seed));
    known.set(key, numbersOfCase);
  }
  return numbersOfCase;
}

/** What takes long, as it is composed of this engine's products, or on the oracle. */
const long = ['rhn that is not coupled', 'mixtureOfSoftmaxes', 'mixtureOfSoftmaxes in blocks'];

async function expectAsOnOracle(...opCase: Parameters<typeof computed>): Promise<void> {
  const expected = await onOracle(...opCase);
  await tf.setBackend('native');
  expectAgreement(computed(...opCase), expected);
}

for (const width of widths) {
  for (const [name, make] of Object.entries(makers)) {
    test(`${name} computes the same with ${width} vectors as plain loops do, forward and backward`, async () => {
      const property = fc.asyncProperty(
        anySizes,
        fc.constantFrom(...storages),
        fc.nat({ max: 1000 }),
        async (sizes, storage, seed) => {
          await expectAsOnOracle(make, sizes, storage, seed);
        },
      );
      for (const threads of [1, 2, 3]) {
        await useNative(threads, width);
        await fc.assert(property, { seed: 1, numRuns: long.includes(name) ? 5 : 25 });
      }
    });
  }

  test(`a batch of more streams than a block has lanes is computed in parts (${width})`, async () => {
    await useNative(2, width);
    for (const storage of storages) {
      const sizes = { batch: 150, steps: 3, inputs: 5, units: 6, words: 11 };
      for (const make of Object.values(makers)) await expectAsOnOracle(make, sizes, storage, 7);
    }
  });

  test(`matrices of 70,000 columns and of 70,000 rows, which 16 bits cannot count (${width})`, async () => {
    await useNative(2, width);
    const small = { batch: 3, steps: 2, inputs: 3, units: 2, words: 5, density: 0.1 };
    const columns = { ...small, inputs: 70_000 };
    const rows = { ...small, words: 70_000 };
    const cases: [MakeCase, Sizes][] = [
      [makers.embedding, columns],
      [makers.sparseLinear, columns],
      [makers.lstm, { ...columns, density: 0.003 }], // sums of more would saturate the gates
      [makers.sparseLinear, { ...small, units: 70_000 }],
      [makers.embedding, rows],
      [makers.decodeAndCrossEntropy, rows],
      [makers['a tied embedding and decoder'], rows],
    ];
    for (const [make, sizes] of cases) await expectAsOnOracle(make, sizes, 'packed', 3);
  });
}

for (const index of [0, 1, 2]) {
  test(`lstm back-propagates from its ${['outputs', 'last hidden state', 'last cell'][index]} alone`, async () => {
    const sizes = { batch: 5, steps: 4, inputs: 3, units: 6, words: 2 };
    const make: MakeCase = (...args) => {
      const { inputs, outputs } = makers.lstm(...args);
      return { inputs, outputs: () => [outputs()[index]] };
    };
    await tf.setBackend('cpu');
    const expected = computed(make, sizes, 'packed', 1);
    await useNative(2);
    expectAgreement(computed(make, sizes, 'packed', 1), expected);
  });
}

for (const width of widths) {
  test(`gates that are saturated and logits of hundreds are computed as by plain loops (${width})`, async () => {
    const sizes = { batch: 9, steps: 8, inputs: 7, units: 5, words: 33 };
    for (const make of [makers.lstm, makers.decodeAndCrossEntropy]) {
      for (const factor of [3, 30, 300]) {
        const large: MakeCase = (...args) => {
          const opCase = make(...args);
          const [x] = opCase.inputs;
          x.load(
            'values',
            x.read('values').map((value) => value * factor),
          );
          return opCase;
        };
        await tf.setBackend('cpu');
        const expected = computed(large, sizes, 'packed', 1);
        await useNative(2, width);
        // Sums of hundreds are rounded at their fifth digit after the point, and so is what is an exponent.
        expectAgreement(computed(large, sizes, 'packed', 1), expected, Math.max(1e-5, 1e-6 * factor));
      }
    }
  });
}

/** A matrix as kernels take it, with indices of 32 bits or of 16. */
function nativeMatrix(rows: number, columns: number, seed: number, wide: boolean): NativeMatrix {
  const pattern = randomPattern(seed, rows, columns, 0.4);
  const { row, ...turned } = byColumn(pattern);
  const values = numbers(seed, pattern.count);
  const of = (indices: ArrayLike<number>) => (wide ? Uint32Array.from(indices) : Uint16Array.from(indices));
  return {
    rows,
    columns,
    values,
    rowStart: pattern.rowStart,
    column: of(pattern.column),
    row: of(row),
    ...turned,
  };
}

test('a recurrent matrix has the same products with indices of 32 bits as with those of 16', () => {
  const [steps, batch, inputs, size] = [5, 23, 7, 11];
  const positions = steps * batch;
  const state = batch * size;
  const floats = (...lengths: number[]) => lengths.map((length) => new Float32Array(length));
  const run = (wide: boolean) => {
    const engine = nativeEngine(2, widths.at(-1)!);
    const input = nativeMatrix(4 * size, inputs, 1, wide);
    const recurrent = nativeMatrix(4 * size, size, 2, wide);
    const x = numbers(3, positions * inputs);
    const hidden = numbers(4, state);
    const forward = floats(positions * size, state, state, steps * 4 * size * 24, (steps + 1) * size * 24);
    const [y, hiddenAfter, cellAfter, gates, cells] = forward;
    engine.lstmForward(
      ...([input, recurrent, numbers(5, 4 * size), numbers(6, 4 * size), steps, batch, x, hidden] as const),
      ...([numbers(7, state), y, hiddenAfter, cellAfter, gates, cells] as const),
    );
    const backward = floats(x.length, input.values.length, recurrent.values.length, 4 * size, state, state);
    const [dx, dInput, dRecurrent, dBias, dHidden, dCell] = backward;
    const norms = engine.lstmBackward(
      ...([input, recurrent, steps, batch, x, hidden, y, gates, cells, numbers(8, positions * size)] as const),
      ...([
        numbers(9, state),
        numbers(10, state),
        dx,
        dInput,
        dRecurrent,
        dBias,
        dHidden,
        dCell,
        'norm',
        'norm',
      ] as const),
    );
    return { y, hiddenAfter, cellAfter, backward, norms };
  };
  expect(run(true)).toEqual(run(false));
});

const trainingSizes = fc
  .tuple(
    windows,
    fc.record({
      inputs: fc.integer({ min: 1, max: 19 }),
      units: fc.integer({ min: 1, max: 19 }),
      words: fc.integer({ min: 2, max: 67 }),
      density: fc.constantFrom(0.02, 0.3, 1),
    }),
  )
  .map(([window, sizes]): Sizes => ({ ...window, ...sizes }));

const shortWindows = [
  { batch: 20, steps: 4 },
  { batch: 1, steps: 2 },
  { batch: 65, steps: 1 },
  { batch: 43, steps: 3 }, // 129
];

const optimizers = ['sgd', 'snt-asgd', 'adam'] as const;

/** Every number of a model after a few steps of an optimiser. */
function slotsAfterSteps(model: LanguageModel, kind: (typeof optimizers)[number], sizes: Sizes, count: number) {
  const { batch, steps, words } = sizes;
  const optimizer = createOptimizer(optimizerConfig({ kind, learningRate: 1 }), model.parameters);
  if (optimizer instanceof SntAsgd) optimizer.beginAveraging(model.parameters);
  let state = model.initialState(batch);
  for (let step = 0; step < count; step++) {
    const text = integers(step, batch * steps + 1, words);
    const window = { inputs: text.slice(0, -1), targets: text.slice(1), batch };
    watchGradients(model.parameters, 'all', { seed: 1, step });
    const pass = lossAndGradients(model, window, state, noDropout);
    const norm = gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step });
    optimizer.step(model.parameters, pass.gradients, clipScale(norm, 0.25));
    tf.dispose([pass.loss, ...pass.gradients, ...state]);
    state = pass.state;
  }
  tf.dispose([...state]);
  return model.parameters.map((parameter) =>
    slots.filter((slot) => parameter.has(slot)).map((slot) => parameter.read(slot)),
  );
}

for (const layout of layouts) {
  test(`threads change no bit of loss, state, gradients, norms and updates (${layout})`, async () => {
    // Few steps: more threads than cores wait long for each other.
    const samples = fc.tuple(
      fc.tuple(trainingSizes, fc.constantFrom(...shortWindows)).map(([sizes, window]) => ({ ...sizes, ...window })),
      ...([fc.boolean(), fc.nat({ max: 1000 }), fc.constantFrom(...widths)] as const),
    );
    const property = fc.asyncProperty(samples, async ([sizes, tied, seed, width]) => {
      const on = async (threads: number) => {
        await useNative(threads, width);
        return [undefined, ...optimizers].map((kind) => {
          const model = modelOf(layout, sizes, tied, seed);
          const results = kind === undefined ? stepOf(model, sizes, seed) : slotsAfterSteps(model, kind, sizes, 2);
          for (const parameter of model.parameters) parameter.dispose();
          return results;
        });
      };
      const alone = await on(1);
      for (const threads of [2, 3, 5]) expect(await on(threads)).toEqual(alone);
    });
    await fc.assert(property, { seed: 1, numRuns: 4 });
  });
}

test('the norm of the whole gradient of packed weights is that of the masked and of plain loops, window after window', async () => {
  const property = fc.asyncProperty(
    fc.array(windows, { minLength: 3, maxLength: 3 }),
    fc.tuple(trainingSizes, fc.boolean(), fc.constantFrom(...widths)),
    async (following, [sizes, tied, width]) => {
      const on = async (start: () => Promise<void>, layout: (typeof layouts)[number]) => {
        await start();
        const model = modelOf(layout, sizes, tied, 5);
        const norms = following.map((window, seed) => stepOf(model, { ...sizes, ...window }, seed));
        for (const parameter of model.parameters) parameter.dispose();
        return norms.map((kinds) => Float32Array.from(kinds, ({ norm }) => norm));
      };
      const expected = await on(useOracle, 'masked');
      expectAgreement(await on(() => useNative(2, width), 'packed'), expected);
      expectAgreement(await on(() => useNative(2, width), 'masked'), expected);
    },
  );
  await fc.assert(property, { seed: 1, numRuns: 6 });
});

test('a weight that is used twice before its gradient is computed is an error', async () => {
  await useNative(2);
  const sizes = { batch: 3, steps: 2, inputs: 3, units: 4, words: 5 };
  for (const make of [makers.lstm, makers.decodeAndCrossEntropy]) {
    const { inputs, outputs } = make(sizes, 'packed', 1);
    const twice = { inputs, outputs: () => [...outputs(), ...outputs()] };
    expect(() => gradientsOf(twice)).toThrow('a weight was used twice before its gradient was computed');
    dispose(twice);
  }
});

test('evaluation between two training steps changes nothing of the second', async () => {
  await useNative(2);
  const sizes = { batch: 5, steps: 3, inputs: 3, units: 4, words: 9 };
  for (const layout of layouts) {
    const model = modelOf(layout, sizes, false, 1);
    const before = stepOf(model, sizes, 1);
    tf.tidy(() => {
      // A longer window than that of a step, so that what is kept grows.
      const window = { inputs: integers(1, 140, 9), targets: integers(2, 140, 9), batch: 2 };
      const { loss } = model.loss(window, model.initialState(2), noDropout);
      expect(loss.dataSync()[0]).toBeGreaterThan(0);
    });
    expect(stepOf(model, sizes, 1)).toEqual(before);
    for (const parameter of model.parameters) parameter.dispose();
  }
});

for (const storage of storages) {
  test(`no op leaves a tensor behind after forward, backward and disposal (${storage})`, async () => {
    await useNative(2);
    for (const make of Object.values(makers)) {
      expectNoLeak(() => {
        computed(make, { batch: 3, steps: 3, inputs: 3, units: 2, words: 5 }, storage, 1);
      });
    }
  });
}

for (const kind of optimizers) {
  test(`steps of ${kind} leave no tensor behind, packed or masked, whatever norm is asked for`, async () => {
    await useNative(2);
    const sizes = { batch: 3, steps: 3, inputs: 3, units: 2, words: 5 };
    for (const layout of layouts) {
      expectNoLeak(() => {
        const model = modelOf(layout, sizes, true, 1);
        expect(stepOf(model, sizes, 1)).toHaveLength(clipNorms.length);
        slotsAfterSteps(model, kind, sizes, 3);
        for (const parameter of model.parameters) parameter.dispose();
      });
    }
  });
}
