import * as tf from '../tf.js';
import type { Parameter } from '../sparsity/parameter.js';
import { defineOp } from './op.js';
import { toDense, toStored } from './weight.js';

/**
 * Decoder and softmax cross-entropy in one, so that an engine need never hold all logits:
 *
 *     l = y Wᵀ + b          loss = mean over positions of (log sum exp l - l[target])
 *     dl = (softmax l - onehot target) / positions      dy = dl W      dW = dlᵀ y      db = sum of dl
 */
interface Inputs {
  y: tf.Tensor2D;
  values: tf.Tensor;
  bias: tf.Tensor;
}

export interface DecodeAttributes {
  /** [vocabulary, hidden] */
  readonly weight: Parameter;
  /** [positions] */
  readonly targets: Int32Array;
}

const run = defineOp<Inputs, DecodeAttributes>({
  name: 'SparrowDecodeAndCrossEntropy',
  inputs: ['y', 'values', 'bias'],
  outputs: 2, // loss, softmax
  forward: ({ y, values, bias }, { weight, targets }) => {
    const logits = tf.matMul(y, toDense(values, weight).transpose()).add(bias);
    const softmax = tf.softmax(logits);
    // The largest softmax is at least 1 / vocabulary, so its logarithm is always good: log sum exp l = max l - log max p.
    const logSumExp = logits.max(1).sub(softmax.max(1).log());
    const logitsOfTargets = logits.mul(oneHot(targets, logits.shape[1]!)).sum(1);
    return [logSumExp.sub(logitsOfTargets).mean(), softmax];
  },
  backward: ([dLoss], { y, values }, [, softmax], { weight, targets }) => {
    const [positions, words] = softmax.shape as [number, number];
    const dLogits = softmax.sub(oneHot(targets, words)).mul<tf.Tensor2D>(dLoss.div(positions));
    return {
      y: tf.matMul(dLogits, toDense(values, weight)),
      values: toStored(tf.matMul(dLogits.transpose(), y), weight),
      bias: dLogits.sum(0),
    };
  },
});

/** [positions, words]: 1 where the column is the target of the row. */
function oneHot(targets: Int32Array, words: number): tf.Tensor {
  return tf.oneHot(tf.tensor1d(targets, 'int32'), words);
}

/**
 * @param y [positions, hidden]
 * @param bias [vocabulary]
 * @param targets [positions]: the next word of each position
 * @returns mean loss in nats, a scalar
 */
export function decodeAndCrossEntropy(
  y: tf.Tensor2D,
  weight: Parameter,
  bias: Parameter,
  targets: Int32Array,
): tf.Scalar {
  return run({ y, values: weight.values, bias: bias.values }, { weight, targets })[0] as tf.Scalar;
}
