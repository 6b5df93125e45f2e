import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { countPerGate, splitEqually } from '../../src/worker/sparsity/gates.js';
import { growByScore } from '../../src/worker/sparsity/growth.js';
import type { Layer } from '../../src/worker/sparsity/layer.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { ascending, Pattern } from '../../src/worker/sparsity/pattern.js';
import { removalCount, smallestMagnitude } from '../../src/worker/sparsity/removal.js';
import { removingRate } from '../../src/worker/sparsity/schedule.js';
import { summarise, updateTopology } from '../../src/worker/sparsity/topology.js';
import { startCpu } from './support/cpu-engine.js';
import { anyContext, anyLayers, contextOf, gateModes, layerOf, perGate, type Context } from './support/layers.js';
import { holds } from './support/property.js';

beforeAll(startCpu);

const update = (layers: readonly Layer[], context: Context) =>
  updateTopology(layers, rulesOf(context.config)!, context).changes;
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

const without = (positions: Int32Array, others: Int32Array) => positions.filter((one) => !others.includes(one));
const inBoth = (positions: Int32Array, others: Int32Array) => positions.filter((one) => others.includes(one));

/** Checks every layer of an update of any layers in any mode. */
function eachLayer(
  check: (layer: Layer, change: ReturnType<typeof update>[number], context: Context) => void,
  only: (context: Context) => boolean = () => true,
): void {
  holds(
    fc.property(anyLayers, anyContext.filter(only), (layers, context) => {
      const changes = update(layers, context);
      expect(changes).toHaveLength(layers.length);
      changes.forEach((change, i) => {
        check(layers[i], change, context);
      });
    }),
    120,
  );
}

const exact = ({ config }: Context) => config.sampling === 'exact';

test('an exact update leaves every layer with as many active weights as before', () => {
  eachLayer((layer, { pattern }) => {
    expect(pattern.count).toBe(layer.pattern.count);
  }, exact);
});

test('a layer loses the share of its weights given by the rate, rounded up, or that of each gate', () => {
  eachLayer(
    (layer, { removed }, { rate, config }) => {
      const active = perGate(layer, layer.pattern.positions());
      if (config.gateMode === 'per-gate') {
        expect(perGate(layer, removed)).toEqual(active.map((count) => Math.ceil(rate * count)));
      } else {
        expect(removed).toHaveLength(Math.ceil(rate * layer.pattern.count));
      }
    },
    ({ config }) => !config.excludeJustRemoved,
  );
});

test('where removed weights may not come back, no more are removed than positions are free', () => {
  eachLayer(
    (layer, { removed }, { rate }) => {
      const free = layer.pattern.size - layer.pattern.count;
      expect(removed).toHaveLength(Math.min(Math.ceil(rate * layer.pattern.count), free));
    },
    ({ config }) => config.excludeJustRemoved && config.gateMode !== 'per-gate',
  );
});

/** Indices of the active weights, those that are to go first at the front. */
function bySorting({ values, pattern }: Layer): number[] {
  const positions = pattern.positions();
  const order = [...values.keys()].sort((a, b) => Math.abs(values[a]) - Math.abs(values[b]) || a - b);
  return order.map((i) => positions[i]);
}

test('what a layer loses are its smallest weights, of equal ones those at the smaller position', () => {
  eachLayer(
    (layer, { removed }) => {
      expect([...removed]).toEqual(
        bySorting(layer)
          .slice(0, removed.length)
          .sort((a, b) => a - b),
      );
    },
    ({ config }) => config.gateMode !== 'per-gate',
  );
});

test('what a gate loses with gates kept apart are the smallest of its own weights', () => {
  eachLayer(
    (layer, { removed }) => {
      const { gates } = summarise(layer.gates, { pattern: layer.pattern, removed, grown: removed });
      let start = 0;
      for (const { size, removed: count } of gates) {
        const inGate = (position: number) => position >= start && position < start + size;
        const expected = bySorting(layer).filter(inGate).slice(0, count);
        expect([...removed].filter(inGate)).toEqual(expected.sort((a, b) => a - b));
        start += size;
      }
    },
    ({ config }) => config.gateMode === 'per-gate',
  );
});

