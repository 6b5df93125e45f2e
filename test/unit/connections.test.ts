import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectionsOf, type Connections } from '../../src/main/topology/connections.js';
import type { LayerBits } from '../../src/system/mask-file.js';
import { holds } from './support/property.js';

const sizes = [13, 30];
const names = ['a', 'b'];

/** The masks of both layers as lists of positions. */
type Masks = readonly (readonly number[])[];

const layersOf = (masks: Masks): LayerBits[] =>
  masks.map((positions, i) => {
    const bits = new Uint8Array(Math.ceil(sizes[i] / 8));
    for (const position of positions) bits[position >> 3] |= 1 << (position & 7);
    return { layer: { name: names[i], rows: 1, columns: sizes[i] }, bits };
  });

const told = (history: readonly Masks[], isTold?: (update: number) => boolean) => [
  ...connectionsOf(history.map(layersOf), isTold),
];

test('a connection that goes and comes back starts anew; one that stays grows older', () => {
  const history = [
    [[0, 1, 2, 3], []],
    [[0, 1, 2, 4], []],
    [[0, 1, 3, 4], []],
    [[0, 1, 3, 4], []],
  ];
  const rows = told(history).map((layers) => layers[1]);
  expect(rows.map(({ removed, grown }) => [removed, grown])).toEqual([
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  expect(rows.map(({ sinceStart }) => sinceStart)).toEqual([4, 3, 2, 2]);
  expect(rows.map(({ inStart }) => inStart)).toEqual([4, 3, 3, 3]);
  expect(rows.map(({ everActive }) => everActive)).toEqual([4, 5, 5, 5]);
  expect(rows.map(({ meanAge }) => meanAge)).toEqual([0, 3 / 4, (2 + 2 + 0 + 1) / 4, (3 + 3 + 1 + 2) / 4]);
  expect(rows.map(({ medianAge }) => medianAge)).toEqual([0, 1, 1, 2]);
  expect(rows.map(({ toStart }) => toStart)).toEqual([0, 1 - 3 / 5, 1 - 3 / 5, 1 - 3 / 5]);
  expect(rows.map(({ toPrevious }) => toPrevious)).toEqual([0, 1 - 3 / 5, 1 - 3 / 5, 0]);
});

/** The same by sets, position by position. */
function plainly(history: readonly Masks[], layer: number): Connections[] {
  const births = new Map<number, number>();
  const ever = new Set<number>();
  return history.map((masks, update) => {
    const now = new Set(masks[layer]);
    const before = new Set(update === 0 ? [] : history[update - 1][layer]);
    const first = new Set(history[0][layer]);
    for (const position of before) if (!now.has(position)) births.delete(position);
    for (const position of now) {
      if (!before.has(position)) births.set(position, update);
      ever.add(position);
    }
    const ages = [...births.values()].map((birth) => update - birth).sort((a, b) => a - b);
    const distance = (other: Set<number>) => {
      const either = new Set([...now, ...other]).size;
      return either === 0 ? 0 : 1 - common(now, other) / either;
    };
    return {
      ...{ update, layer: names[layer], size: sizes[layer], active: now.size },
      removed: before.size - common(before, now),
      grown: update === 0 ? 0 : now.size - common(before, now),
      sinceStart: ages.filter((age) => age === update).length,
      inStart: common(now, first),
      everActive: ever.size,
      meanAge: ages.reduce((sum, age) => sum + age, 0) / Math.max(1, ages.length),
      medianAge: ages.at(Math.ceil(ages.length / 2) - 1) ?? 0,
      ages: bins
        .filter(([from]) => from <= update)
        .map(([from, to]) => ages.filter((age) => age >= from && age <= to).length),
      toStart: distance(first),
      toPrevious: distance(update === 0 ? now : before),
    };
  });
}

const bins = [
  [0, 0],
  [1, 1],
  [2, 3],
  [4, 7],
  [8, 15],
  [16, 31],
];

function common(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  return [...a].filter((position) => b.has(position)).length;
}

const histories = fc.array(fc.tuple(...sizes.map((size) => fc.subarray([...Array(size).keys()]))), {
  minLength: 1,
  maxLength: 8,
});

test('what is counted in bits is what sets say, layer by layer', () => {
  holds(
    fc.property(histories, (history) => {
      const rows = told(history);
      for (const layer of [0, 1]) expect(rows.map((layers) => layers[layer + 1])).toEqual(plainly(history, layer));
    }),
  );
});

test('the network is the sum of its layers; what was tried only grows, and holds what is active', () => {
  holds(
    fc.property(histories, (history) => {
      let before = 0;
      for (const [whole, ...layers] of told(history)) {
        const sum = (of: (row: Connections) => number) => layers.reduce((total, row) => total + of(row), 0);
        expect(whole.layer).toBeNull();
        for (const name of ['size', 'active', 'removed', 'grown', 'sinceStart', 'inStart', 'everActive'] as const) {
          expect(whole[name]).toBe(sum((row) => row[name]));
        }
        expect(whole.meanAge * whole.active).toBeCloseTo(
          sum(({ meanAge, active }) => meanAge * active),
          9,
        );
        expect(whole.everActive).toBeGreaterThanOrEqual(Math.max(before, whole.active));
        expect(whole.everActive).toBeLessThanOrEqual(whole.size);
        expect(whole.sinceStart).toBeLessThanOrEqual(whole.inStart);
        before = whole.everActive;
      }
    }),
  );
});

test('updates that are not told count all the same', () => {
  holds(
    fc.property(histories, (history) => {
      const all = told(history);
      expect(told(history, (update) => update % 2 === 1)).toEqual(all.filter((_, update) => update % 2 === 1));
    }),
    50,
  );
});

test('masks that never change have neither turnover nor distance, and explore nothing', () => {
  const rows = told([1, 2, 3].map(() => [[0, 5], [1]])).map(([whole]) => whole);
  expect(rows.at(-1)).toEqual({
    ...{ update: 2, layer: null, size: 43, active: 3, removed: 0, grown: 0, sinceStart: 3, inStart: 3, everActive: 3 },
    ...{ meanAge: 2, medianAge: 2, ages: [0, 0, 3], toStart: 0, toPrevious: 0 },
  });
});
