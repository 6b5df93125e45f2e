import * as tf from '../tf.js';
import { defineKernel } from './op.js';

const run = defineKernel<{ x: tf.Tensor }, object>('SparrowSumOfSquares', ({ x }) => {
  let sum = 0;
  for (const number of x.dataSync<'float32'>()) sum += number * number;
  return [tf.tensor1d(asTwoFloats(sum))];
});

/** Sum of squares of all numbers of a tensor, added up in float64 where there is such a thing: two floats whose sum it is. */
export function squares(x: tf.Tensor): tf.Tensor1D {
  return run({ x }, {})[0] as tf.Tensor1D;
}

/** A float64 as two float32 whose sum it is, to twice a float32's precision: a tensor has no more. */
export function asTwoFloats(number: number): [number, number] {
  const most = Math.fround(number);
  return [most, Number.isFinite(most) ? number - most : 0];
}
