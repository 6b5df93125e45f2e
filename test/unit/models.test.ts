import { beforeAll, describe, expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { modelKindNames, type ModelConfig, type ModelKindName } from '../../src/shared/model-config.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { initialParameters, matricesOf, modelKinds, specsOf as sizedSpecs } from '../../src/worker/models/build.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { lossAndGradientsInParts } from '../../src/worker/models/micro-batches.js';
import {
  dropoutSites,
  noDropout,
  type Dropout,
  type LanguageModel,
  type State,
  type Window,
} from '../../src/worker/models/model.js';
import { dropoutMask } from '../../src/worker/ops/dropout-mask.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { DenseParameter, type Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { activeGradient, expectNoLeak, integers, layouts, randomPattern, relativeError } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

type ModelSettings = NonNullable<PartialRunConfig['model']>;

/** One small model of each kind, with everything that it can drop and penalise. */
const small: Readonly<Record<ModelKindName, ModelSettings>> = {
  'stacked-lstm': { embedding: 5, hidden: 6, layers: 2, dropout: { input: 0.2, hidden: 0.3, output: 0.2 } },
  'elman-rnn': { embedding: 5, hidden: 6, layers: 2, dropout: { input: 0.2, hidden: 0.3, output: 0.2 } },
  gru: { embedding: 6, hidden: 6, layers: 2, tied: true, dropout: { input: 0.2, hidden: 0.3, output: 0.2 } },
  rhn: {
    ...{ embedding: 6, hidden: 6, depth: 3, tied: true },
    dropout: { embedding: 0.2, input: 0.2, recurrent: 0.3, output: 0.2 },
  },
  'on-lstm': {
    ...{ embedding: 4, hidden: 6, layers: 2, chunk: 2, tied: true, activationReg: 2, temporalActivationReg: 1 },
    dropout: { embedding: 0.2, input: 0.2, hidden: 0.3, output: 0.2, weight: 0.4 },
  },
  'awd-lstm': {
    ...{ embedding: 4, hidden: 6, layers: 2, tied: true, activationReg: 2, temporalActivationReg: 1 },
    dropout: { embedding: 0.2, input: 0.2, hidden: 0.3, output: 0.2, weight: 0.4 },
  },
  'awd-lstm-mos': {
    ...{ embedding: 4, hidden: 6, hiddenLast: 5, layers: 2, experts: 3, tied: true },
    ...{ activationReg: 2, temporalActivationReg: 1 },
    dropout: { embedding: 0.2, input: 0.2, hidden: 0.3, output: 0.2, weight: 0.4, latent: 0.2 },
  },
};

const words = 11;

const configOf = (kind: ModelKindName, settings: ModelSettings = small[kind]): ModelConfig =>
  parseRunConfig({ model: { ...settings, kind } }).model;

const specsOf = (kind: ModelKindName, settings?: ModelSettings, vocabulary = words) =>
  modelKinds[kind].parameters(configOf(kind, settings), vocabulary);

function modelOf(kind: ModelKindName, layout: Layout | 'dense', settings: ModelSettings = small[kind], seed = 1) {
  const specs = specsOf(kind, settings);
  const patterns = new Map(
    matricesOf(specs).map(({ name, shape: [rows, columns] }, i) => [name, randomPattern(i, rows, columns, 0.5)]),
  );
  const parameters = initialParameters(
    specs,
    layout === 'dense' ? new Map() : patterns,
    layout === 'dense' ? 'masked' : layout,
    seed,
  );
  return modelKinds[kind].create(configOf(kind, settings), parameters);
}

function windowOf(seed: number, steps: number, batch: number): Window {
  return { inputs: integers(seed, steps * batch, words), targets: integers(seed + 1, steps * batch, words), batch };
}

const dropping =
  (seed: number): Dropout =>
  (site, p, shape, scaled) =>
    p === 0 ? undefined : dropoutMask({ seed, step: 1, site }, p, shape, scaled);

function dispose({ parameters }: LanguageModel): void {
  for (const parameter of parameters) parameter.dispose();
}

/** A state that is not all zeros. */
function stateOf(model: LanguageModel, batch: number, seed: number): State {
  return model.initialState(batch).map(({ shape, size }, i) => {
    const numbers = integers(seed + i, size, 200);
    return tf.tensor2d(
      Float32Array.from(numbers, (number) => number / 100 - 1),
      shape,
    );
  });
}

const copyOf = (tensors: readonly tf.Tensor[]) => tensors.map((tensor) => tensor.dataSync<'float32'>().slice());

const total = (kind: ModelKindName, settings: ModelSettings, vocabulary: number, matricesOnly = false) =>
  specsOf(kind, settings, vocabulary)
    .filter(({ shape }) => !matricesOnly || shape.length === 2)
    .reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);

