import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { initialParameters, matricesOf, modelKinds } from '../../src/worker/models/build.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import {
  isSparsifiable,
  noDropout,
  type Dropout,
  type LanguageModel,
  type State,
  type Window,
} from '../../src/worker/models/model.js';
import { stackedLstm } from '../../src/worker/models/stacked-lstm.js';
import { DenseParameter, SparseParameter, type Layout, type Parameter } from '../../src/worker/sparsity/parameter.js';
import type { Pattern } from '../../src/worker/sparsity/pattern.js';
import * as tf from '../../src/worker/tf.js';
import { activeGradient, integers, layouts, randomPattern, relativeError } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

type ModelSettings = NonNullable<PartialRunConfig['model']>;

const specsOf = (model: ModelSettings, vocabulary: number) =>
  stackedLstm.parameters(parseRunConfig({ model }).model, vocabulary);

const sizeOf = ({ shape }: { readonly shape: readonly number[] }) => shape.reduce((product, n) => product * n, 1);
const total = (specs: readonly { readonly shape: readonly number[] }[]) =>
  specs.reduce((sum, spec) => sum + sizeOf(spec), 0);

const noPatterns = new Map<string, Pattern>();
/** A model that drops nothing. */
const modelWith = (parameters: readonly Parameter[]) => stackedLstm.create(parseRunConfig({}).model, parameters);
const large: ModelSettings = { embedding: 1500, hidden: 1500, layers: 2 };

function dispose(parameters: readonly Parameter[]): void {
  for (const parameter of parameters) parameter.dispose();
}

/** A small model with sparse matrices. */
function sparseModel(model: ModelSettings, vocabulary: number, layout: Layout, seed = 1): LanguageModel {
  const specs = specsOf(model, vocabulary);
  const patterns = new Map(
    matricesOf(specs).map(({ name, shape: [rows, columns] }, i) => [name, randomPattern(i, rows, columns, 0.5)]),
  );
  return modelWith(initialParameters(specs, patterns, layout, seed));
}

/** A window of random words. */
function windowOf(seed: number, steps: number, batch: number, words: number): Window {
  return { inputs: integers(seed, steps * batch, words), targets: integers(seed + 1, steps * batch, words), batch };
}

function numbersOf(tensors: readonly tf.Tensor[]): number[][] {
  return tensors.map((tensor) => [...tensor.dataSync()]);
}

test('two layers of 1500 units over 10,000 words have 66,000,000 weights and 34,000 biases', () => {
  const specs = specsOf(large, 10_000);
  expect(total(matricesOf(specs))).toBe(66_000_000);
  expect(total(specs.filter(({ shape }) => shape.length === 1))).toBe(34_000);
  expect(total(specs)).toBe(66_034_000);
});

test('a dense model of 699 units has as many parameters as the sparse large one: 21.81 million', () => {
  expect(total(specsOf({ embedding: 699, hidden: 699, layers: 2 }, 10_000)) / 1e6).toBeCloseTo(21.81, 1);
});

test('parameters come with their names, shapes and order', () => {
  const named = specsOf({ embedding: 3, hidden: 5, layers: 2 }, 7).map(
    ({ name, shape }) => `${name} ${shape.join('x')}`,
  );
  expect(named).toEqual([
    'embedding.weight 7x3',
    ...['lstm.0.weight_ih 20x3', 'lstm.0.weight_hh 20x5', 'lstm.0.bias_ih 20', 'lstm.0.bias_hh 20'],
    ...['lstm.1.weight_ih 20x5', 'lstm.1.weight_hh 20x5', 'lstm.1.bias_ih 20', 'lstm.1.bias_hh 20'],
    'decoder.weight 7x5',
    'decoder.bias 7',
  ]);
});

test('every recurrent matrix is four gates of equal rows, input, forget, cell and output; any other is one gate', () => {
  for (const { name, shape, gates } of specsOf({ embedding: 3, hidden: 5, layers: 3 }, 7)) {
    const recurrent = name.startsWith('lstm.');
    expect(gates.map((gate) => gate.name)).toEqual(recurrent ? ['input', 'forget', 'cell', 'output'] : ['all']);
    expect(gates.every(({ rows }) => rows === shape[0] / gates.length)).toBe(true);
  }
});

