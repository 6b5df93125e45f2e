import * as tf from '../tf.js';
import type { Parameter } from '../sparsity/parameter.js';
import { defineOp } from './op.js';
import { toDense, toStored } from './weight.js';

/**
 * A linear map with a sparse matrix:
 *
 *     y = x Wᵀ + b          dx = dy W      dW = dyᵀ x      db = sum of dy over positions
 *
 * Products take transposed copies instead of tfjs's transpose flags, with which the wasm backend is 13 times slower.
 */
interface Inputs {
  x: tf.Tensor2D;
  values: tf.Tensor;
  bias: tf.Tensor;
}

export interface SparseLinearAttributes {
  /** [outputs, inputs] */
  readonly weight: Parameter;
}

const run = defineOp<Inputs, SparseLinearAttributes>({
  name: 'SparrowSparseLinear',
  inputs: ['x', 'values', 'bias'],
  outputs: 1,
  forward: ({ x, values, bias }, { weight }) => [tf.matMul(x, toDense(values, weight).transpose()).add(bias)],
  backward: ([dy], { x, values }, _outputs, { weight }) => ({
    x: tf.matMul(dy, toDense(values, weight)),
    values: toStored(tf.matMul((dy as tf.Tensor2D).transpose(), x), weight),
    bias: dy.sum(0),
  }),
});

/**
 * @param x [positions, inputs]
 * @param bias [outputs]
 * @returns [positions, outputs]
 */
export function sparseLinear(x: tf.Tensor2D, weight: Parameter, bias: Parameter): tf.Tensor2D {
  return run({ x, values: weight.values, bias: bias.values }, { weight })[0] as tf.Tensor2D;
}
