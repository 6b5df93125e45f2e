import * as tf from '../tf.js';
import { SparseParameter, type Parameter } from '../sparsity/parameter.js';
import { hasKernel, runKernel } from './op.js';

/**
 * How composed ops see a weight matrix in any layout. The dense matrices made here are temporaries of one op: nothing
 * that outlives it is dense for a packed parameter.
 */

/** The dense matrix [outputs, inputs] that stored values stand for; 0 where a weight is inactive. */
export function toDense(values: tf.Tensor, weight: Parameter): tf.Tensor2D {
  if (!isPacked(weight)) return values as tf.Tensor2D;
  const [rows, columns] = weight.shape;
  const flat: tf.Tensor = tf.scatterND(weight.indices, values, [rows * columns]);
  return flat.reshape([rows, columns]);
}

/**
 * What multiplies the weights of a matrix before they are used, [outputs, inputs] or one number: weight dropout
 * (models/weight-drop.ts). It is a factor on the gradient of all weights, too, of which a packed parameter's watcher has to be
 * told.
 */
export type WeightFactor = tf.Tensor | number | undefined;

/**
 * The gradient in the layout of the values, from that of the dense matrix. In the masked layout it is dense, so that it
 * has inactive weights in it, too; a packed parameter keeps the active ones and tells whoever watches about the rest.
 */
export function toStored(dense: tf.Tensor2D, weight: Parameter, factor?: WeightFactor): tf.Tensor {
  if (!isPacked(weight)) return dense;
  weight.denseGradient.add(factor === undefined ? dense : dense.mul(factor));
  return tf.gatherND(dense.flatten(), weight.indices);
}

/** Numbers for all weights, [outputs, inputs], as a parameter stores its own: dense, or those of the active weights. */
export function asStored(dense: tf.Tensor, weight: Parameter): tf.Tensor {
  return isPacked(weight) ? tf.gatherND(dense.flatten(), weight.indices) : dense;
}

export function isPacked(weight: Parameter): weight is SparseParameter {
  return weight instanceof SparseParameter && weight.layout === 'packed';
}

/** Kernels of engines with sparse products of their own; composed ops do without. */
export const productKernels = {
  /** x Wᵀ of x [positions, inputs] */
  forward: 'SparrowProduct',
  /** y W of y [positions, outputs] */
  backward: 'SparrowTransposedProduct',
  /** yᵀ x, as the parameter stores it */
  gradient: 'SparrowWeightGradient',
} as const;

export interface ProductAttributes {
  readonly weight: Parameter;
  readonly factor: WeightFactor;
}

/** A product with one matrix, which is made ready once for many of them. */
type Product = (x: tf.Tensor2D) => tf.Tensor2D;

/**
 * x -> x Wᵀ, from [positions, inputs] to [positions, outputs]. Takes a transposed copy instead of tfjs's transpose flag, with
 * which the wasm backend is 13 times slower.
 *
 * @param values of `weight`, or what weight dropout has left of them
 */
export function forwardProduct(values: tf.Tensor, weight: Parameter): Product {
  if (hasKernel(productKernels.forward)) {
    return (x) => runKernel(productKernels.forward, { x, values }, { weight })[0] as tf.Tensor2D;
  }
  const transposed = toDense(values, weight).transpose();
  return (x) => tf.matMul(x, transposed);
}

/** y -> y W, from [positions, outputs] to [positions, inputs]. */
export function backwardProduct(values: tf.Tensor, weight: Parameter): Product {
  if (hasKernel(productKernels.backward)) {
    return (y) => runKernel(productKernels.backward, { y, values }, { weight })[0] as tf.Tensor2D;
  }
  const dense = toDense(values, weight);
  return (y) => tf.matMul(y, dense);
}

/** The gradient yᵀ x of W as it is stored. */
export function weightGradient(
  y: tf.Tensor2D,
  x: tf.Tensor2D,
  values: tf.Tensor,
  weight: Parameter,
  factor?: WeightFactor,
): tf.Tensor {
  if (hasKernel(productKernels.gradient)) {
    return runKernel(productKernels.gradient, { y, x, values }, { weight, factor })[0];
  }
  return toStored(tf.matMul(y.transpose(), x), weight, factor);
}
