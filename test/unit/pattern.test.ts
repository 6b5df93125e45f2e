import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { holds } from './support/property.js';

/** A matrix of any shape as its mask, row-major. */
const masked = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(([rows, columns]) =>
  fc.record({
    rows: fc.constant(rows),
    columns: fc.constant(columns),
    mask: fc.array(fc.boolean(), { minLength: rows * columns, maxLength: rows * columns }),
  }),
);

const activeOf = (mask: readonly boolean[]) => mask.flatMap((active, position) => (active ? [position] : []));

test('positions come back as they were given', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const pattern = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask)));
      expect([...pattern.positions()]).toEqual(activeOf(mask));
      expect(pattern.count).toBe(activeOf(mask).length);
      expect(pattern.size).toBe(mask.length);
    }),
  );
});

test('inactive positions are all the others', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const pattern = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask)));
      expect([...pattern.inactivePositions()]).toEqual(activeOf(mask.map((active) => !active)));
    }),
  );
});

test('the mask is 1 at active positions and 0 elsewhere', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const pattern = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask)));
      expect([...pattern.toMask()]).toEqual(mask.map(Number));
    }),
  );
});

test('bits hold position i in bit i % 8 of byte i / 8, the rest of the last byte being 0', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const bits = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask))).toBits();
      const bytes = new Array<number>(Math.ceil(mask.length / 8)).fill(0);
      for (const position of activeOf(mask)) bytes[Math.floor(position / 8)] += 2 ** (position % 8);
      expect([...bits]).toEqual(bytes);
    }),
  );
});

test('a pattern comes back from its bits', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const pattern = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask)));
      expect(Pattern.fromBits(rows, columns, pattern.toBits())).toEqual(pattern);
    }),
  );
});

test('a row holds the columns between its start and that of the next', () => {
  holds(
    fc.property(masked, ({ rows, columns, mask }) => {
      const { rowStart, column } = Pattern.fromPositions(rows, columns, Int32Array.from(activeOf(mask)));
      for (let row = 0; row < rows; row++) {
        const own = mask.slice(row * columns, (row + 1) * columns);
        expect([...column.subarray(rowStart[row], rowStart[row + 1])]).toEqual(activeOf(own));
      }
    }),
  );
});

test('empty rows at the start, in the middle and at the end start where the next begins', () => {
  const { rowStart, column } = Pattern.fromPositions(5, 3, Int32Array.of(3, 5, 10));
  expect([...rowStart]).toEqual([0, 0, 2, 2, 3, 3]);
  expect([...column]).toEqual([0, 2, 1]);
});

test('up to 65,536 columns take two bytes for an active weight', () => {
  const last = 0x10000 - 1;
  const pattern = Pattern.fromPositions(2, 0x10000, Int32Array.of(last, 0x10000 + last));
  expect(pattern.column).toEqual(Uint16Array.of(last, last));
});

test('70,000 columns take four bytes for an active weight and keep every column', () => {
  const positions = Int32Array.of(0, 65_535, 65_536, 69_999, 70_000, 139_999);
  const pattern = Pattern.fromPositions(2, 70_000, positions);
  expect(pattern.column).toEqual(Uint32Array.of(0, 65_535, 65_536, 69_999, 0, 69_999));
  expect(pattern.positions()).toEqual(positions);
});

for (const [what, positions] of [
  ['descending', [4, 2]],
  ['duplicate', [2, 2]],
  ['negative', [-1, 2]],
  ['too large', [2, 6]],
] as const) {
  test(`${what} positions are refused`, () => {
    expect(() => Pattern.fromPositions(2, 3, Int32Array.from(positions))).toThrow(RangeError);
  });
}

test('a full pattern has every position', () => {
  const pattern = Pattern.full(3, 4);
  expect(pattern.count).toBe(12);
  expect(pattern.inactivePositions()).toHaveLength(0);
  expect([...pattern.toMask()]).toEqual(new Array(12).fill(1));
});

test('an empty pattern has none', () => {
  const pattern = Pattern.fromPositions(3, 4, new Int32Array(0));
  expect(pattern.count).toBe(0);
  expect([...pattern.rowStart]).toEqual([0, 0, 0, 0]);
  expect(pattern.inactivePositions()).toHaveLength(12);
});
