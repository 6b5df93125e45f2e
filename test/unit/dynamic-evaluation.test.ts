import { beforeAll, describe, expect, test } from 'vitest';
import { parseRunConfig, type RunConfig } from '../../src/shared/run-config.js';
import { evaluateDynamically } from '../../src/worker/dynamic-evaluation.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { initialParameters, matricesOf, modelKinds } from '../../src/worker/models/build.js';
import type { Dropout, LanguageModel } from '../../src/worker/models/model.js';
import { DenseParameter, SparseParameter, type Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { integers, layouts, randomPattern } from './support/numerics.js';
import { of, tiny, trained } from './support/trainings.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const onwards = () => Promise.resolve(true);

const settingsOf = (evaluation: Partial<RunConfig['evaluation']>) => parseRunConfig({ evaluation }).evaluation;

/**
 * A model of two weights, a [1] and b [2], whose loss in a window is a p + b₀ q + b₁, where p is its first word and q the sum of its
 * words: its gradient by the three is (p, q, 1).
 */
function linear() {
  const gates = [{ name: 'all', rows: 1 }];
  const [a, b] = [
    new DenseParameter('a', [1], gates, Float32Array.of(2)),
    new DenseParameter('b', [2], gates, Float32Array.of(-1, 4)),
  ];
  const dropouts: Dropout[] = [];
  const model: LanguageModel = {
    parameters: [a, b],
    initialState: () => [],
    loss: ({ inputs }, _state, dropout) => {
      dropouts.push(dropout);
      const factors = [inputs.reduce((sum, word) => sum + word, 0), 1];
      const loss = a.values.mul(inputs[0]).sum().add<tf.Scalar>(b.values.mul(factors).sum());
      return { loss, penalty: () => loss.mul<tf.Scalar>(1000), state: [] };
    },
    logits: () => {
      throw new Error('dynamic evaluation needs no logits');
    },
  };
  return { model, dropouts };
}

describe('a model of three weights', () => {
  // Training text in one stream, windows of two: (3, 1), (0, 2), (4, 0); its last word is only predicted.
  const train = Int32Array.of(3, 1, 0, 2, 4, 0, 9);
  // m = √(9 + 0 + 16), √(16 + 4 + 16), √3; Σ mean(m) = 5 + (6 + √3) / 2
  const m = [5, 6, Math.sqrt(3)];
  const sumOfMeans = 5 + (6 + Math.sqrt(3)) / 2;
  // The text that is measured: (1, 2), (3, 3), (5) and the last word.
  const measured = Int32Array.of(1, 2, 3, 3, 5, 0);
  const windows = [
    { p: 1, q: 3, length: 2 },
    { p: 3, q: 6, length: 2 },
    { p: 5, q: 5, length: 1 },
  ];

  /** The rule as it is written, weight by weight. */
  function expected({ rate, epsilon, decay }: { rate: number; epsilon: number; decay: number }): number {
    const start = [2, -1, 4];
    let theta = [...start];
    let sum = 0;
    for (const { p, q, length } of windows) {
      const gradient = [p, q, 1];
      sum += length * (theta[0] * p + theta[1] * q + theta[2]);
      theta = theta.map((value, i) => {
        const clipped = Math.min(m[i] / sumOfMeans, 1 / decay);
        return value + decay * clipped * (start[i] - value) - (rate * gradient[i]) / (m[i] + epsilon);
      });
    }
    return sum / 5;
  }

  test.each([
    ['the published numbers', { rate: 0.002, epsilon: 0.001, decay: 0.02 }],
    ['a large step and a strong pull', { rate: 0.5, epsilon: 0.3, decay: 0.7 }],
    ['a pull that is clipped', { rate: 0.5, epsilon: 0.3, decay: 40 }],
  ])('follows the text by the rule with %s', async (_, { rate, epsilon, decay }) => {
    const settings = settingsOf({
      ...{ dynamicSteps: 2, dynamicBatch: 1, dynamicRate: rate, dynamicEpsilon: epsilon, dynamicDecay: decay },
    });
    const { model, dropouts } = linear();
    const loss = await evaluateDynamically(model, { train, measured }, settings, onwards);
    expect(loss).toBeCloseTo(expected({ rate, epsilon, decay }), 5);
    expect(dropouts.map((dropout) => dropout(0, 0.5, [1]))).toEqual(new Array(6).fill(undefined));
    expect(model.parameters.map((parameter) => [...parameter.read('values')])).toEqual([[2], [-1, 4]]);
  });

  test('by hand: after a first window of gradient (1, 3, 1) the second has a loss that is 3·0.1 + 6·0.25 + 0.5/√3 less', async () => {
    // η = 0.5, ε = 0, nothing is drawn back: a falls by 0.5·1/5, b₀ by 0.5·3/6, b₁ by 0.5/√3.
    const settings = settingsOf({
      ...{ dynamicSteps: 2, dynamicBatch: 1, dynamicRate: 0.5, dynamicEpsilon: 1e-12, dynamicDecay: 0 },
    });
    const loss = await evaluateDynamically(
      linear().model,
      { train, measured: measured.slice(0, 5) },
      settings,
      onwards,
    );
    const [first, second] = [2 * 1 - 3 + 4, 2 * 3 - 6 + 4];
    const gained = 3 * 0.1 + 6 * 0.25 + 0.5 / Math.sqrt(3);
    expect(loss).toBeCloseTo((2 * first + 2 * (second - gained)) / 4, 5);
  });
});

const words = 13;

function sparseModel(layout: Layout): LanguageModel {
  const { model } = parseRunConfig({
    model: {
      ...{ kind: 'awd-lstm', embedding: 5, hidden: 6, tied: true, activationReg: 2, temporalActivationReg: 1 },
      dropout: { input: 0.4, weight: 0.5 },
    },
  });
  const specs = modelKinds['awd-lstm'].parameters(model, words).map((spec) => ({ ...spec, initialBound: 0.7 }));
  const patterns = new Map(
    matricesOf(specs).map(({ name, shape: [rows, columns] }, i) => [name, randomPattern(i, rows, columns, 0.4)]),
  );
  return modelKinds['awd-lstm'].create(model, initialParameters(specs, patterns, layout, 1));
}

const texts = { train: integers(1, 600, words), measured: integers(2, 90, words) };

test('both layouts follow a text alike, inactive weights stay out of it, and all is as before afterwards', async () => {
  const results = [];
  for (const layout of layouts) {
    const model = sparseModel(layout);
    const before = model.parameters.map((parameter) => parameter.readStored('values'));
    let moved = 0;
    const look = () => {
      for (const [i, parameter] of model.parameters.entries()) {
        const now = parameter.readStored('values');
        if (now.some((value, j) => value !== before[i][j])) moved += 1;
        if (!(parameter instanceof SparseParameter) || layout === 'packed') continue;
        const mask = parameter.pattern.toMask();
        expect(now.every((value, j) => mask[j] === 1 || value === 0)).toBe(true);
      }
      return Promise.resolve(true);
    };
    const settings = settingsOf({ dynamicSteps: 5, dynamicBatch: 20, dynamicRate: 0.05 });
    const tensors = tf.memory().numTensors;
    results.push(await evaluateDynamically(model, texts, settings, look));
    expect(moved).toBe(18 * model.parameters.length); // windows of the text that is measured
    expect(model.parameters.map((parameter) => parameter.readStored('values'))).toEqual(before);
    const made = model.parameters.filter((parameter) => parameter instanceof SparseParameter).length;
    expect(tf.memory().numTensors - tensors).toBeLessThanOrEqual(made); // masks or indices, with their first use
    for (const parameter of model.parameters) parameter.dispose();
  }
  expect(results[0]).toBe(results[1]);
});

test('a text of two words is learnt while it is read', async () => {
  const model = sparseModel('packed');
  const measured = Int32Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 3 : 7));
  const lossWith = (dynamicRate: number) =>
    evaluateDynamically(
      ...([model, { train: texts.train, measured }] as const),
      ...([settingsOf({ dynamicSteps: 5, dynamicBatch: 20, dynamicRate }), onwards] as const),
    );
  const [still, following] = [(await lossWith(0))!, (await lossWith(0.1))!];
  expect(following).toBeLessThan(0.8 * still);
  for (const parameter of model.parameters) parameter.dispose();
});

