import * as tf from '../tf.js';
import { SparseParameter, type Parameter } from '../sparsity/parameter.js';

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
 * The gradient in the layout of the values, from that of the dense matrix. In the masked layout it is dense, so that it
 * has inactive weights in it, too; a packed parameter keeps the active ones and tells whoever watches about the rest.
 */
export function toStored(dense: tf.Tensor2D, weight: Parameter): tf.Tensor {
  if (!isPacked(weight)) return dense;
  weight.denseGradient.add(dense);
  return tf.gatherND(dense.flatten(), weight.indices);
}

function isPacked(weight: Parameter): weight is SparseParameter {
  return weight instanceof SparseParameter && weight.layout === 'packed';
}
