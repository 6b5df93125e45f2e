import * as tf from '../tf.js';
import { defineKernel } from './op.js';

const run = defineKernel<{ x: tf.Tensor }, object>('SparrowSumOfSquares', ({ x }) => {
  let sum = 0;
  for (const number of x.dataSync<'float32'>()) sum += number * number;
  return [tf.tensor1d(asTwoFloats(sum))];
});

/** Sum of squares of all numbers of a tensor, added up in float64. */
export function sumOfSquares(x: tf.Tensor): number {
  const [parts] = run({ x }, {});
  const [most, rest] = parts.dataSync<'float32'>();
  parts.dispose();
  return most + rest;
}

/** A float64 as two float32 whose sum it is, to twice a float32's precision: a tensor has no more. */
export function asTwoFloats(number: number): [number, number] {
  const most = Math.fround(number);
  return [most, Number.isFinite(most) ? number - most : 0];
}
