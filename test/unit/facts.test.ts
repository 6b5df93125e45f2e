import { expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { builtInSize } from '../../src/worker/corpus/built-in-language.js';
import { factsOf } from '../../src/worker/facts.js';
import { of, tiny, trained } from './support/trainings.js';
import { modelKinds, specsOf } from '../../src/worker/models/build.js';
import { initialMasks, startingParameters } from '../../src/worker/start.js';
import { magnitudesOf } from '../../src/worker/sparsity/magnitudes.js';
import { methods } from '../../src/shared/methods.js';

const vocabulary = 300;
const corpus = { vocabulary, trainingTokens: 0 };
const model = { embedding: 20, hidden: 30, layers: 2 };

test('active weights are those of the masks that a run would begin with', async () => {
  for (const initialiser of ['uniform', 'er'] as const) {
    const config = parseRunConfig({
      model,
      method: { kind: 'selfish', density: 0.3, initialiser },
      device: { engine: 'wasm' },
    });
    const specs = modelKinds[config.model.kind].parameters(config.model, vocabulary);
    const masks = initialMasks(specs, methods.selfish, config);
    const active = specs.reduce((sum, { name, shape }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return sum + (masks.get(name)?.positions().length ?? size);
    }, 0);
    expect((await factsOf(config, corpus)).parameters).toMatchObject({ active, activeInTheEnd: active });
  }
});

const device = { engine: 'wasm' } as const;
const flopsOf = async (config: PartialRunConfig, trainingTokens = 0) =>
  (await factsOf(parseRunConfig({ model, device, ...config }), { vocabulary, trainingTokens })).flopsPerWord;

test('on the built-in corpus they are the facts of the run: rare words are missing in a short text', async () => {
  const config = parseRunConfig(tiny);
  const { vocabulary, trainingTokens } = builtInSize(config.corpus);
  expect(vocabulary).toBeLessThan(config.corpus.vocabulary);
  const [started] = of((await trained(tiny)).events, 'started');
  expect(started.corpus).toMatchObject({ vocabulary, tokens: { train: trainingTokens } });
  expect((await factsOf(config, { vocabulary, trainingTokens })).parameters).toMatchObject(started.parameters);
});

test('runs with one initial seed begin with the same weights and masks, whatever their own', () => {
  const begun = (seed: number, initialSeed: number) => {
    const config = parseRunConfig({ model, seed, training: { initialSeed }, device: { engine: 'wasm' } });
    const specs = specsOf(config.model, vocabulary);
    const parameters = startingParameters(specs, methods.selfish, config, 'packed', undefined);
    const values = parameters.map((parameter) => parameter.read('values'));
    for (const parameter of parameters) parameter.dispose();
    const masks = [...initialMasks(specs, methods.selfish, config).values()].map((mask) => mask.positions());
    return { values, masks };
  };
  expect(begun(2, 5)).toEqual(begun(3, 5));
  expect(begun(2, 5)).toEqual(begun(5, 0));
  expect(begun(2, 0).values).not.toEqual(begun(3, 0).values);
  expect(begun(2, 0).masks).not.toEqual(begun(3, 0).masks);
});

test('a dense run does all the work, a sparse one its share; a tied decoder is work, a lookup is none', async () => {
  const dense = await flopsOf({ method: { kind: 'dense', density: 1 } });
  // Two FLOPs a weight and word, once forward and twice backward: LSTM of two layers, and decoder.
  const forward = 2 * (4 * 30 * (20 + 30) + 4 * 30 * (30 + 30) + vocabulary * 30);
  expect(dense.inference).toEqual({ dense: forward, sparse: forward });
  expect(dense.training).toEqual({ dense: 3 * forward, sparse: 3 * forward });
  const { training, inference } = await flopsOf({ method: { kind: 'static', density: 0.25 } });
  expect(training.sparse / training.dense).toBeCloseTo(0.25, 3);
  expect(inference.sparse / inference.dense).toBeCloseTo(0.25, 3);
  const tied = { ...model, embedding: 30, tied: true };
  const ofTied = await flopsOf({ model: tied, method: { kind: 'dense', density: 1 } });
  expect(ofTied.inference.dense).toBe(2 * (8 * 30 * 60 + vocabulary * 30));
});

test('a mixture decodes once for each of its experts', async () => {
  const mixture = { ...model, kind: 'awd-lstm-mos', hiddenLast: 25, experts: 3, tied: true } as const;
  const { inference } = await flopsOf({ model: mixture, method: { kind: 'dense', density: 1 } });
  const body = 4 * 30 * (20 + 30) + 4 * 25 * (30 + 25);
  expect(inference.dense).toBe(2 * (body + 3 * 25 + 3 * 20 * 25 + 3 * vocabulary * 20));
});

test('a network that is pruned costs what it has until then, and ends with what it is pruned to', async () => {
  const share = async (config: PartialRunConfig) => {
    const { training, inference } = await flopsOf(config);
    expect(inference.sparse / inference.dense).toBeCloseTo(config.method?.density ?? 1, 3);
    return training.sparse / training.dense;
  };
  const training = { epochs: 4 };
  expect(await share({ training, method: { kind: 'one-shot', density: 0.2, pruneAfter: 1 } })).toBeCloseTo(0.4, 3);
  expect(await share({ training, method: { kind: 'lottery', density: 0.2 } })).toBeCloseTo(0.6, 3);
  // Updates after epochs 1, 2 and 3: dense, then 1 - 0.8 (1 - (1 - e/2)³), clamped.
  const gradual = [1, 1 - 0.8 * (1 - 0.5 ** 3), 0.2, 0.2].reduce((sum, density) => sum + density / 4, 0);
  expect(await share({ training, method: { kind: 'gmp', density: 0.2, pruneUntil: 0.5 } })).toBeCloseTo(gradual, 3);
  const { parameters } = await factsOf(
    parseRunConfig({ model, device, training, method: { kind: 'lottery', density: 0.2 } }),
    corpus,
  );
  expect(parameters.active).toBe(parameters.total);
  expect(parameters.activeInTheEnd / parameters.total).toBeLessThan(0.25);
  expect(await share({ method: { kind: 'l1', density: 1 } })).toBe(1); // nobody knows what will be left
});

test('magnitudes are counted, and the largest that was removed is the threshold', () => {
  const values = Float32Array.from([0.5, -1, 0.25, 0, -0.125]);
  const positions = Int32Array.from([2, 3, 5, 7, 11]);
  const { max, counts, threshold } = magnitudesOf(values, positions, Int32Array.from([5, 11]));
  expect(max).toBe(1);
  expect(threshold).toBe(0.25);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
  expect(counts.at(-1)).toBe(1);
  expect(counts[0]).toBe(1);
  expect(magnitudesOf(values, positions).threshold).toBeUndefined();
});
