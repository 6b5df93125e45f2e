import { expect } from 'vitest';
import { decodeAndCrossEntropy } from '../../../src/worker/ops/decode-and-cross-entropy.js';
import { elman } from '../../../src/worker/ops/elman.js';
import { embedding } from '../../../src/worker/ops/embedding.js';
import { gru } from '../../../src/worker/ops/gru.js';
import { lstm } from '../../../src/worker/ops/lstm.js';
import { mixtureOfSoftmaxes } from '../../../src/worker/ops/mixture-of-softmaxes.js';
import { onLstm } from '../../../src/worker/ops/on-lstm.js';
import type { LayerWeights, RecurrentLayer, UsedWeights } from '../../../src/worker/ops/recurrent-layer.js';
import { rhn } from '../../../src/worker/ops/rhn.js';
import { sparseLinear } from '../../../src/worker/ops/sparse-linear.js';
import { asStored } from '../../../src/worker/ops/weight.js';
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
  /** Masks of dropout. */
  readonly constants?: readonly tf.Tensor[];
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
      const [h, c] = [hidden, cell].map(({ values }) => values as tf.Tensor2D);
      const after = lstm(x.values as tf.Tensor2D, weights, whole(weights), h, c);
      return [after.y, after.hidden, after.cell];
    },
  };
};

/** Recurrent weights of which none is dropped. */
function whole({ recurrentWeight }: LayerWeights): UsedWeights {
  return { values: recurrentWeight.values, factor: undefined };
}

/** Weights so small that a step of a cell does not make rounding errors larger. */
function tameMatrix(...[name, shape, storage, options]: [...Parameters<typeof matrix>]): ReturnType<typeof matrix> {
  return matrix(name, shape, storage, { ...options, bound: 1 / Math.sqrt(shape[1]) });
}

/** A layer of `rows` rows and so many state tensors, of `units` units each. */
function makeLayer(
  layer: RecurrentLayer,
  states: number,
  rowsOf: (units: number) => number,
  { chunk = 1, dropped = false } = {},
): MakeCase {
  return ({ batch, steps, inputs, units: asked, density, fullRow }, storage, seed) => {
    const units = asked * chunk;
    const rows = rowsOf(units);
    const x = denseParameter('x', [batch * steps, inputs], seed);
    const state = Array.from({ length: states }, (_, i) => denseParameter(`state${i}`, [batch, units], seed + 1 + i));
    const weights = {
      inputWeight: tameMatrix('weight_ih', [rows, inputs], storage, { seed: seed + 3, density, fullRow }),
      recurrentWeight: tameMatrix('weight_hh', [rows, units], storage, { seed: seed + 4, density, fullRow }),
      inputBias: denseParameter('bias_ih', [rows], seed + 5),
      recurrentBias: denseParameter('bias_hh', [rows], seed + 6),
    };
    const factors = numbers(seed + 7, rows * units).map((number) => (number < 0 ? 0 : 2));
    const factor = dropped ? tf.keep(tf.tensor2d(factors, [rows, units])) : undefined;
    return {
      ...(factor === undefined ? {} : { constants: [factor] }),
      inputs: [x, ...state, ...Object.values(weights)],
      outputs: () => {
        const { recurrentWeight } = weights;
        const values =
          factor === undefined ? recurrentWeight.values : recurrentWeight.values.mul(asStored(factor, recurrentWeight));
        const states = state.map((parameter) => parameter.values as tf.Tensor2D);
        const after = layer(x.values as tf.Tensor2D, weights, { values, factor }, states, chunk);
        return [after.y, ...after.state];
      },
    };
  };
}

const makeRhn =
  (depth: number, coupled: boolean, dropped: boolean): MakeCase =>
  ({ batch, steps, inputs, units, density, fullRow }, storage, seed) => {
    const x = denseParameter('x', [batch * steps, inputs], seed);
    const state = denseParameter('state', [batch, units], seed + 1);
    let next = seed + 2;
    const affine = (name: string, rows: number, columns: number) => ({
      weight: tameMatrix(name, [rows, columns], storage, { seed: next++, density, fullRow }),
      bias: denseParameter(`${name} bias`, [rows], next++),
    });
    const highway = (name: string, columns: number) => ({
      gates: affine(name, 2 * units, columns),
      carry: coupled ? undefined : affine(`${name} carry`, units, columns),
    });
    const weights = {
      input: highway('input', inputs),
      recurrent: Array.from({ length: depth }, (_, d) => highway(`recurrent ${d}`, units)),
    };
    const parameters = [weights.input, ...weights.recurrent].flatMap(({ gates, carry }) => [
      ...Object.values(gates),
      ...(carry === undefined ? [] : Object.values(carry)),
    ]);
    const mask = numbers(seed + 1, batch * units).map((number) => (number < -0.5 ? 0 : 4 / 3));
    const drop = dropped ? tf.keep(tf.tensor2d(mask, [batch, units])) : undefined;
    return {
      ...(drop === undefined ? {} : { constants: [drop] }),
      inputs: [x, state, ...parameters],
      outputs: () => {
        const after = rhn(x.values as tf.Tensor2D, weights, state.values as tf.Tensor2D, drop);
        return [after.y, after.state];
      },
    };
  };

const makeMixtureIn =
  (blockSize?: number): MakeCase =>
  ({ batch, steps, units, words, density, fullRow }, storage, seed) => {
    const positions = batch * steps;
    const experts = 3;
    const latent = denseParameter('latent', [positions * experts, units], seed);
    const prior = denseParameter('prior', [positions, experts], seed + 1);
    const weight = matrix('decoder', [words, units], storage, { seed: seed + 2, density, fullRow });
    const bias = denseParameter('bias', [words], seed + 3);
    const targets = integers(seed, positions, words);
    return {
      inputs: [latent, prior, weight, bias],
      outputs: () => {
        const priors = tf.softmax(prior.values as tf.Tensor2D);
        return [mixtureOfSoftmaxes(latent.values as tf.Tensor2D, priors, weight, bias, targets, blockSize)];
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
  elman: makeLayer(elman, 1, (units) => units),
  gru: makeLayer(gru, 1, (units) => 3 * units),
  'gru with dropped weights': makeLayer(gru, 1, (units) => 3 * units, { dropped: true }),
  onLstm: makeLayer(onLstm, 2, (units) => 4 * units + units, { chunk: 2 }),
  'onLstm with dropped weights': makeLayer(onLstm, 2, (units) => 4 * units + 2 * units, { dropped: true }),
  rhn: makeRhn(3, true, true),
  'rhn of depth 1': makeRhn(1, true, false),
  'rhn that is not coupled': makeRhn(2, false, true),
  mixtureOfSoftmaxes: makeMixtureIn(),
  'mixtureOfSoftmaxes in blocks': makeMixtureIn(40),
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

export function dispose({ inputs, constants = [] }: OpCase): void {
  for (const parameter of inputs) parameter.dispose();
  tf.dispose([...constants]);
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