test('grown positions were inactive after removal, and each grows once', () => {
  eachLayer((layer, { removed, grown }) => {
    expect(new Set(grown).size).toBe(grown.length);
    expect(inBoth(grown, without(layer.pattern.positions(), removed))).toHaveLength(0);
  });
});

test('the new mask is the survivors and what has grown', () => {
  eachLayer((layer, { pattern, removed, grown }) => {
    const active = [...without(layer.pattern.positions(), removed), ...grown];
    expect([...pattern.positions()]).toEqual(active.sort((a, b) => a - b));
  });
});

test('with excludeJustRemoved nothing grows where a weight was active before', () => {
  eachLayer(
    (layer, { grown }) => {
      expect(inBoth(grown, layer.pattern.positions())).toHaveLength(0);
    },
    ({ config }) => config.excludeJustRemoved,
  );
});

test('without it weights just removed may come straight back', () => {
  const layer = layerOf(4, { all: [0.1, 0.2, 0.3, null] });
  const returned = ascending(50).filter((number) => {
    const [{ removed, grown }] = update([layer], contextOf({ update: number + 1 }));
    return inBoth(removed, grown).length > 0;
  });
  expect(returned.length).toBeGreaterThan(0);
});

for (const layout of ['packed', 'masked'] as const) {
  test(`weights that were inactive start at 0 and survivors keep their value (${layout})`, () => {
    eachLayer((layer, { pattern }) => {
      const shape = [layer.pattern.rows, layer.pattern.columns] as const;
      const parameter = new SparseParameter('w', shape, layer.gates, layer.pattern, layer.values, layout);
      const before = new Map([...layer.pattern.positions()].map((position, i) => [position, layer.values[i]]));
      parameter.changePattern(pattern, {});
      const expected = [...pattern.positions()].map((position) => before.get(position) ?? 0);
      expect([...parameter.read('values')]).toEqual(expected);
      parameter.dispose();
    });
  });
}

test('gates kept apart keep each its number of weights', () => {
  eachLayer(
    (layer, { pattern }) => {
      expect(perGate(layer, pattern.positions())).toEqual(perGate(layer, layer.pattern.positions()));
    },
    (context) => exact(context) && context.config.gateMode === 'per-gate',
  );
});

test('gates with equal shares grow the same number or one more, the first ones first, unless one is full', () => {
  eachLayer(
    (layer, { pattern, removed, grown }, { config }) => {
      const before = layer.pattern.positions();
      const taken = config.excludeJustRemoved ? before : without(before, removed);
      const room = perGate(layer, Pattern.fromPositions(pattern.rows, pattern.columns, taken).inactivePositions());
      const shares = perGate(layer, grown);
      const equal = shares.map(
        (_, i) => Math.floor(grown.length / shares.length) + (i < grown.length % shares.length ? 1 : 0),
      );
      const overflows = equal.some((share, i) => share > room[i]);
      if (!overflows) expect(shares).toEqual(equal);
      shares.forEach((share, i) => {
        expect(share).toBeGreaterThanOrEqual(Math.min(equal[i], room[i]));
      });
    },
    (context) => exact(context) && context.config.gateMode === 'fused-equal',
  );
});

test('shares of a budget are equal, the remainder going to the first', () => {
  expect(splitEqually(6, [9, 9, 9, 9])).toEqual([2, 2, 1, 1]);
  expect(splitEqually(8, [9, 9, 9, 9])).toEqual([2, 2, 2, 2]);
  expect(splitEqually(0, [9, 9])).toEqual([0, 0]);
});

test('what a full gate cannot take is split in the same way among the others', () => {
  expect(splitEqually(12, [1, 9, 9, 9])).toEqual([1, 4, 4, 3]);
  expect(splitEqually(12, [1, 2, 9, 9])).toEqual([1, 2, 5, 4]);
});

