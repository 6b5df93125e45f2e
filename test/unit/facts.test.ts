import { expect, test } from 'vitest';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { builtInSize } from '../../src/worker/corpus/built-in-language.js';
import { factsOf } from '../../src/worker/facts.js';
import { of, tiny, trained } from './support/trainings.js';
import { modelKinds } from '../../src/worker/models/build.js';
import { initialMasks } from '../../src/worker/start.js';
import { magnitudesOf } from '../../src/worker/sparsity/magnitudes.js';
import { methods } from '../../src/shared/methods.js';

const vocabulary = 300;
const size = { vocabulary, trainingTokens: 5000 };
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
    expect((await factsOf(config, size)).parameters.active).toBe(active);
  }
});

test('on the built-in corpus they are the facts of the run: rare words are missing in a short text', async () => {
  const config = parseRunConfig(tiny);
  const { vocabulary, trainingTokens } = builtInSize(config.corpus);
  expect(vocabulary).toBeLessThan(config.corpus.vocabulary);
  const [started] = of((await trained(tiny)).events, 'started');
  expect(started.corpus).toMatchObject({ vocabulary, tokens: { train: trainingTokens } });
  expect((await factsOf(config, { vocabulary, trainingTokens })).parameters).toEqual(started.parameters);
});

test('a dense run does all the work, a sparse one its share; a tied decoder is work, a lookup is none', async () => {
  const device = { engine: 'wasm' } as const;
  const dense = await factsOf(parseRunConfig({ model, method: { kind: 'dense', density: 1 }, device }), size);
  // Two FLOPs a weight and word, once forward and twice backward: LSTM of two layers, and decoder.
  expect(dense.flopsPerWord.dense).toBe(6 * (4 * 30 * (20 + 30) + 4 * 30 * (30 + 30) + vocabulary * 30));
  expect(dense.flopsPerWord.sparse).toBe(dense.flopsPerWord.dense);
  const sparse = await factsOf(parseRunConfig({ model, method: { kind: 'static', density: 0.25 }, device }), size);
  expect(sparse.flopsPerWord.sparse / sparse.flopsPerWord.dense).toBeCloseTo(0.25, 3);
  const tied = await factsOf(
    parseRunConfig({ model: { ...model, embedding: 30, tied: true }, method: { kind: 'dense', density: 1 }, device }),
    size,
  );
  expect(tied.flopsPerWord.dense).toBe(6 * (8 * 30 * 60 + vocabulary * 30));
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
