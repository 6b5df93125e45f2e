import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { decodeAndCrossEntropy } from '../../src/worker/ops/decode-and-cross-entropy.js';
import { embedding } from '../../src/worker/ops/embedding.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { SparseParameter, type Parameter } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import {
  activeGradient,
  denseParameter,
  integers,
  layouts,
  matrix,
  numbers,
  storedGradient,
  type Storage,
} from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const draw = { seed: 1, step: 1 };

/** Word vectors that are also the decoder (or not), with the gradients of one window. */
function networkOf(storage: Storage, tied: boolean, seed: number) {
  const [words, units, positions] = [11, 5, 7];
  const vectors = matrix('embedding.weight', [words, units], storage, { seed });
  const decoder = tied ? vectors : matrix('decoder.weight', [words, units], storage, { seed: seed + 1 });
  const bias = denseParameter('decoder.bias', [words], seed + 2);
  const parameters: Parameter[] = [...new Set([vectors, decoder]), bias];
  const [text, targets] = [integers(seed, positions, words), integers(seed + 1, positions, words)];
  const gradients = () => {
    const { value, grads } = tf.engine().gradients(
      () => decodeAndCrossEntropy(embedding(vectors, text), decoder, bias, targets),
      parameters.map(({ values }) => values),
    );
    value.dispose();
    return grads;
  };
  return { parameters, gradients };
}

function normOf(storage: Storage, tied: boolean, seed: number, kind: 'all' | 'active' | 'sketched', at = draw): number {
  const { parameters, gradients } = networkOf(storage, tied, seed);
  const norm = tf.tidy(() => {
    watchGradients(parameters, kind, at);
    return gradientNorm(parameters, gradients(), kind, at);
  });
  for (const parameter of parameters) parameter.dispose();
  return norm;
}

/** Root of the sum of squares over several lists. */
function frobenius(lists: readonly Float32Array[]): number {
  return Math.sqrt(lists.reduce((sum, list) => sum + list.reduce((inner, number) => inner + number ** 2, 0), 0));
}

test('a gradient of norm 5 is scaled to a bound of 0.25, one of norm 0.2 is left alone', () => {
  expect(clipScale(5, 0.25)).toBeCloseTo(0.04999999, 10);
  expect(clipScale(0.2, 0.25)).toBe(1);
});

test('the scale is never above 1 and brings every norm within the bound', () => {
  const positive = (max: number) => fc.double({ min: 1e-9, max, noNaN: true });
  fc.assert(
    fc.property(fc.oneof(fc.constant(0), positive(1e9)), positive(1e3), (norm, clip) => {
      const scale = clipScale(norm, clip);
      expect(scale).toBeGreaterThan(0);
      expect(scale).toBeLessThanOrEqual(1);
      expect(norm * scale).toBeLessThanOrEqual(clip);
      if (norm + 1e-6 <= clip) expect(scale).toBe(1);
      else expect(norm * scale).toBeCloseTo((norm * clip) / (norm + 1e-6), 6);
    }),
    { seed: 1 },
  );
});

for (const tied of [false, true]) {
  const which = tied ? 'tied' : 'untied';
  for (const layout of layouts) {
    test(`"all" is the norm of the dense gradient, inactive weights included (${layout}, ${which})`, () => {
      for (const seed of [1, 2, 3]) {
        const { parameters, gradients } = networkOf('dense', tied, seed);
        const expected = frobenius(
          tf.tidy(() => gradients().map((gradient) => gradient.dataSync<'float32'>().slice())),
        );
        expect(normOf(layout, tied, seed, 'all') / expected).toBeCloseTo(1, 6);
        for (const parameter of parameters) parameter.dispose();
      }
    });

    test(`"active" is the norm over active weights and biases (${layout}, ${which})`, () => {
      const { parameters, gradients } = networkOf(layout, tied, 1);
      const active = tf.tidy(() => gradients().map((gradient, i) => activeGradient(parameters[i], gradient)));
      expect(normOf(layout, tied, 1, 'active') / frobenius(active)).toBeCloseTo(1, 6);
      expect(normOf(layout, tied, 1, 'active')).toBeLessThan(0.99 * normOf(layout, tied, 1, 'all'));
      for (const parameter of parameters) parameter.dispose();
    });
  }

  test(`every norm is the same number in both layouts (${which})`, () => {
    for (const kind of ['all', 'active', 'sketched'] as const) {
      const [packed, masked] = [normOf('packed', tied, 4, kind), normOf('masked', tied, 4, kind)];
      // A packed matrix that is used twice adds up the sketches of its gradients, a masked one has the sketch of their sum.
      if (tied && kind === 'sketched') expect(packed / masked).toBeCloseTo(1, 6);
      else expect(packed).toBe(masked);
    }
  });
}

