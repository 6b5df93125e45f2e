import * as tf from '../tf.js';

/** Whole numbers of a size at which every product is exact in any arithmetic: what differs is wrong. */
const [rows, inner, columns] = [33, 70, 19];
const left = Float32Array.from({ length: rows * inner }, (_, i) => ((i * 7) % 11) - 5);
const right = Float32Array.from({ length: inner * columns }, (_, i) => ((i * 5) % 13) - 6);

/** Has the engine that was started compute a product and sums that are known. @throws Error where they are wrong */
export function checkEngine(): void {
  const [product, sums] = tf.tidy(() => {
    const result = tf.matMul(tf.tensor2d(left, [rows, inner]), tf.tensor2d(right, [inner, columns]));
    return [result.dataSync<'float32'>(), result.sum(0).dataSync<'float32'>()];
  });
  const expected = new Float32Array(rows * columns);
  const total = new Float32Array(columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += left[i * inner + k] * right[k * columns + j];
      expected[i * columns + j] = sum;
      total[j] += sum;
    }
  }
  if (product.some((number, i) => number !== expected[i])) throw new Error('it computes wrong products');
  if (sums.some((number, i) => number !== total[i])) throw new Error('it computes wrong sums');
}