test('is given up wherever proceed answers false, with the weights of before', async () => {
  const model = sparseModel('masked');
  const before = model.parameters.map((parameter) => parameter.read('values'));
  const settings = settingsOf({ dynamicSteps: 5, dynamicBatch: 20, dynamicRate: 0.05 });
  // Six windows of the training text come first, then eighteen of the other.
  for (const moment of [1, 6, 7, 12, 24]) {
    let asked = 0;
    const untilThen = () => Promise.resolve(++asked < moment);
    expect(await evaluateDynamically(model, texts, settings, untilThen)).toBeUndefined();
    expect(asked).toBe(moment);
    expect(model.parameters.map((parameter) => parameter.read('values'))).toEqual(before);
  }
  for (const parameter of model.parameters) parameter.dispose();
});

describe('a run', () => {
  test('that asks for it ends with its perplexity beside the others', async () => {
    const evaluation = { cacheWindow: 30, dynamicSteps: 5, dynamicBatch: 8, dynamicRate: 0.01 };
    const training = { ...tiny.training, epochs: 1 };
    const { events } = await trained({ ...tiny, training, evaluation });
    const [{ testPerplexity, cachePerplexity, dynamicPerplexity }] = of(events, 'finished');
    for (const perplexity of [testPerplexity, cachePerplexity, dynamicPerplexity]) {
      expect(perplexity).toBeGreaterThan(1);
      expect(perplexity).toBeLessThan(200);
    }
    expect(new Set([testPerplexity, cachePerplexity, dynamicPerplexity]).size).toBe(3);
  });

  test('whose training text has no window for so many streams is refused before it trains', async () => {
    const evaluation = { dynamicSteps: 5, dynamicBatch: 500 };
    await expect(trained({ ...tiny, evaluation })).rejects.toThrow(
      'the training text of built-in is shorter than one window: it has 1000 words, 500 streams of 5 steps and the next word need 3000; lower evaluation.dynamicBatch to at most 166',
    );
  });

  test.each([
    ['dynamicSteps', -1, 'at least 0'],
    ['dynamicBatch', 0, 'at least 1'],
    ['dynamicRate', -0.1, 'at least 0'],
    ['dynamicEpsilon', 0, 'more than 0'],
    ['dynamicDecay', 1001, 'at most 1000'],
  ])('with evaluation.%s = %d is refused', (field, value, rule) => {
    expect(() => parseRunConfig({ evaluation: { [field]: value } })).toThrow(
      `evaluation.${field}: ${value} must be ${rule}`,
    );
  });
});