describe('parameters are those of the papers:', () => {
  const awd: ModelSettings = { embedding: 400, hidden: 1150, layers: 3, tied: true };
  const mos: ModelSettings = { layers: 3, experts: 15, tied: true };
  test.each<[string, ModelKindName, ModelSettings, number, number, number | undefined]>([
    ['stacked LSTM', 'stacked-lstm', { embedding: 1500, hidden: 1500, layers: 2 }, 10_000, 66_034_000, 66_000_000],
    ['RHN', 'rhn', { embedding: 830, hidden: 830, depth: 10, tied: true }, 10_000, 23_484_060, 23_455_800],
    ['ON-LSTM', 'on-lstm', { ...awd, chunk: 10 }, 10_000, 25_232_180, 25_199_500],
    ['AWD-LSTM of PTB', 'awd-lstm', awd, 10_000, 24_221_600, undefined],
    ['AWD-LSTM of WikiText-2', 'awd-lstm', awd, 33_278, 33_556_078, undefined],
    [
      ...(['MoS of WikiText-2', 'awd-lstm-mos', { ...mos, embedding: 300, hidden: 1150, hiddenLast: 650 }] as const),
      ...([33_278, 34_909_528, 34_848_150] as const),
    ],
    [
      ...(['MoS of PTB', 'awd-lstm-mos', { ...mos, embedding: 280, hidden: 960, hiddenLast: 620 }] as const),
      ...([10_000, 21_500_620, undefined] as const),
    ],
  ])('%s', (_, kind, settings, vocabulary, all, weights) => {
    expect(total(kind, settings, vocabulary)).toBe(all);
    if (weights !== undefined) expect(total(kind, settings, vocabulary, true)).toBe(weights);
  });

  /** Shapes of the dense control of a model. */
  const controlOf = (kind: ModelKindName, settings: ModelSettings, density: number, vocabulary = 10_000) => {
    const model = { ...settings, kind, controlDensity: density };
    const config = parseRunConfig({ model, method: { kind: 'dense', density: 1 } });
    const specs = sizedSpecs(config.model, vocabulary);
    const count = specs.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
    return { count, shapes: Object.fromEntries(specs.map(({ name, shape }) => [name, shape.join('x')])) };
  };

  test('a dense control of the size of a sparse model: 699 units for the LSTM, 518 for the RHN', () => {
    const lstm = controlOf('stacked-lstm', { embedding: 1500, hidden: 1500, layers: 2 }, 0.33);
    expect(lstm.shapes).toMatchObject({ 'embedding.weight': '10000x699', 'lstm.1.weight_hh': '2796x699' });
    expect(lstm.count).toBe(2 * 10_000 * 699 + 16 * 699 ** 2 + 16 * 699 + 10_000); // 21.81 million
    const rhn = controlOf('rhn', { embedding: 830, hidden: 830, depth: 10, tied: true }, 0.472);
    expect(rhn.shapes).toMatchObject({ 'embedding.weight': '10000x518', 'rhn.9.recurrent.weight': '1036x518' });
    expect(rhn.count).toBe(10_000 * 518 + 22 * 518 ** 2 + 22 * 518 + 10_000); // 11.10 million
  });

  test.each(modelKindNames)('a dense control of %s keeps what must fit, and comes as near as one can', (kind) => {
    const settings = { ...small[kind], embedding: 120, hidden: 120, ...(kind === 'on-lstm' ? { chunk: 4 } : {}) };
    const whole = total(kind, settings, 300);
    const biases = whole - total(kind, settings, 300, true);
    let before = 0;
    for (const density of [1e-6, 0.05, 0.33, 0.9, 1]) {
      const { count, shapes } = controlOf(kind, settings, density, 300);
      const wanted = density * (whole - biases) + biases;
      if (density >= 0.05) expect(Math.abs(count - wanted) / whole).toBeLessThan(kind === 'on-lstm' ? 0.05 : 0.02);
      expect(count).toBeGreaterThan(before);
      before = count;
      const [, embedding] = shapes['embedding.weight'].split('x').map(Number);
      if (kind === 'on-lstm') expect(embedding % 4).toBe(0);
      const recurrent = { gru: 'gru.1.weight_hh', rhn: 'rhn.2.recurrent.weight' }[kind as string];
      if (recurrent !== undefined) expect(embedding).toBe(Number(shapes[recurrent].split('x')[1])); // both are tied
    }
    expect(before).toBe(whole);
  });

  test('initial bounds', () => {
    const bounds = (kind: ModelKindName, settings: ModelSettings) =>
      Object.fromEntries(specsOf(kind, settings, 10_000).map(({ name, initialBound }) => [name, initialBound]));
    const rhn = bounds('rhn', { embedding: 830, hidden: 830, depth: 10, tied: true });
    for (const [name, bound] of Object.entries(rhn)) {
      if (name.startsWith('rhn.')) expect(bound).toBeCloseTo(0.0347105, 7);
    }
    const onLstm = bounds('on-lstm', { ...awd, chunk: 10 });
    expect(onLstm['onlstm.0.weight_ih']).toBeCloseTo(0.05, 7);
    expect(onLstm['onlstm.0.bias_ih']).toBeCloseTo(0.05, 7);
    expect(onLstm['onlstm.0.weight_hh']).toBeCloseTo(0.0294884, 7);
    expect(onLstm['embedding.weight']).toBe(0.1);
    expect(onLstm['decoder.bias']).toBe(0);
  });

  test('begin in one range where that is asked for, and the transform gates of an RHN lower', () => {
    const settings = { embedding: 40, hidden: 40, depth: 2, tied: true, initialRange: 0.04, transformBias: -2 };
    const { model } = parseRunConfig({ model: { ...settings, kind: 'rhn' } });
    const parameters = initialParameters(sizedSpecs(model, 50), new Map(), 'masked', 1);
    const range = (name: string, from = 0, to?: number) => {
      const values = parameters
        .find((parameter) => parameter.name === name)!
        .read('values')
        .slice(from, to);
      return [Math.min(...values), Math.max(...values)];
    };
    for (const { name } of parameters) {
      const [least, most] = range(name);
      if (name === 'decoder.bias') expect(Math.max(Math.abs(least), Math.abs(most))).toBe(0);
      else if (!/^rhn\.\d\.recurrent\.bias$/.test(name)) {
        expect(least).toBeGreaterThanOrEqual(-0.04);
        expect(least).toBeLessThan(-0.03);
        expect(most).toBeLessThan(0.04);
        expect(most).toBeGreaterThan(0.03);
      }
    }
    for (const depth of [0, 1]) {
      const [candidate, transform] = [
        range(`rhn.${depth}.recurrent.bias`, 0, 40),
        range(`rhn.${depth}.recurrent.bias`, 40),
      ];
      expect(Math.max(...candidate.map(Math.abs))).toBeLessThanOrEqual(0.04);
      expect(transform[0]).toBeGreaterThanOrEqual(-2.04);
      expect(transform[1]).toBeLessThan(-1.96);
    }
    for (const parameter of parameters) parameter.dispose();
  });
});

