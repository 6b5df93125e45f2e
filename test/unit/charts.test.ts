import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linearScale, logScale } from '../../src/renderer/charts/scales.js';
import { smoothed } from '../../src/renderer/charts/smoothing.js';
import { perplexityOf } from '../../src/renderer/compare/perplexity.js';

const positive = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

test('an axis holds every value and has a few ticks inside, in order', () => {
  for (const scaleOf of [linearScale, logScale]) {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1, maxLength: 20 }), (values) => {
        const { min, max, ticks } = scaleOf(values)!;
        expect(min).toBeLessThanOrEqual(Math.min(...values));
        expect(max).toBeGreaterThanOrEqual(Math.max(...values));
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(12);
        expect([...ticks].sort((a, b) => a - b)).toEqual(ticks);
        expect(ticks.every((tick) => tick >= min && tick <= max)).toBe(true);
      }),
    );
  }
});

test('a log axis of perplexities has round ticks between powers of ten', () => {
  expect(logScale([70, 300])?.ticks).toEqual([70, 100, 150, 200, 300]);
});

test('what is not a finite number, and on a log axis what is not above 0, has no place', () => {
  expect(linearScale([NaN, Infinity])).toBeUndefined();
  expect(logScale([0, -1])).toBeUndefined();
  expect(logScale([0, 10, 20])!.min).toBeGreaterThan(9);
});

test('smoothing leaves a level line as it is, and any line with weight 0', () => {
  expect(smoothed([3, 3, 3], 0.9).every((value) => Math.abs(value - 3) < 1e-12)).toBe(true);
  expect(smoothed([1, 5, 2], 0)).toEqual([1, 5, 2]);
  const [, second] = smoothed([0, 1], 0.5);
  expect(second).toBeCloseTo(2 / 3, 12); // (0.5 * 0.5 * 0 + 0.5 * 1) / (1 - 0.25)
});

test('a loss whose exponential is no number becomes a mark', () => {
  const line = { run: 'a', metric: 'loss', x: [1, 2, 3], y: [1, 800, 2], marks: [], values: 3, lastStep: 3 };
  const { x, y, marks } = perplexityOf(line);
  expect(x).toEqual([1, 3]);
  expect(y).toEqual([Math.exp(1), Math.exp(2)]);
  expect(marks).toMatchObject([{ x: 2, plusInfinity: 1 }]);
});
