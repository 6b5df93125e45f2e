import * as tf from '../tf.js';
import type { Parameter } from '../sparsity/parameter.js';
import { defineOp } from './op.js';
import { backwardProduct, forwardProduct, weightGradient } from './weight.js';

/**
 * A linear map with a sparse matrix:
 *
 *     y = x Wᵀ + b          dx = dy W      dW = dyᵀ x      db = sum of dy over positions
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
  forward: ({ x, values, bias }, { weight }) => [forwardProduct(values, weight)(x).add(bias)],
  backward: ([dy], { x, values }, _outputs, { weight }) => ({
    x: backwardProduct(values, weight)(dy as tf.Tensor2D),
    values: weightGradient(dy as tf.Tensor2D, x, values, weight),
    bias: dy.sum(0),
  }),
});

/**
 * @param x [positions, inputs]
 * @param bias [outputs]; none for a map without
 * @returns [positions, outputs]
 */
export function sparseLinear(x: tf.Tensor2D, weight: Parameter, bias?: Parameter): tf.Tensor2D {
  const added = bias?.values ?? tf.zeros([weight.shape[0]]);
  return run({ x, values: weight.values, bias: added }, { weight })[0] as tf.Tensor2D;
}