test('the row blocks act as the gates they are named after', () => {
  // One unit, all weights 0: only the biases of the four gates are left, and the cell that was carried in.
  const logistic = (z: number) => 1 / (1 + Math.exp(-z));
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 9, maxLength: 9 }),
      ([i, f, g, o, carried, ...more]) => {
        const zeros = specsOf({ embedding: 1, hidden: 1, layers: 1 }, 2).map((spec) => ({ ...spec, initialBound: 0 }));
        const parameters = initialParameters(zeros, noPatterns, 'masked', 1);
        const bias = (name: string) => parameters.find((parameter) => parameter.name === name)!;
        bias('lstm.0.bias_ih').load('values', Float32Array.of(i, f, g, o));
        bias('lstm.0.bias_hh').load('values', Float32Array.from(more));
        const model = modelWith(parameters);
        const [hidden, cell] = tf.tidy(() => {
          const state = [tf.tensor2d([[0.5]]), tf.tensor2d([[carried]])];
          const window = { inputs: Int32Array.of(0), targets: Int32Array.of(1), batch: 1 };
          return numbersOf(model.loss(window, state, noDropout).state).flat();
        });
        const [zi, zf, zg, zo] = [i, f, g, o].map((z, gate) => z + more[gate]);
        const expected = logistic(zf) * carried + logistic(zi) * Math.tanh(zg);
        expect(cell).toBeCloseTo(expected, 5);
        expect(hidden).toBeCloseTo(logistic(zo) * Math.tanh(expected), 5);
        dispose(parameters);
      },
    ),
    { seed: 1, numRuns: 20 },
  );
});

test('every matrix may be sparse and no bias ever is', () => {
  const specs = specsOf({ embedding: 3, hidden: 5, layers: 2 }, 7);
  expect(specs.filter(isSparsifiable).map(({ name }) => name)).toEqual(
    specs.map(({ name }) => name).filter((name) => !name.includes('bias')),
  );
  expect(matricesOf(specs)).toHaveLength(6);
  const model = sparseModel({ embedding: 3, hidden: 5, layers: 2 }, 7, 'packed');
  for (const parameter of model.parameters) {
    expect(parameter instanceof DenseParameter).toBe(parameter.name.includes('bias'));
  }
  dispose(model.parameters);
});

test('a tied model has one matrix for words and decoder, with one mask', () => {
  const model = sparseModel({ embedding: 4, hidden: 4, layers: 1, tied: true }, 9, 'packed');
  const ofVocabulary = model.parameters.filter(({ shape }) => shape.length === 2 && shape[0] === 9);
  expect(ofVocabulary.map(({ name }) => name)).toEqual(['embedding.weight']);

  // A new row of word 3 changes what is looked up for it, and its own score after any other word.
  const scoresAfter = (word: number) =>
    tf.tidy(() => {
      const window = { inputs: Int32Array.of(word), targets: Int32Array.of(0), batch: 1 };
      return numbersOf([model.logits(window, model.initialState(1), noDropout).logits])[0];
    });
  const changed = (before: number[], after: number[]) => [...before.keys()].filter((i) => before[i] !== after[i]);
  const before = [3, 5].map(scoresAfter);
  const [shared] = ofVocabulary as [SparseParameter];
  const { rowStart } = shared.pattern;
  const inRow3 = (i: number) => i >= rowStart[3] && i < rowStart[4];
  shared.load(
    'values',
    shared.read('values').map((value, i) => (inRow3(i) ? 2 * value : value)),
  );
  const after = [3, 5].map(scoresAfter);
  expect(changed(before[0], after[0]).length).toBeGreaterThan(1);
  expect(changed(before[1], after[1])).toEqual([3]);
  dispose(model.parameters);
});

for (const layout of layouts) {
  test(`the gradient of a tied matrix is the sum of those of its two uses (${layout})`, () => {
    const sizes = { embedding: 4, hidden: 4, layers: 2 };
    const tied = sparseModel({ ...sizes, tied: true }, 9, layout);
    const [shared] = tied.parameters as [SparseParameter];
    const copy = new SparseParameter(
      'decoder.weight',
      shared.shape,
      shared.gates,
      shared.pattern,
      shared.read('values'),
      layout,
    );
    const untied = modelWith([...tied.parameters, copy]);
    tf.tidy(() => {
      const window = windowOf(1, 6, 2, 9);
      const gradients = (model: LanguageModel) => {
        const pass = lossAndGradients(model, window, model.initialState(2), noDropout);
        tf.dispose([...pass.state]);
        return pass.gradients;
      };
      const [sum, [lookup, ...rest]] = [gradients(tied)[0], gradients(untied)];
      const parts = [lookup, rest.at(-1)!].map((gradient) => activeGradient(shared, gradient));
      const expected = parts[0].map((gradient, i) => gradient + parts[1][i]);
      expect(relativeError(activeGradient(shared, sum), expected)).toBeLessThan(1e-6);
      for (const part of parts) expect(part.some((gradient) => gradient !== 0)).toBe(true);
    });
    dispose(untied.parameters);
  });
}

test('initial bounds are those of the paper: 0.0258199 for 1500 units, 0.1 for words and decoder, 0 for its bias', () => {
  for (const { name, initialBound } of specsOf(large, 10_000)) {
    if (name.startsWith('lstm.')) expect(initialBound).toBeCloseTo(0.0258199, 7);
    else expect(initialBound).toBe(name === 'decoder.bias' ? 0 : 0.1);
  }
});