test.each<[ModelKindName, string[][]]>([
  ['stacked-lstm', [['input', 'forget', 'cell', 'output']]],
  ['awd-lstm', [['input', 'forget', 'cell', 'output']]],
  ['awd-lstm-mos', [['input', 'forget', 'cell', 'output']]],
  ['elman-rnn', [['hidden']]],
  ['gru', [['reset', 'update', 'new']]],
  ['rhn', [['candidate', 'transform']]],
  ['on-lstm', [['master input', 'master forget', 'output', 'cell', 'input', 'forget']]],
])('recurrent matrices of %s have the gates of the literature, and every other matrix is one', (kind, gates) => {
  for (const { name, shape, gates: has } of specsOf(kind)) {
    const recurrent = /^(lstm|elman|gru|rhn|onlstm)\./.test(name);
    expect(has.map((gate) => gate.name)).toEqual(recurrent ? gates[0] : ['all']);
    expect(has.reduce((rows, gate) => rows + gate.rows, 0)).toBe(shape[0]);
  }
});

test('an RHN that is not coupled has a carry gate of its own, and an ON-LSTM master gates of a row for each chunk', () => {
  const uncoupled = specsOf('rhn', { embedding: 6, hidden: 6, depth: 2, coupled: false });
  expect(uncoupled.filter(({ gates }) => gates[0].name === 'carry').map(({ name, shape }) => [name, shape[0]])).toEqual(
    [
      ...[
        ['rhn.0.input_carry.weight', 6],
        ['rhn.0.input_carry.bias', 6],
      ],
      ...[
        ['rhn.0.recurrent_carry.weight', 6],
        ['rhn.0.recurrent_carry.bias', 6],
      ],
      ...[
        ['rhn.1.recurrent_carry.weight', 6],
        ['rhn.1.recurrent_carry.bias', 6],
      ],
    ],
  );
  const [, firstLayer] = specsOf('on-lstm');
  expect(firstLayer.gates.map(({ rows }) => rows)).toEqual([3, 3, 6, 6, 6, 6]);
});