test('shares use up the budget or all room there is, and never exceed the room of one', () => {
  const capacities = fc.array(fc.nat(20), { minLength: 1, maxLength: 6 });
  holds(
    fc.property(fc.nat(100), capacities, (budget, room) => {
      const shares = splitEqually(budget, room);
      expect(sum(shares)).toBe(Math.min(budget, sum(room)));
      expect(shares.every((share, i) => share >= 0 && share <= room[i])).toBe(true);
    }),
  );
});

// Four gates of six entries, twelve active: the worked example of the algorithm page (9.5).
const example = layerOf(6, {
  i: [0.9, null, -0.8, null, 0.7, null],
  f: [0.05, null, -0.6, null, 0.1, null],
  g: [-0.02, 0.3, null, null, null, -0.04],
  o: [null, 0.5, -0.2, null, 0.01, null],
});

for (const gateMode of ['fused', 'fused-equal'] as const) {
  test(`the worked example loses 0, 2, 2 and 2 weights of its gates (${gateMode})`, () => {
    const [{ removed }] = update([example], contextOf({}, { gateMode }));
    expect([...removed]).toEqual([6, 10, 12, 17, 20, 22]);
    expect(perGate(example, removed)).toEqual([0, 2, 2, 2]);
    expect(perGate(example, without(example.pattern.positions(), removed))).toEqual([3, 1, 1, 1]);
  });
}

test('the worked example grows 1, 1.667, 1.667 and 1.667 weights a gate on average when gates compete', () => {
  const updates = 4000;
  const grown = [0, 0, 0, 0];
  for (let number = 1; number <= updates; number++) {
    const [change] = update([example], contextOf({ update: number }, { gateMode: 'fused' }));
    perGate(example, change.grown).forEach((count, gate) => (grown[gate] += count));
  }
  [3, 5, 5, 5].forEach((free, gate) => {
    const share = free / 18;
    // Variance of a hypergeometric draw of 6 out of 18.
    const deviation = Math.sqrt((6 * share * (1 - share) * 12) / 17 / updates);
    expect(Math.abs(grown[gate] / updates - 6 * share)).toBeLessThan(4 * deviation);
  });
});

test('the worked example grows 2, 2, 1 and 1 with equal shares and ends with 5, 3, 2 and 2', () => {
  const [{ grown, pattern }] = update([example], contextOf({}, { gateMode: 'fused-equal' }));
  expect(perGate(example, grown)).toEqual([2, 2, 1, 1]);
  expect(perGate(example, pattern.positions())).toEqual([5, 3, 2, 2]);
});

test('the worked example loses and regrows 2 in each gate where gates are kept apart', () => {
  const [{ removed, grown, pattern }] = update([example], contextOf({}, { gateMode: 'per-gate' }));
  expect(perGate(example, removed)).toEqual([2, 2, 2, 2]);
  expect(perGate(example, grown)).toEqual([2, 2, 2, 2]);
  expect(perGate(example, pattern.positions())).toEqual([3, 3, 3, 3]);
});

test('the summary of an update counts the weights of a layer and of its gates', () => {
  const [change] = update([example], contextOf({}, { gateMode: 'fused-equal' }));
  expect(summarise(example.gates, change)).toEqual({
    active: 12,
    removed: 6,
    grown: 6,
    gates: [
      { name: 'i', size: 6, active: 5, removed: 0, grown: 2 },
      { name: 'f', size: 6, active: 3, removed: 2, grown: 2 },
      { name: 'g', size: 6, active: 2, removed: 2, grown: 1 },
      { name: 'o', size: 6, active: 2, removed: 2, grown: 1 },
    ],
  });
});

test('active weights that are exactly 0 go first, by position, and inactive ones never', () => {
  const layer = layerOf(8, { all: [null, 0.5, 0, null, -0.1, -0, null, 0] });
  const removedAt = (rate: number) => [...update([layer], contextOf({ rate }))[0].removed];
  expect(removedAt(0.2)).toEqual([2]);
  expect(removedAt(0.4)).toEqual([2, 5]);
  expect(removedAt(0.6)).toEqual([2, 5, 7]);
  expect(removedAt(0.8)).toEqual([2, 4, 5, 7]);
});

