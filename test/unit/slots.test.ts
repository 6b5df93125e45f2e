import { expect, test } from 'vitest';
import { Slots } from '../../src/renderer/runs/slots.js';

test('a row keeps its element while it is seen, and others take over those of rows that have left', () => {
  const slots = new Slots();
  expect(slots.of(['a', 'b', 'c'])).toEqual([0, 1, 2]);
  expect(slots.of(['b', 'c', 'd'])).toEqual([1, 2, 0]);
  expect(slots.of(['c'])).toEqual([2]);
  expect(slots.of(['x', 'c', 'y', 'z'])).toEqual([1, 2, 0, 3]);
});
