import fc from 'fast-check';
import { expect, test } from 'vitest';
import { complement } from '../../src/worker/sparsity/pattern.js';
import {
  descendingMagnitudeKeys,
  difference,
  magnitudeKeys,
  pick,
  smallest,
  union,
} from '../../src/worker/sparsity/selection.js';
import { holds } from './support/property.js';

/** Keys of which many are equal, or share their upper or their lower half. */
const key = fc.oneof(
  fc.nat({ max: 0xffff_ffff }),
  fc.nat(3),
  fc.nat(3).map((upper) => upper * 0x10000),
  fc.constantFrom(0xffff_ffff, 0xffff_0000, 0x7fff_ffff, 0x8000_0000),
);
const keysAndCount = fc
  .array(key, { maxLength: 60 })
  .chain((keys) => fc.tuple(fc.constant(Uint32Array.from(keys)), fc.nat(keys.length)));

function smallestBySorting(keys: Uint32Array, count: number): number[] {
  const order = [...keys.keys()].sort((a, b) => keys[a] - keys[b] || a - b);
  return order.slice(0, count).sort((a, b) => a - b);
}

test('the smallest keys are those a stable sort puts first', () => {
  holds(
    fc.property(keysAndCount, ([keys, count]) => {
      expect([...smallest(keys, count)]).toEqual(smallestBySorting(keys, count));
    }),
    1000,
  );
});

test('among equal keys those with the smaller index are chosen', () => {
  expect([...smallest(new Uint32Array(5).fill(9), 3)]).toEqual([0, 1, 2]);
  expect([...smallest(Uint32Array.of(5, 1, 5, 5, 0), 3)]).toEqual([0, 1, 4]);
});

test('no key is chosen where none is asked for', () => {
  expect(smallest(Uint32Array.of(3, 1, 2), 0)).toEqual(new Int32Array(0));
  expect(smallest(new Uint32Array(0), 0)).toEqual(new Int32Array(0));
});

test('all keys can be chosen', () => {
  expect([...smallest(Uint32Array.of(3, 0xffff_ffff, 2), 3)]).toEqual([0, 1, 2]);
});

test('more keys than there are cannot be chosen', () => {
  expect(() => smallest(Uint32Array.of(3, 1), 3)).toThrow('3 of 2 keys');
});

test('keys order numbers as their magnitudes do, signed zeros and subnormals included', () => {
  const number = fc.oneof(
    fc.float({ noNaN: true }),
    fc.constantFrom(0, -0, 2 ** -149, -(2 ** -149), 2 ** -126, -(2 ** -127), Infinity, -Infinity),
  );
  holds(
    fc.property(number, number, (a, b) => {
      const [keyA, keyB] = magnitudeKeys(Float32Array.of(a, b));
      const [downA, downB] = descendingMagnitudeKeys(Float32Array.of(a, b));
      expect(Math.sign(keyA - keyB)).toBe(Math.sign(Math.abs(a) - Math.abs(b) || 0));
      expect(Math.sign(downA - downB)).toBe(0 - Math.sign(keyA - keyB));
    }),
    1000,
  );
});

test('+0 and -0 have the smallest key', () => {
  expect([...magnitudeKeys(Float32Array.of(0, -0))]).toEqual([0, 0]);
});

test('keys of a part of an array are those of the part', () => {
  const numbers = Float32Array.of(8, -1, 4, 2);
  expect(magnitudeKeys(numbers.subarray(1, 3))).toEqual(magnitudeKeys(Float32Array.of(-1, 4)));
});

test('picking takes the chosen positions in their order', () => {
  expect([...pick(Int32Array.of(3, 7, 11, 20), Int32Array.of(0, 2, 3))]).toEqual([3, 11, 20]);
});

/** A set of positions below 40 as an ascending list. */
const positions = fc.uniqueArray(fc.nat(39)).map((list) => Int32Array.from(list).sort());

test('difference is that of sets, in ascending order', () => {
  holds(
    fc.property(positions, positions, (a, b) => {
      expect([...difference(a, b)]).toEqual([...a].filter((position) => !b.includes(position)));
    }),
  );
});

test('union of lists with nothing in common is that of sets, in ascending order', () => {
  holds(
    fc.property(positions, positions, (a, b) => {
      const apart = b.filter((position) => !a.includes(position));
      expect([...union(a, apart)]).toEqual([...new Set([...a, ...apart])].sort((x, y) => x - y));
    }),
  );
});

test('complement has the positions that are missing, in ascending order', () => {
  holds(
    fc.property(positions, (taken) => {
      const all = Array.from({ length: 40 }, (_, position) => position);
      expect([...complement(taken, 40)]).toEqual(all.filter((position) => !taken.includes(position)));
    }),
  );
});
