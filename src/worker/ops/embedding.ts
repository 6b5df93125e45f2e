import * as tf from '../tf.js';
import type { Parameter } from '../sparsity/parameter.js';
import { defineOp } from './op.js';
import { toDense, toStored } from './weight.js';

/**
 * Word vectors, rows of a matrix E:
 *
 *     y_p = E[w_p]          dE[v] = sum of dy_p over the positions p with w_p = v
 *
 * An op of its own because tfjs's gradient of `gather` loops over the vocabulary.
 */
interface Inputs {
  values: tf.Tensor;
}

export interface EmbeddingAttributes {
  /** [vocabulary, embedding] */
  readonly weight: Parameter;
  /** [positions] */
  readonly words: Int32Array;
}

const run = defineOp<Inputs, EmbeddingAttributes>({
  name: 'SparrowEmbedding',
  inputs: ['values'],
  outputs: 1,
  forward: ({ values }, { weight, words }) => [tf.gatherND(toDense(values, weight), rowsOf(words))],
  backward: ([dy], _inputs, _outputs, { weight, words }) => {
    const dense: tf.Tensor = tf.scatterND(rowsOf(words), dy, [...weight.shape]); // adds up where a word occurs more than once
    return { values: toStored(dense as tf.Tensor2D, weight) };
  },
});

/** Rows of a matrix as gather and scatter take them. (tf.gather is eight times slower on the wasm backend.) */
function rowsOf(words: Int32Array): tf.Tensor2D {
  return tf.tensor2d(words, [words.length, 1], 'int32');
}

/**
 * @param words [positions]
 * @returns [positions, embedding]
 */
export function embedding(weight: Parameter, words: Int32Array): tf.Tensor2D {
  return run({ values: weight.values }, { weight, words })[0] as tf.Tensor2D;
}
