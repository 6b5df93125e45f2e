import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { NativeEngine } from '../../src/worker/engines/native/addon.js';
import { registerNative } from '../../src/worker/engines/native/native.js';
import { applySgd } from '../../src/worker/ops/apply-update.js';
import { dropoutMask } from '../../src/worker/ops/dropout-mask.js';
import { SparseParameter, type Slot } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { nativeEngine, skipWithoutNative, useNative, widths } from './support/native.js';
import { matrix, numbers, storages, storedGradient, useOracle } from './support/numerics.js';
import { expectAgreement } from './support/op-cases.js';
import { holds } from './support/property.js';
import { rates, trajectory, updates, type Shape } from './support/updates.js';

skipWithoutNative();

beforeEach(async () => {
  await useOracle();
});

const shapes: readonly Shape[] = [
  [1, 1],
  [7, 13],
  [61, 67],
];

for (const [name, update] of Object.entries(updates)) {
  for (const storage of storages) {
    test(`${name} in place computes what it does by copies (${storage})`, async () => {
      const kept: Slot[] = ['values', ...update.slots];
      for (const shape of shapes) {
        await tf.setBackend('cpu');
        const expected = trajectory(update, shape, storage);
        for (const width of widths) {
          await useNative(2, width);
          const ours = trajectory(update, shape, storage, (parameter, step) => {
            const mask = parameter instanceof SparseParameter ? parameter.mask.dataSync() : undefined;
            const held = kept.map((slot) => parameter.slot(slot));
            const tensors = tf.memory().numTensors;
            const read = parameter.read('values');
            const before = read.slice();
            step();
            kept.forEach((slot, i) => {
              expect(parameter.slot(slot)).toBe(held[i]);
            });
            expect(tf.memory().numTensors).toBe(tensors);
            expect(read).toEqual(before); // a copy
            expect(parameter.read('values')).not.toEqual(before);
            if (storage !== 'masked') return;
            for (const slot of kept.filter((each) => each !== 'activeSince')) {
              const outside = parameter
                .slot(slot)
                .dataSync()
                .filter((_, i) => mask?.[i] === 0);
              expect(outside.every((number) => number === 0)).toBe(true);
            }
          });
          expectAgreement(ours, expected);
        }
      }
    });
  }
}

test('weights that are loaded are copied: updates leave what they were loaded from as it is', async () => {
  await useNative(2);
  for (const storage of storages) {
    const parameter = matrix('weight', [9, 11], storage, { seed: 1 });
    const loaded = numbers(2, parameter.activeCount);
    parameter.load('values', loaded);
    const gradient = storedGradient(parameter, numbers(3, 99));
    applySgd(parameter, gradient, rates);
    expect(loaded).toEqual(numbers(2, parameter.activeCount));
    gradient.dispose();
    parameter.dispose();
  }
});

const draws = fc.record({
  seed: fc.nat({ max: 0xffff_ffff }),
  step: fc.oneof(fc.nat({ max: 1e6 }), fc.nat({ max: 0xffff_ffff })),
  site: fc.nat({ max: 20 }),
});
const probabilities = fc.oneof(
  fc.double({ min: 0, max: 0.999, noNaN: true }),
  fc.constantFrom(0, 2 ** -32, 0.5, 1 - 2 ** -32),
);
const anyShape = fc.array(fc.integer({ min: 1, max: 11 }), { minLength: 1, maxLength: 3 });

test('dropout masks have every bit of those of plain loops, on any number of threads', async () => {
  const masks = (draw: { seed: number; step: number; site: number }, p: number, shape: readonly number[]) =>
    tf.tidy(() => {
      const mask = dropoutMask(draw, p, shape);
      expect(mask.shape).toEqual(shape);
      return mask.dataSync<'float32'>().slice();
    });
  const property = fc.asyncProperty(draws, probabilities, anyShape, async (draw, p, shape) => {
    await tf.setBackend('cpu');
    const expected = masks(draw, p, shape);
    await tf.setBackend('native');
    expect(masks(draw, p, shape)).toEqual(expected);
  });
  for (const threads of [1, 2, 3]) {
    await useNative(threads);
    await fc.assert(property, { seed: 1, numRuns: 150 });
  }
});

type Kind = 'float32' | 'int32';

function product(a: readonly number[], kindOfA: Kind, b: readonly number[], kindOfB: Kind) {
  return tf.tidy(() => {
    const tensor = (shape: readonly number[], kind: Kind, seed: number) => {
      const size = shape.reduce((all, length) => all * length, 1);
      const data = numbers(seed, size, 9);
      return tf.tensor(kind === 'int32' ? Int32Array.from(data) : data, [...shape], kind);
    };
    const result = tf.mul(tensor(a, kindOfA, 1), tensor(b, kindOfB, 2));
    return { shape: result.shape, dtype: result.dtype, data: [...result.dataSync()] };
  });
}

const operands: [a: number[], kindOfA: Kind, b: number[], kindOfB: Kind][] = [
  [[7, 13], 'float32', [7, 13], 'float32'],
  [[3, 5, 67], 'float32', [3, 5, 67], 'float32'],
  [[], 'float32', [], 'float32'],
  [[0], 'float32', [0], 'float32'],
  [[7, 13], 'float32', [13], 'float32'],
  [[7, 1], 'float32', [1, 13], 'float32'],
  [[4, 6], 'float32', [6, 4, 1], 'float32'],
  [[7, 13], 'float32', [], 'float32'],
  [[7, 13], 'int32', [7, 13], 'int32'],
  [[7, 13], 'int32', [7, 1], 'int32'],
  [[7, 13], 'float32', [7, 13], 'int32'],
];

test('products of any shapes and types are those of tfjs', async () => {
  for (const width of widths) {
    await useNative(3, width);
    for (const each of operands) {
      await tf.setBackend('native');
      const ours = product(...each);
      await tf.setBackend('cpu');
      expect(ours).toEqual(product(...each));
    }
  }
});

test('of products, those of float32 with equal shapes are native', async () => {
  const real = nativeEngine(1, widths.at(-1)!);
  let calls = 0;
  registerNative({
    multiply: (a, b, result) => {
      calls += 1;
      real.multiply(a, b, result);
    },
  } as NativeEngine);
  await tf.setBackend('native');
  for (const each of operands) product(...each);
  expect(calls).toBe(4);
});

test('the sum of squares is added up in float64, the same on any number of threads', () => {
  holds(
    fc.property(fc.nat({ max: 200_000 }), fc.constantFrom(...widths), (count, width) => {
      const x = numbers(1, count, 1e15); // squares beyond what float32 holds
      const expected = x.reduce((sum, number) => sum + number * number, 0);
      const sums = [1, 2, 3].map((threads) => nativeEngine(threads, width).sumOfSquares(x));
      expect(new Set(sums).size).toBe(1);
      expect(Math.abs(sums[0] - expected)).toBeLessThanOrEqual(1e-12 * expected);
    }),
    15,
  );
});