test('of equal magnitudes those at the smaller positions are removed', () => {
  const active = { positions: Int32Array.of(3, 5, 8, 9), values: Float32Array.of(0.5, -0.5, 0.5, -0.5) };
  expect([...smallestMagnitude(active, 2)]).toEqual([3, 5]);
});

test('the first update of the published LSTM removes 3,959,030 weights of its encoder, one more or less', () => {
  const rate = removingRate(0.8, 0.005, 1328, 132_797);
  expect(Math.abs(removalCount(rate, 4_950_000) - 3_959_030)).toBeLessThanOrEqual(1);
});

test('removal is rounded up and never beyond what is there', () => {
  expect(removalCount(0.5, 3)).toBe(2);
  expect(removalCount(0.001, 3)).toBe(1);
  expect(removalCount(0, 3)).toBe(0);
  expect(removalCount(1, 3)).toBe(3);
  expect(removalCount(0.5, 0)).toBe(0);
});

/** A matrix with a share `density` of its positions active and all weights different. */
function regular(rows: number, columns: number, density: number): Layer {
  const every = Math.round(1 / density);
  const weights = Array.from({ length: rows * columns }, (_, i) =>
    i % every === 0 ? ((i * 7919) % 10_007) + 1 : null,
  );
  return layerOf(columns, { all: weights });
}

test('of the removed weights p d / (1 - d + p d) come straight back', () => {
  const [p, layer] = [0.8, regular(60, 50, 1 / 3)];
  const d = layer.pattern.count / layer.pattern.size;
  let [back, removals] = [0, 0];
  for (let number = 1; number <= 40; number++) {
    const [{ removed, grown }] = update([layer], contextOf({ update: number, rate: p }));
    back += inBoth(removed, grown).length;
    removals += removed.length;
  }
  const expected = (p * d) / (1 - d + p * d);
  expect(expected).toBeCloseTo(2 / 7, 3);
  expect(Math.abs(back / removals - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / removals));
});

test('each free position is as likely to grow as any other', () => {
  const updates = 2000;
  const hits = new Map<number, number>();
  for (let number = 1; number <= updates; number++) {
    const [{ grown }] = update([example], contextOf({ update: number }));
    for (const position of grown) hits.set(position, (hits.get(position) ?? 0) + 1);
  }
  const p = 6 / 18;
  expect(hits.size).toBe(18);
  const chiSquare = sum([...hits.values()].map((count) => (count - updates * p) ** 2 / (updates * p * (1 - p))));
  expect(Math.abs(chiSquare - 18)).toBeLessThan(4 * Math.sqrt(2 * 18));
});

for (const gateMode of gateModes) {
  test(`independent draws return to the budget on average, from above and below (${gateMode})`, () => {
    const balanced = regular(60, 50, 1 / 3);
    const { size } = balanced.pattern;
    const draws = 60;
    for (const drift of [-40, 0, 40]) {
      const budget = balanced.pattern.count + drift;
      const layer = { ...balanced, budgets: [budget] };
      const removed = Math.ceil(0.5 * layer.pattern.count);
      const counts = Array.from({ length: draws }, (_, i) => {
        const [{ pattern }] = update([layer], contextOf({ update: i + 1 }, { gateMode, sampling: 'bernoulli' }));
        return pattern.count;
      });
      const candidates = size - layer.pattern.count + removed;
      const share = (removed + drift) / candidates;
      const deviation = Math.sqrt(candidates * share * (1 - share));
      expect(Math.abs(sum(counts) / draws - budget)).toBeLessThan((4 * deviation) / Math.sqrt(draws));
      expect(new Set(counts).size).toBeGreaterThan(10);
    }
  });
}

test('growth by gradient takes the positions with the largest gradient', () => {
  const grow = growByScore(Float32Array.of(0.1, -0.9, 0.3, 0.8));
  expect([...grow(ascending(4), 2)]).toEqual([1, 3]);
});

