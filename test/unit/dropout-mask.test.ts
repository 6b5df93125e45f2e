import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { dropoutMask } from '../../src/worker/ops/dropout-mask.js';
import * as tf from '../../src/worker/tf.js';
import { useOracle } from './support/numerics.js';

beforeAll(useOracle);

interface Draw {
  readonly seed: number;
  readonly step: number;
  readonly site: number;
}

function maskOf(draw: Draw, p: number, shape: readonly number[]): Float32Array {
  return tf.tidy(() => dropoutMask(draw, p, shape).dataSync<'float32'>().slice());
}

const counter = fc.nat({ max: 1e6 });
const draws = fc.record({ seed: fc.nat({ max: 0xffff_ffff }), step: counter, site: fc.nat({ max: 20 }) });
const probabilities = fc.double({ min: 0.01, max: 0.99, noNaN: true });

test('seed, step and site alone decide a mask, whatever was drawn before', () => {
  fc.assert(
    fc.property(draws, draws, probabilities, (draw, other, p) => {
      const first = maskOf(draw, p, [7, 5]);
      maskOf(other, p, [3, 3]);
      expect(maskOf({ ...draw }, p, [7, 5])).toEqual(first);
    }),
    { seed: 1, numRuns: 30 },
  );
});

test('each of seed, step and site makes another mask', () => {
  fc.assert(
    fc.property(draws, (draw) => {
      const mask = maskOf(draw, 0.5, [8, 16]); // two masks are the same by chance once in 2^128
      for (const name of ['seed', 'step', 'site'] as const) {
        expect(maskOf({ ...draw, [name]: (draw[name] + 1) >>> 0 }, 0.5, [8, 16])).not.toEqual(mask);
      }
    }),
    { seed: 1, numRuns: 30 },
  );
});

test('every element is exactly 0 or 1 / (1 - p)', () => {
  fc.assert(
    fc.property(draws, probabilities, (draw, p) => {
      const scale = Math.fround(1 / (1 - p));
      expect(maskOf(draw, p, [9, 11]).every((element) => element === 0 || element === scale)).toBe(true);
    }),
    { seed: 1, numRuns: 50 },
  );
});

for (const p of [0.05, 0.4, 0.65, 0.99]) {
  test(`the share dropped is near ${p}, and so the mean near 1`, () => {
    const size = 40_000;
    const dropped = maskOf({ seed: 3, step: 17, site: 2 }, p, [200, 200]).filter((element) => element === 0).length;
    const deviation = Math.sqrt(size * p * (1 - p));
    expect(Math.abs(dropped - size * p)).toBeLessThan(4 * deviation);
    expect(dropped).toBeGreaterThan(0);
  });
}

test('time steps and streams of one window have different masks', () => {
  const [steps, batch, units] = [6, 4, 64];
  const mask = maskOf({ seed: 1, step: 1, site: 0 }, 0.5, [steps * batch, units]);
  const rows = Array.from({ length: steps * batch }, (_, row) => mask.slice(row * units, (row + 1) * units).join());
  expect(new Set(rows).size).toBe(steps * batch);
});

test('an element does not depend on how many others are drawn with it', () => {
  const draw = { seed: 9, step: 4, site: 1 };
  expect(maskOf(draw, 0.3, [2, 5])).toEqual(maskOf(draw, 0.3, [11, 5]).slice(0, 10));
});

test('a mask of probability 0 drops nothing', () => {
  expect(maskOf({ seed: 1, step: 1, site: 1 }, 0, [4, 4])).toEqual(new Float32Array(16).fill(1));
});

test('a mask has the shape that was asked for and leaves nothing else behind', () => {
  const before = tf.memory().numTensors;
  const mask = dropoutMask({ seed: 1, step: 1, site: 1 }, 0.5, [3, 1, 2]);
  expect(mask.shape).toEqual([3, 1, 2]);
  mask.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