test('initial values are uniform between the bounds', () => {
  const hidden = 40;
  const specs = specsOf({ embedding: 30, hidden, layers: 2 }, 200);
  const parameters = initialParameters(specs, noPatterns, 'masked', 3);
  for (const parameter of parameters) {
    const { name, activeCount } = parameter;
    const values = parameter.read('values');
    const bound = name.startsWith('lstm.') ? 1 / Math.sqrt(hidden) : name === 'decoder.bias' ? 0 : 0.1;
    expect(values.every((value) => Math.abs(value) <= Math.fround(bound))).toBe(true);
    if (bound === 0) continue;
    const mean = values.reduce((sum, value) => sum + value, 0) / activeCount;
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / activeCount;
    // Within four standard errors: that of the mean is b / sqrt(3n), that of the mean square b² sqrt(4 / 45n).
    expect(Math.abs(mean), name).toBeLessThan((4 * bound) / Math.sqrt(3 * activeCount));
    expect(Math.abs(variance - bound ** 2 / 3), name).toBeLessThan(4 * bound ** 2 * Math.sqrt(4 / (45 * activeCount)));
    expect(Math.max(...values), name).toBeGreaterThan(bound * 0.9);
    expect(Math.min(...values), name).toBeLessThan(-bound * 0.9);
  }
  dispose(parameters);
});

test('tensors of a model and models of other seeds start with different numbers', () => {
  const specs = specsOf({ embedding: 5, hidden: 5, layers: 2 }, 20);
  const draws = [1, 2].flatMap((seed) => {
    const parameters = initialParameters(specs, noPatterns, 'masked', seed);
    const firsts = parameters
      .filter(({ name }) => name !== 'decoder.bias')
      .map((p) => [...p.read('values').slice(0, 4)]);
    dispose(parameters);
    return firsts;
  });
  const scaled = draws.map((draw) => draw.map((value) => (value / draw[0]).toFixed(4)).join());
  expect(new Set(scaled).size).toBe(draws.length);
});

test('a sparse matrix starts with the numbers a dense one has at its active positions, not rescaled', () => {
  const sizes = { embedding: 6, hidden: 5, layers: 1 };
  const dense = initialParameters(specsOf(sizes, 8), noPatterns, 'masked', 4);
  for (const layout of layouts) {
    const { parameters } = sparseModel(sizes, 8, layout, 4);
    for (const [i, parameter] of parameters.entries()) {
      const all = dense[i].read('values');
      const positions = parameter instanceof SparseParameter ? [...parameter.pattern.positions()] : [...all.keys()];
      expect([...parameter.read('values')]).toEqual(positions.map((position) => all[position]));
    }
    dispose(parameters);
  }
  dispose(dense);
});

for (const vocabulary of [10_000, 33_278]) {
  test(`uniform scores have the vocabulary as their perplexity: ${vocabulary}`, () => {
    const zeros = specsOf({ embedding: 2, hidden: 2, layers: 1 }, vocabulary).map((spec) => ({
      ...spec,
      initialBound: 0,
    }));
    const parameters = initialParameters(zeros, noPatterns, 'masked', 1);
    const model = modelWith(parameters);
    const window = { inputs: Int32Array.of(0, 5, 9), targets: Int32Array.of(1, 7, vocabulary - 1), batch: 1 };
    const loss = tf.tidy(() => model.loss(window, model.initialState(1), noDropout).loss.dataSync()[0]);
    expect(Math.abs(Math.exp(loss) / vocabulary - 1)).toBeLessThan(2e-6); // float32 has a loss of 10 to 5e-7
    dispose(parameters);
  });
}

test('a window in two parts, the state carried, has the scores and the last state of the whole', () => {
  const [batch, words] = [3, 11];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.nat({ max: 99 }), (a, b, seed) => {
      const model = sparseModel({ embedding: 4, hidden: 6, layers: 2 }, words, 'packed', seed);
      tf.tidy(() => {
        const { inputs, targets } = windowOf(seed, a + b, batch, words);
        const cut = (from: number, to?: number): Window => {
          const rows = [from * batch, to === undefined ? undefined : to * batch] as const;
          return { inputs: inputs.slice(...rows), targets: targets.slice(...rows), batch };
        };
        const whole = model.logits(cut(0), model.initialState(batch), noDropout);
        const first = model.logits(cut(0, a), model.initialState(batch), noDropout);
        const second = model.logits(cut(a), first.state, noDropout);
        const parts = [first, second].flatMap(({ logits }) => [...logits.dataSync()]);
        expect(relativeError(parts, whole.logits.dataSync())).toBeLessThan(1e-5);
        whole.state.forEach((tensor, i) => {
          expect(relativeError(second.state[i].dataSync(), tensor.dataSync())).toBeLessThan(1e-5);
        });
      });
      dispose(model.parameters);
    }),
    { seed: 1, numRuns: 15 },
  );
});