describe.each(modelKindNames)('%s', (kind) => {
  test('has the gradients of finite differences, with all that it drops and penalises', () => {
    const model = modelOf(kind, 'dense');
    const window = windowOf(3, 4, 2);
    const state = stateOf(model, 2, 5);
    // The objective in float64 as far as one can: the loss itself is float32, hence a large step and a formula of fourth order.
    const objective = () =>
      tf.tidy(() => {
        const { loss, penalty } = model.loss(window, state, dropping(1));
        return loss.dataSync()[0] + (penalty?.().dataSync()[0] ?? 0);
      });
    const pass = lossAndGradients(model, window, state, dropping(1));
    model.parameters.forEach((parameter, i) => {
      const values = parameter.read('values');
      const gradient = pass.gradients[i].dataSync();
      const some = [...integers(i, 6, values.length)];
      for (const at of some) {
        const h = 1 / 16;
        const moved = (step: number) => {
          parameter.load('values', values.with(at, values[at] + step));
          return objective();
        };
        const derivative = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
        expect(Math.abs(gradient[at] - derivative), `${parameter.name}[${at}]`).toBeLessThan(
          1e-4 * Math.max(1, Math.abs(derivative)),
        );
      }
      parameter.load('values', values);
    });
    tf.dispose([pass.loss, ...pass.gradients, ...pass.state, ...state]);
    dispose(model);
  });

  test('has the same loss, state, gradients and norm in both layouts to the last bit', () => {
    const [packed, masked] = layouts.map((layout) => {
      const model = modelOf(kind, layout);
      const result = tf.tidy(() => {
        watchGradients(model.parameters, 'all', { seed: 1, step: 1 });
        const pass = lossAndGradients(model, windowOf(1, 5, 3), stateOf(model, 3, 2), dropping(2));
        const norm = gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step: 1 });
        const gradients = model.parameters.map((parameter, i) => activeGradient(parameter, pass.gradients[i]));
        const state = copyOf(pass.state);
        tf.dispose([...pass.state]);
        return { loss: pass.loss.dataSync()[0], gradients, state, norm };
      });
      dispose(model);
      return result;
    });
    expect(packed).toEqual(masked);
  });

  test('carries its state: two windows are one, and no gradient reaches back', () => {
    const model = modelOf(kind, 'packed');
    tf.tidy(() => {
      const { inputs, targets } = windowOf(1, 7, 2);
      const part = (from: number, to: number) => ({
        ...{ inputs: inputs.slice(2 * from, 2 * to), targets: targets.slice(2 * from, 2 * to), batch: 2 },
      });
      const whole = model.logits(part(0, 7), model.initialState(2), noDropout);
      const first = model.logits(part(0, 3), model.initialState(2), noDropout);
      const second = model.logits(part(3, 7), first.state, noDropout);
      const parts = [first, second].flatMap(({ logits }) => [...logits.dataSync()]);
      expect(relativeError(parts, whole.logits.dataSync())).toBeLessThan(1e-5);
      whole.state.forEach((tensor, i) => {
        expect(relativeError(second.state[i].dataSync(), tensor.dataSync())).toBeLessThan(1e-5);
      });
    });
    dispose(model);
  });

  test('has probabilities that add up to 1, whose cross-entropy is its loss', () => {
    const model = modelOf(kind, 'masked');
    tf.tidy(() => {
      const window = windowOf(1, 3, 2);
      const state = stateOf(model, 2, 3);
      const { logits } = model.logits(window, state, noDropout);
      const probabilities = tf.softmax(logits).dataSync();
      const loss = model.loss(window, state, noDropout).loss.dataSync()[0];
      const expected = [...window.targets].map((target, i) => -Math.log(probabilities[i * words + target]));
      expect(loss).toBeCloseTo(expected.reduce((sum, nats) => sum + nats, 0) / expected.length, 5);
    });
    dispose(model);
  });

  test('in parts of its streams has the gradients of the whole where nothing is dropped', () => {
    for (const layout of layouts) {
      const model = modelOf(kind, layout);
      const window = windowOf(4, 4, 5);
      const state = stateOf(model, 5, 6);
      const results = [0, 2].map((size) => {
        watchGradients(model.parameters, 'all', { seed: 1, step: 1 }, { passes: size === 0 ? 1 : 3 });
        const pass = lossAndGradientsInParts(model, window, state, size, () => noDropout);
        const norm = gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step: 1 });
        const numbers = [pass.loss, ...pass.gradients, ...pass.state].map((tensor) => tensor.dataSync().slice());
        tf.dispose([pass.loss, ...pass.gradients, ...pass.state]);
        return { norm, numbers };
      });
      expect(results[1].norm).toBeCloseTo(results[0].norm, 5);
      results[0].numbers.forEach((numbers, i) => {
        expect(relativeError(results[1].numbers[i], numbers)).toBeLessThan(1e-4);
      });
      tf.dispose([...state]);
      dispose(model);
    }
  });

  test('leaves nothing behind after a step but what it returns, whole or in parts', () => {
    for (const layout of layouts) {
      const model = modelOf(kind, layout);
      const state = model.initialState(4);
      const step = (size: number) => {
        watchGradients(model.parameters, 'all', { seed: 1, step: 1 }, { passes: size === 0 ? 1 : 2 });
        const pass = lossAndGradientsInParts(model, windowOf(1, 3, 4), state, size, dropping);
        gradientNorm(model.parameters, pass.gradients, 'all', { seed: 1, step: 1 });
        tf.dispose([pass.loss, ...pass.gradients, ...pass.state]);
      };
      step(0); // masks and indices are made with the first use
      expectNoLeak(() => {
        step(0);
        step(2);
      });
      tf.dispose([...state]);
      dispose(model);
    }
  });

  test('learns a text that comes again and again', () => {
    const model = modelOf(kind, 'dense', { ...small[kind], dropout: {}, activationReg: 0, temporalActivationReg: 0 });
    const window = windowOf(7, 6, 1);
    const losses: number[] = [];
    for (let step = 0; step < 120; step++) {
      tf.tidy(() => {
        const pass = lossAndGradients(model, window, model.initialState(1), noDropout);
        losses.push(pass.loss.dataSync()[0]);
        const norm = gradientNorm(model.parameters, pass.gradients, 'active', { seed: 1, step });
        const scale = clipScale(norm, 1);
        model.parameters.forEach((parameter, i) => {
          parameter.setSlot('values', parameter.values.sub(pass.gradients[i].mul(scale)));
        });
        tf.dispose([...pass.state]);
      });
    }
    expect(losses.at(-1)!).toBeLessThan(0.6 * losses[0]);
    dispose(model);
  });
});