test('growth by gradient takes none but candidates, of equal gradients those at the smaller position', () => {
  const grow = growByScore(Float32Array.of(9, 1, -2, 9, 2, 2));
  expect([...grow(Int32Array.of(1, 2, 4, 5), 2)]).toEqual([2, 4]);
});

test('an update with growth by gradient fills the free positions with the largest gradient', () => {
  const gradient = Float32Array.from({ length: 24 }, (_, i) => ((i * 7) % 24) - 12);
  const [{ removed, grown }] = update([{ ...example, scores: { gradient } }], contextOf({}, { growth: 'gradient' }));
  const survivors = without(example.pattern.positions(), removed);
  const free = [...ascending(24)].filter((position) => !survivors.includes(position));
  const best = free.sort((a, b) => Math.abs(gradient[b]) - Math.abs(gradient[a]) || a - b).slice(0, 6);
  expect([...grown]).toEqual(best.sort((a, b) => a - b));
});

test('what grows depends on the seed, the update and the index of the layer', () => {
  const layers = [regular(20, 30, 1 / 3), regular(20, 30, 1 / 3)];
  const grown = (seed: number, number: number) =>
    update(layers, contextOf({ seed, update: number })).map((change) => change.grown.join());
  const all = [...grown(1, 1), ...grown(1, 2), ...grown(2, 1), ...grown(2, 2)];
  expect(new Set(all).size).toBe(8);
  expect(grown(1, 1)).toEqual(all.slice(0, 2));
});

test('what grows in a layer does not depend on the other layers', () => {
  const [first, second, other] = [regular(20, 30, 1 / 3), regular(10, 40, 1 / 4), regular(6, 6, 1 / 2)];
  const [, besideFirst] = update([first, second], contextOf({}));
  const [, besideOther] = update([other, second], contextOf({}));
  expect(besideFirst).toEqual(besideOther);
});

test('the same update twice gives the same masks', () => {
  holds(
    fc.property(anyLayers, anyContext, (layers, context) => {
      expect(update(layers, context)).toEqual(update(layers, context));
    }),
  );
});

test('an update leaves the layers it was given as they are', () => {
  holds(
    fc.property(anyLayers, anyContext, (layers, context) => {
      const before = structuredClone(layers.map(({ pattern, values }) => [pattern.positions(), values]));
      update(layers, context);
      expect(layers.map(({ pattern, values }) => [pattern.positions(), values])).toEqual(before);
    }),
  );
});

test('independent draws of each gate for itself return to what each gate had', () => {
  const gates = [20, 40].map((rows, i) => ({ name: `gate ${i}`, rows }));
  const balanced = { ...regular(60, 50, 1 / 3), gates };
  const had = perGate(balanced, balanced.pattern.positions());
  const layer = { ...balanced, budgets: [had[0] - 60, had[1] + 60] };
  const draws = 60;
  const means = [0, 0];
  for (let i = 0; i < draws; i++) {
    const context = contextOf({ update: i + 1 }, { gateMode: 'per-gate', sampling: 'bernoulli' });
    const [{ pattern }] = update([layer], context);
    perGate(layer, pattern.positions()).forEach((count, gate) => (means[gate] += count / draws));
  }
  for (const gate of [0, 1]) expect(Math.abs(means[gate] - layer.budgets[gate])).toBeLessThan(8);
});

for (const gateMode of gateModes) {
  test(`many updates in a row keep the budget (${gateMode})`, () => {
    let layer = regular(24, 20, 1 / 3);
    const gates = [6, 6, 6, 6].map((rows, i) => ({ name: `gate ${i}`, rows }));
    layer = { ...layer, gates, budgets: countPerGate(layer.pattern.positions(), gates, 20) };
    for (let number = 1; number <= 50; number++) {
      const [{ pattern }] = update([layer], contextOf({ update: number, rate: 0.6 }, { gateMode }));
      expect(pattern.count).toBe(sum(layer.budgets));
      const values = Float32Array.from(pattern.positions(), (position) => Math.sin(position * number));
      layer = { ...layer, pattern, values };
    }
  });
}
