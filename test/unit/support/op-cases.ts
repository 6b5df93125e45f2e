import { expect } from 'vitest';
import { decodeAndCrossEntropy } from '../../../src/worker/ops/decode-and-cross-entropy.js';
import { embedding } from '../../../src/worker/ops/embedding.js';
import { lstm } from '../../../src/worker/ops/lstm.js';
import { sparseLinear } from '../../../src/worker/ops/sparse-linear.js';
import type { Parameter } from '../../../src/worker/sparsity/parameter.js';
import * as tf from '../../../src/worker/tf.js';
import { denseParameter, integers, matrix, numbers, relativeError, type Storage } from './numerics.js';

export interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly inputs: number;
  readonly units: number;
  readonly words: number;
  /** Share of each matrix that is active; 0.4 unless told. */
  readonly density?: number;
  /** Whether each matrix has a row that is active as a whole. */
  readonly fullRow?: boolean;
}

/** An op with everything that it can be differentiated by, plain tensors being dense parameters. */
export interface OpCase {
  readonly inputs: readonly Parameter[];
  readonly outputs: () => tf.Tensor[];
}

export type MakeCase = (sizes: Sizes, storage: Storage, seed: number) => OpCase;

const makeEmbedding: MakeCase = ({ batch, steps, inputs, words, density, fullRow }, storage, seed) => {
  const weight = matrix('embedding', [words, inputs], storage, { seed, density, fullRow });
  const text = integers(seed, batch * steps, words);
  return { inputs: [weight], outputs: () => [embedding(weight, text)] };
};

const makeLinear: MakeCase = ({ batch, steps, inputs, units, density, fullRow }, storage, seed) => {
  const x = denseParameter('x', [batch * steps, inputs], seed);
  const weight = matrix('weight', [units, inputs], storage, { seed: seed + 1, density, fullRow });
  const bias = denseParameter('bias', [units], seed + 2);
  return { inputs: [x, weight, bias], outputs: () => [sparseLinear(x.values as tf.Tensor2D, weight, bias)] };
};

const makeLstm: MakeCase = ({ batch, steps, inputs, units, density, fullRow }, storage, seed) => {
  const x = denseParameter('x', [batch * steps, inputs], seed);
  const hidden = denseParameter('hidden', [batch, units], seed + 1);
  const cell = denseParameter('cell', [batch, units], seed + 2);
  const weights = {
    inputWeight: matrix('weight_ih', [4 * units, inputs], storage, { seed: seed + 3, density, fullRow }),
    recurrentWeight: matrix('weight_hh', [4 * units, units], storage, { seed: seed + 4, density, fullRow }),
    inputBias: denseParameter('bias_ih', [4 * units], seed + 5),
    recurrentBias: denseParameter('bias_hh', [4 * units], seed + 6),
  };
  return {
    inputs: [x, hidden, cell, ...Object.values(weights)],
    outputs: () => {
      const after = lstm(x.values as tf.Tensor2D, weights, hidden.values as tf.Tensor2D, cell.values as tf.Tensor2D);
      return [after.y, after.hidden, after.cell];
    },
  };
};

const makeDecoder: MakeCase = ({ batch, steps, units, words, density, fullRow }, storage, seed) => {
  const y = denseParameter('y', [batch * steps, units], seed);
  const weight = matrix('decoder', [words, units], storage, { seed: seed + 1, density, fullRow });
  const bias = denseParameter('bias', [words], seed + 2);
  const targets = integers(seed, batch * steps, words);
  return {
    inputs: [y, weight, bias],
    outputs: () => [decodeAndCrossEntropy(y.values as tf.Tensor2D, weight, bias, targets)],
  };
};

const makeTied: MakeCase = ({ batch, steps, units, words, density, fullRow }, storage, seed) => {
  const weight = matrix('embedding', [words, units], storage, { seed, density, fullRow });
  const bias = denseParameter('bias', [words], seed + 1);
  const text = integers(seed, batch * steps, words);
  const targets = integers(seed + 1, batch * steps, words);
  return {
    inputs: [weight, bias],
    outputs: () => [decodeAndCrossEntropy(embedding(weight, text), weight, bias, targets)],
  };
};

export const makers = {
  embedding: makeEmbedding,
  sparseLinear: makeLinear,
  lstm: makeLstm,
  decodeAndCrossEntropy: makeDecoder,
  'a tied embedding and decoder': makeTied,
};

/** Weights of the sum that stands for a loss: none near 0, which would hide an error. */
export function weightsOf(output: number, size: number): Float32Array {
  return numbers(99 + output, size).map((weight) => weight + Math.sign(weight) * 0.5);
}

/** The weighted sum of the outputs, added up in float64. */
export function objective({ outputs }: OpCase): number {
  return tf.tidy(() => {
    let sum = 0;
    for (const [i, output] of outputs().entries()) {
      const weights = weightsOf(i, output.size);
      output.dataSync().forEach((value, j) => (sum += value * weights[j]));
    }
    return sum;
  });
}

/** Gradients of that sum as stored, by the op's own back-propagation. */
export function gradientsOf({ inputs, outputs }: OpCase): Float32Array[] {
  return tf.tidy(() => {
    const forward = () =>
      tf.addN(outputs().map((output, i) => output.mul(tf.tensor(weightsOf(i, output.size), output.shape)).sum()));
    const { grads } = tf.engine().gradients(
      forward as () => tf.Scalar,
      inputs.map(({ values }) => values),
    );
    return grads.map((gradient) => gradient.dataSync<'float32'>().slice());
  });
}

export function dispose({ inputs }: OpCase): void {
  for (const parameter of inputs) parameter.dispose();
}

/** Outputs of an op and its gradients, on the present backend. */
export function computed(make: MakeCase, sizes: Sizes, storage: Storage, seed: number): Float32Array[] {
  const opCase = make(sizes, storage, seed);
  const outputs = tf.tidy(() => opCase.outputs().map((output) => output.dataSync<'float32'>().slice()));
  const gradients = gradientsOf(opCase);
  dispose(opCase);
  return [...outputs, ...gradients];
}

/**
 * Expects the same numbers but for rounding. One that is a small difference of large ones has an error relative to those:
 * hence relative to the largest, and no smaller than 0.01.
 */
export function expectAgreement(
  ours: readonly Float32Array[],
  theirs: readonly Float32Array[],
  tolerance = 1e-5,
): void {
  expect(ours.length).toBe(theirs.length);
  for (const [i, expected] of theirs.entries()) {
    const largest = expected.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
    const scale = Math.min(1, Math.max(largest, 1e-30) / 0.01);
    expect(relativeError(ours[i], expected) * scale, `tensor ${i}`).toBeLessThan(tolerance);
  }
}