describe('what is dropped', () => {
  /** What a model asks of its dropout in a window of three steps and two streams. */
  function askedBy(kind: ModelKindName): [site: number, p: number, shape: string, scaled: boolean][] {
    const model = modelOf(kind, 'dense');
    const asked: [number, number, string, boolean][] = [];
    tf.tidy(() => {
      model.loss(windowOf(1, 3, 2), model.initialState(2), (site, p, shape, scaled = true) => {
        asked.push([site, p, shape.join('x'), scaled]);
        return undefined;
      });
    });
    dispose(model);
    return asked;
  }

  test('by locked dropout has one mask a stream for all steps, words one for each of the vocabulary', () => {
    expect(askedBy('rhn')).toEqual([
      [dropoutSites.embedding, 0.2, '11x1', true],
      [dropoutSites.input, 0.2, '2x6', true],
      [dropoutSites.recurrent, 0.3, '2x6', true],
      [dropoutSites.output, 0.2, '2x6', true],
    ]);
  });

  test('of the weights has one mask a layer, scaled in an AWD-LSTM and not in an ON-LSTM', () => {
    for (const [kind, rows, scaled] of [
      ['awd-lstm', [24, 16], true],
      ['on-lstm', [30, 20], false],
    ] as const) {
      const ofWeights = askedBy(kind).filter(([site]) => site >= dropoutSites.weight(0));
      expect(ofWeights).toEqual([
        [dropoutSites.weight(0), 0.4, `${rows[0]}x6`, scaled],
        [dropoutSites.weight(1), 0.4, `${rows[1]}x4`, scaled],
      ]);
    }
  });

  test('of the weights is zero in training; evaluation takes 1 - p of them in an ON-LSTM, and all in an AWD-LSTM', () => {
    const lossWith = (kind: ModelKindName, weight: number, dropout: Dropout) => {
      const model = modelOf(kind, 'packed', { ...small[kind], dropout: { weight } });
      const loss = tf.tidy(() => model.loss(windowOf(1, 5, 2), stateOf(model, 2, 1), dropout).loss.dataSync()[0]);
      dispose(model);
      return loss;
    };
    const constant =
      (value: number): Dropout =>
      (site, _p, shape) =>
        site >= dropoutSites.weight(0) ? tf.fill([...shape], value) : undefined;
    expect(lossWith('awd-lstm', 0.4, noDropout)).toBe(lossWith('awd-lstm', 0, noDropout));
    expect(lossWith('on-lstm', 0.4, noDropout)).toBeCloseTo(lossWith('on-lstm', 0.4, constant(0.6)), 6);
    expect(lossWith('on-lstm', 0.4, noDropout)).not.toBeCloseTo(lossWith('on-lstm', 0, noDropout), 5);
  });

  test('of the words takes all occurrences of one in a window together', () => {
    const model = modelOf('awd-lstm', 'dense', { ...small['awd-lstm'], dropout: { embedding: 0.5 } });
    const scores = (inputs: number[], dropped: number) =>
      tf.tidy(() => {
        const window = { inputs: Int32Array.from(inputs), targets: new Int32Array(inputs.length), batch: 1 };
        const mask: Dropout = (site, _p, shape) => {
          if (site !== dropoutSites.embedding) return undefined;
          return tf.tensor(
            Float32Array.from({ length: shape[0] }, (_, word) => (word === dropped ? 0 : 1)),
            [...shape],
          );
        };
        return [...model.logits(window, model.initialState(1), mask).logits.dataSync()];
      });
    expect(scores([3, 3], 3)).toEqual(scores([5, 5], 5)); // nothing of either word is left
    expect(scores([3, 4, 3], 4)).not.toEqual(scores([3, 4, 3], 3));
    dispose(model);
  });
});

