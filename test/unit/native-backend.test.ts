import { beforeEach, expect, test } from 'vitest';
import * as tf from '../../src/worker/tf.js';
import { NativeBackend } from '../../src/worker/engines/native/backend.js';
import { skipWithoutNative, useNative } from './support/native.js';

skipWithoutNative();

const size = 4096; // large enough to be used again

beforeEach(async () => {
  await useNative(2);
});

/** The memory of a tensor itself. */
function memoryOf(tensor: tf.Tensor): Float32Array {
  return (tf.backend() as unknown as NativeBackend).floats(tensor);
}

test('the memory of a tensor that is gone serves the next of its size', () => {
  const x = tf.ones([size]);
  const first = x.mul(x);
  const memory = memoryOf(first);
  first.dispose();
  const second = x.mul(x);
  expect(memoryOf(second)).toBe(memory);
  const third = x.mul(x);
  expect(memoryOf(third)).not.toBe(memory);
  tf.dispose([x, second, third]);
});

test('what was read of a tensor and slices of it stay as they are when its memory is used again', () => {
  const x = tf.fill([size], 3);
  const product = x.mul(tf.ones([size]));
  const read = product.dataSync<'float32'>();
  const slice = product.slice(0, size / 2);
  const [half] = tf.split(product, 2);
  const readOfSlice = slice.dataSync<'float32'>();
  product.dispose();
  const others = [0, 1, 2].map(() => x.mul(x));
  for (const kept of [read, readOfSlice, slice.dataSync(), half.dataSync()]) {
    expect(new Set(kept)).toEqual(new Set([3]));
  }
  tf.dispose([x, slice, half, ...others]);
});

test('a tensor of which a clone or another shape lives keeps its memory', () => {
  const x = tf.fill([size], 3);
  const product = x.mul(tf.ones([size]));
  const [clone, reshaped] = [product.clone(), product.reshape([2, size / 2])];
  product.dispose();
  const other = x.mul(x);
  expect([clone.dataSync()[0], reshaped.dataSync()[0]]).toEqual([3, 3]);
  tf.dispose([x, clone, reshaped, other]);
});

test('free memory of sizes that no longer occur goes: no more is held than was ever needed at once', () => {
  const backend = new NativeBackend();
  const make = (length: number) => backend.fresh([length]).info;
  const many = Array.from({ length: 8 }, () => make(size));
  for (const info of many) backend.disposeData(info.dataId);
  // Eight arrays of another size need the room of the first eight.
  const others = Array.from({ length: 8 }, () => make(size + 1));
  expect(backend.heldNumbers).toBeLessThanOrEqual(8 * (size + 1));
  for (const info of others) backend.disposeData(info.dataId);
  expect(backend.heldNumbers).toBeLessThanOrEqual(8 * (size + 1));
});