/** Two windows without a word in common, and the gradients of their passes. */
function twoWindows(model: LanguageModel) {
  const first = { inputs: Int32Array.of(0, 1, 2, 3), targets: Int32Array.of(1, 2, 3, 0), batch: 2 };
  const second = { inputs: Int32Array.of(4, 5, 6, 7), targets: Int32Array.of(5, 6, 7, 4), batch: 2 };
  const before = lossAndGradients(model, first, model.initialState(2), noDropout);
  return { second, carried: before.state, after: lossAndGradients(model, second, before.state, noDropout) };
}

test('the state carried into a window changes its loss, but no gradient of it reaches the words before', () => {
  const model = sparseModel({ embedding: 5, hidden: 6, layers: 2 }, 8, 'masked');
  tf.tidy(() => {
    const { second, carried, after } = twoWindows(model);
    const fresh = lossAndGradients(model, second, model.initialState(2), noDropout);
    expect(after.loss.dataSync()[0]).not.toBe(fresh.loss.dataSync()[0]);
    const ofWords = after.gradients[0].dataSync();
    expect(ofWords.slice(0, 4 * 5).every((gradient) => gradient === 0)).toBe(true);
    expect(ofWords.slice(4 * 5).some((gradient) => gradient !== 0)).toBe(true);
    tf.dispose([...carried, ...after.state, ...fresh.state]);
  });
  dispose(model.parameters);
});

test('a window has the gradients it has when its state is a constant', () => {
  const model = sparseModel({ embedding: 5, hidden: 6, layers: 2 }, 8, 'packed');
  tf.tidy(() => {
    const { second, carried, after } = twoWindows(model);
    const constants: State = carried.map((tensor) => tf.tensor2d(tensor.dataSync().slice(), tensor.shape));
    const again = lossAndGradients(model, second, constants, noDropout);
    expect(numbersOf(after.gradients)).toEqual(numbersOf(again.gradients));
    tf.dispose([...carried, ...after.state, ...again.state]);
  });
  dispose(model.parameters);
});

test('the state of a batch is a hidden and a cell tensor of zeros per layer', () => {
  const model = sparseModel({ embedding: 3, hidden: 5, layers: 3 }, 7, 'packed');
  tf.tidy(() => {
    const state = model.initialState(2);
    expect(state.map(({ shape }) => shape)).toEqual(new Array(6).fill([2, 5]));
    expect(
      numbersOf(state)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
  });
  dispose(model.parameters);
});

test('dropout is asked for before the first layer, between layers and after the last, each with its probability', () => {
  const dropout = { input: 0.1, hidden: 0.2, output: 0.3 };
  const config = parseRunConfig({ model: { embedding: 4, hidden: 6, layers: 3, dropout } });
  const specs = stackedLstm.parameters(config.model, 9);
  const model = modelKinds['stacked-lstm'].create(config.model, initialParameters(specs, noPatterns, 'masked', 1));
  const asked: unknown[] = [];
  const record: Dropout = (site, p, shape) => {
    asked.push({ site, p, shape });
    return undefined;
  };
  tf.tidy(() => model.loss(windowOf(1, 5, 2, 9), model.initialState(2), record).loss);
  // Masks cover all positions of the window: one row for every time step of every stream.
  expect(asked).toEqual([
    { site: 0, p: 0.1, shape: [10, 4] },
    { site: 2, p: 0.2, shape: [10, 6] },
    { site: 3, p: 0.2, shape: [10, 6] },
    { site: 1, p: 0.3, shape: [10, 6] },
  ]);
  dispose(model.parameters);
});

test('what is dropped before the decoder leaves the scores of its bias', () => {
  const model = sparseModel({ embedding: 4, hidden: 6, layers: 1 }, 9, 'packed');
  model.parameters.at(-1)!.load(
    'values',
    Float32Array.from({ length: 9 }, (_, word) => word),
  );
  const all: Dropout = (site, _p, shape) => (site === 1 ? tf.zeros([...shape]) : undefined);
  tf.tidy(() => {
    const { logits } = model.logits(windowOf(1, 1, 1, 9), model.initialState(1), all);
    expect(numbersOf([logits])[0]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
  dispose(model.parameters);
});

test('a model without one of its parameters is an error that names it', () => {
  const specs = specsOf({ embedding: 3, hidden: 3, layers: 1 }, 5);
  const parameters = initialParameters(specs, noPatterns, 'masked', 1);
  const some = parameters.filter(({ name }) => name !== 'lstm.0.bias_hh');
  expect(() => modelWith(some)).toThrow('lstm.0.bias_hh');
  dispose(parameters);
});