test('the square of the sketched norm is right on average over the steps', () => {
  const parameter = matrix('weight', [12, 9], 'masked', { seed: 1 });
  const positive = numbers(2, 108).map(Math.abs); // signs that are not evenly spread would enlarge its sums
  const gradient = tf.tensor2d(positive, [12, 9]);
  const squares = Array.from(
    { length: 4000 },
    (_, step) => gradientNorm([parameter], [gradient], 'sketched', { seed: 1, step }) ** 2,
  );
  const mean = squares.reduce((sum, square) => sum + square, 0) / squares.length;
  const exact = gradientNorm([parameter], [gradient], 'all', draw) ** 2;
  expect(mean / exact).toBeGreaterThan(0.97);
  expect(mean / exact).toBeLessThan(1.03);
  gradient.dispose();
  parameter.dispose();
});

test('seed and step decide a sketch, and each matrix has its own', () => {
  const sketch = (seed: number, step: number) => normOf('packed', false, 1, 'sketched', { seed, step });
  expect(sketch(1, 1)).toBe(sketch(1, 1));
  expect(sketch(2, 1)).not.toBe(sketch(1, 1));
  expect(sketch(1, 2)).not.toBe(sketch(1, 1));

  const matrices = ['first', 'second'].map((name) => matrix(name, [12, 9], 'masked', { seed: 1 }));
  const gradients = matrices.map((parameter) => storedGradient(parameter, numbers(2, 108)));
  const one = gradientNorm(matrices.slice(0, 1), gradients, 'sketched', draw);
  const both = gradientNorm(matrices, gradients, 'sketched', draw);
  expect(both / one).not.toBeCloseTo(Math.SQRT2, 3); // as it would be with the same signs twice
  for (const parameter of matrices) parameter.dispose();
  tf.dispose(gradients);
});

test('the sketch does not touch what is dense: the norm of biases is exact', () => {
  const bias = denseParameter('bias', [50], 1);
  const gradient = tf.tensor1d(numbers(2, 50));
  expect(gradientNorm([bias], [gradient], 'sketched', draw)).toBe(gradientNorm([bias], [gradient], 'all', draw));
  bias.dispose();
  gradient.dispose();
});

test('a norm of all weights that nobody has prepared for is an error that names the matrix', () => {
  const { parameters, gradients } = networkOf('packed', false, 1);
  tf.tidy(() => {
    expect(() => gradientNorm(parameters, gradients(), 'all', draw)).toThrow('embedding.weight');
  });
  for (const parameter of parameters) parameter.dispose();
});

for (const kind of ['all', 'active', 'sketched'] as const) {
  test(`measuring "${kind}" leaves no tensor behind`, () => {
    for (const layout of layouts) {
      const { parameters, gradients } = networkOf(layout, true, 1);
      const once = () => {
        watchGradients(parameters, kind, draw);
        const grads = gradients();
        gradientNorm(parameters, grads, kind, draw);
        tf.dispose(grads);
      };
      once(); // masks and indices are made with the first use
      const before = tf.memory().numTensors;
      once();
      expect(tf.memory().numTensors).toBe(before);
      for (const parameter of parameters) {
        if (parameter instanceof SparseParameter) expect(parameter.denseGradient.take()).toBeUndefined();
      }
      for (const parameter of parameters) parameter.dispose();
    }
  });
}