describe('limits of the cells', () => {
  /** A model with given numbers in some parameters and zeros in all others. */
  function zeroed(kind: ModelKindName, settings: ModelSettings, given: Readonly<Record<string, number>> = {}) {
    const parameters = specsOf(kind, settings).map(({ name, shape, gates }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return new DenseParameter(name, shape, gates, new Float32Array(size).fill(given[name] ?? 0));
    });
    return modelKinds[kind].create(configOf(kind, settings), parameters);
  }

  const after = (model: LanguageModel, state: number[]) =>
    tf.tidy(() => {
      const window = { inputs: Int32Array.of(0), targets: Int32Array.of(1), batch: 1 };
      const tensors = model.initialState(1).map(({ shape }, i) => tf.fill<tf.Rank.R2>(shape, state[i] ?? 0));
      return model.logits(window, tensors, noDropout).state.map((tensor) => [...tensor.dataSync()]);
    });

  test('an RHN of zeros halves its state in every depth: 2^-10 after ten', () => {
    const model = zeroed('rhn', { embedding: 2, hidden: 2, depth: 10 });
    expect(after(model, [1])[0][0]).toBeCloseTo(2 ** -10, 8);
    dispose(model);
  });

  test('an RHN whose transform gates are shut keeps its state', () => {
    const settings: ModelSettings = { embedding: 1, hidden: 1, depth: 3 };
    const model = zeroed('rhn', settings);
    for (const { name } of model.parameters.filter(({ name }) => name.endsWith('recurrent.bias'))) {
      model.parameters.find((parameter) => parameter.name === name)!.load('values', Float32Array.of(5, -40));
    }
    expect(after(model, [0.75])[0][0]).toBeCloseTo(0.75, 6);
    dispose(model);
  });

  test('an ON-LSTM whose master gates are all 1 is an LSTM', () => {
    const sizes: ModelSettings = { embedding: 4, hidden: 4, layers: 1 };
    const onLstm = modelOf('on-lstm', 'dense', { ...sizes, chunk: 1 });
    const lstm = modelOf('stacked-lstm', 'dense', sizes);
    const valuesOf = (model: LanguageModel, name: string) =>
      model.parameters.find((parameter) => parameter.name === name)!.read('values');
    for (const parameter of lstm.parameters) {
      const values = valuesOf(onLstm, parameter.name.replace('lstm.', 'onlstm.'));
      if (!parameter.name.startsWith('lstm.')) {
        parameter.load('values', values);
        continue;
      }
      // Eight rows of master gates, then output, cell, input and forget gate; an LSTM has input, forget, cell and output.
      const blocks = [4, 5, 3, 2].map((block) =>
        values.slice((block * values.length) / 6, ((block + 1) * values.length) / 6),
      );
      parameter.load('values', Float32Array.from(blocks.flatMap((block) => [...block])));
    }
    // cumax of all weight on the last master is [0, 0, 0, 1], on the first one [1, 1, 1, 1].
    for (const [part, master] of [
      ['weight_ih', 0],
      ['weight_hh', 0],
      ['bias_ih', 40],
      ['bias_hh', 0],
    ] as const) {
      const parameter = onLstm.parameters.find(({ name }) => name === `onlstm.0.${part}`)!;
      const values = parameter.read('values').fill(0, 0, (2 * parameter.read('values').length) / 6);
      parameter.load('values', master === 0 ? values : values.with(3, master).with(4, master));
    }
    const state = [0.3, 0.5];
    const [ofOnLstm, ofLstm] = [after(onLstm, state), after(lstm, state)];
    // The last master input gate is 1 minus the whole sum, and so always 0: what is left are the units before it.
    for (const which of [0, 1]) {
      expect(relativeError(ofOnLstm[which].slice(0, 3), ofLstm[which].slice(0, 3))).toBeLessThan(1e-5);
      expect(ofOnLstm[which][3]).not.toBeCloseTo(ofLstm[which][3], 3);
    }
    dispose(onLstm);
    dispose(lstm);
  });

  test('master gates of an ON-LSTM are cumulative sums of a softmax', () => {
    // One chunk: cumax of one number is 1, so m_f = 1 and m_i = 0, where c = f̂ c' = c' whatever f is.
    const oneChunk = zeroed('on-lstm', { embedding: 4, hidden: 4, layers: 1, chunk: 4 });
    expect(after(oneChunk, [0.3, 0.5])[1]).toEqual([0.5, 0.5, 0.5, 0.5]);
    dispose(oneChunk);
    // Equal scores of four masters: cumax = [.25, .5, .75, 1], and the master input gate 1 minus that.
    const model = zeroed('on-lstm', { embedding: 4, hidden: 4, layers: 1, chunk: 1 });
    const [, cell] = after(model, [0, 1]);
    // o = i = f = 1/2, g = 0: c = f̂ c' with f̂ = f ω + (m_f - ω), ω = m_f m_i.
    [0.25, 0.5, 0.75, 1].forEach((forget, unit) => {
      const overlap = forget * (1 - forget);
      expect(cell[unit]).toBeCloseTo(0.5 * overlap + (forget - overlap), 6);
    });
    dispose(model);
  });

  test('a mixture of identical softmaxes is one softmax, but for the floor of 10⁻⁸', () => {
    const settings = small['awd-lstm-mos'];
    const model = modelOf('awd-lstm-mos', 'dense', { ...settings, dropout: {} });
    const [latent, bias] = ['mos.latent.weight', 'mos.latent.bias'].map((name) =>
      model.parameters.find((parameter) => parameter.name === name)!,
    );
    // Every expert gets the rows of the first.
    for (const parameter of [latent, bias]) {
      const values = parameter.read('values');
      const each = values.length / 3;
      for (const expert of [1, 2]) values.copyWithin(expert * each, 0, each);
      parameter.load('values', values);
    }
    tf.tidy(() => {
      const window = windowOf(1, 3, 2);
      const { top, logits } = model.logits(window, stateOf(model, 2, 1), noDropout);
      const first = tf.slice2d(latent.values as tf.Tensor2D, [0, 0], [4, 5]);
      const vectors = tf
        .matMul(top, first.transpose())
        .add(tf.slice1d(bias.values as tf.Tensor1D, 0, 4))
        .tanh();
      const scores = tf.matMul(vectors, (model.parameters[0].values as tf.Tensor2D).transpose());
      expect(relativeError(logits.dataSync(), tf.logSoftmax(scores).dataSync())).toBeLessThan(1e-5);
      // Their logarithms are told: the shares of the softmaxes add up to 1, and every word has the floor.
      for (const sum of tf.sum(tf.exp(logits), 1).dataSync()) expect(sum).toBeCloseTo(1 + words * 1e-8, 5);
    });
    dispose(model);
  });
});
