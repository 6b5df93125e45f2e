import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { methodKinds, methods, type MethodKind } from '../../src/shared/methods.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { growths } from '../../src/worker/sparsity/growth.js';
import type { Layer } from '../../src/worker/sparsity/layer.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { gather } from '../../src/worker/sparsity/parameter.js';
import { penalised } from '../../src/worker/sparsity/penalty.js';
import { growByMean, growInProportion, nextDrift, redistributions } from '../../src/worker/sparsity/redistribution.js';
import { excess, nextThreshold, removals } from '../../src/worker/sparsity/removal.js';
import { gradualSparsity, temperatureAt } from '../../src/worker/sparsity/schedule.js';
import { initialMethodState, updateTopology } from '../../src/worker/sparsity/topology.js';
import { startCpu } from './support/cpu-engine.js';
import { anyContext, anyLayers, contextOf, layerOf, perGate } from './support/layers.js';
import { denseParameter, layouts, matrix, numbers, storedGradient } from './support/numerics.js';
import { holds } from './support/property.js';

beforeAll(startCpu);

const sum = (list: readonly number[]) => list.reduce((total, number) => total + number, 0);
const counts = (layers: readonly { readonly pattern: { readonly count: number } }[]) =>
  layers.map(({ pattern }) => pattern.count);

/** One update by a method. */
function update(
  layers: readonly Layer[],
  kind: MethodKind,
  context: Parameters<typeof contextOf>[0] = {},
  method: Parameters<typeof contextOf>[1] = {},
) {
  const given = contextOf(context, { kind, ...method });
  return updateTopology(layers, rulesOf(given.config)!, given);
}

describe('the table of methods', () => {
  test.each([
    { kind: 'selfish', removal: 'magnitude', growth: 'random', redistribution: 'none', gateMode: 'fused' },
    { kind: 'set', removal: 'signed', growth: 'random', redistribution: 'none', gateMode: 'per-gate' },
    { kind: 'rigl', removal: 'magnitude', growth: 'gradient', redistribution: 'none', gateMode: 'fused' },
    { kind: 'snfs', removal: 'magnitude', growth: 'momentum', redistribution: 'momentum', gateMode: 'fused' },
    { kind: 'dsr', removal: 'threshold', growth: 'random', redistribution: 'nonzeros', gateMode: 'fused' },
    {
      kind: 'global-magnitude',
      removal: 'global-magnitude',
      growth: 'random',
      redistribution: 'nonzeros',
      gateMode: 'fused',
    },
    { kind: 'deepr', removal: 'sign-change', growth: 'random', redistribution: 'none', gateMode: 'fused' },
  ] as const)('$kind: $removal, $growth, $redistribution, $gateMode', ({ kind, ...row }) => {
    expect(methods[kind]).toMatchObject(row);
    expect(rulesOf(parseRunConfig({ method: { kind } }).method)).toMatchObject({
      removal: removals[row.removal],
      growth: growths[row.growth],
      redistribution: redistributions[row.redistribution],
      gateMode: row.gateMode,
    });
  });

  test.each([
    { kind: 'gmp', removal: 'magnitude', schedule: 'gradual', penalty: 'none', rewinds: false },
    { kind: 'one-shot', removal: 'global-magnitude', schedule: 'once', penalty: 'none', rewinds: false },
    { kind: 'lottery', removal: 'global-magnitude', schedule: 'once', penalty: 'none', rewinds: true },
    { kind: 'l1', removal: 'threshold', schedule: 'interval', penalty: 'l1', rewinds: false },
  ] as const)('$kind: $removal, $schedule, nothing grows', ({ kind, removal, ...row }) => {
    const rules = rulesOf({ ...parseRunConfig({}).method, kind });
    expect(rules).toMatchObject({ ...row, removal: removals[removal] });
    const [{ removed, grown }] = update(
      [layerOf(4, { all: [1, 2, 3, 4] })],
      kind,
      { rate: 0.5 },
      { threshold: 2.5, density: kind === 'l1' ? 1 : 0.5 },
    ).changes;
    expect([[...removed], [...grown]]).toEqual([[0, 1], []]);
  });

  test('has no rules for masks that never change', () => {
    expect(rulesOf(parseRunConfig({ method: { kind: 'static' } }).method)).toBeUndefined();
    expect(rulesOf(parseRunConfig({ method: { kind: 'dense', density: 1 } }).method)).toBeUndefined();
  });

  test('gives way to what a run puts in the place of a word', () => {
    const method = {
      removal: 'signed',
      growth: 'momentum',
      redistribution: 'magnitude',
      gateMode: 'fused-equal',
    } as const;
    expect(rulesOf(parseRunConfig({ method: { kind: 'selfish', ...method } }).method)).toMatchObject({
      removal: removals.signed,
      growth: growths.momentum,
      redistribution: redistributions.magnitude,
      gateMode: 'fused-equal',
      evidence: ['momentum'],
    });
  });

  test('says which methods need a gradient of inactive weights, and when', () => {
    const evidence = (kind: MethodKind) => rulesOf({ ...parseRunConfig({}).method, kind })?.evidence;
    expect(methodKinds.filter((kind) => evidence(kind)?.includes('gradient'))).toEqual(['rigl']);
    expect(methodKinds.filter((kind) => evidence(kind)?.includes('momentum'))).toEqual(['snfs']);
  });
});

describe('SET', () => {
  const layer = layerOf(5, {
    i: [0.1, -0.9, 0.5, -0.2, 0.6],
    f: [-0.01, -0.02, -0.03, -0.04, null],
  });

  test('removes the positive and the negative weights nearest to 0 of each gate in their share', () => {
    const [{ removed, grown, pattern }] = update([layer], 'set', { rate: 0.5 }).changes;
    // Gate i has three positive and two negative weights: of its ceil(2.5) two are positive. Gate f has negative ones alone.
    expect([...removed]).toEqual([0, 2, 3, 5, 6]);
    expect(perGate(layer, grown)).toEqual([3, 2]);
    expect(perGate(layer, pattern.positions())).toEqual([5, 4]);
  });

  test('does not remove the most negative weights, as the published routines do', () => {
    const [{ removed }] = update([layer], 'set', { rate: 0.2 }, { gateMode: 'fused' }).changes;
    expect([...removed]).toEqual([0, 5]);
  });

  test('removes as many weights as the rate says, and of no sign more than there are', () => {
    holds(
      fc.property(anyLayers, anyContext, (layers, { rate, seed }) => {
        const { changes } = update(layers, 'set', { rate, seed }, { gateMode: 'fused' });
        for (const [i, { removed }] of changes.entries()) {
          expect(removed).toHaveLength(Math.ceil(rate * layers[i].pattern.count));
          expect(changes[i].pattern.count).toBe(layers[i].pattern.count);
        }
      }),
    );
  });
});

describe('RigL', () => {
  test('grows where the gradient is largest, just removed weights included', () => {
    const layer = {
      ...layerOf(4, { all: [0.1, 5, null, null] }),
      scores: { gradient: Float32Array.of(9, 9, -0.3, 0.8) },
    };
    const [first] = update([layer], 'rigl', { rate: 0.5 }).changes;
    expect([[...first.removed], [...first.grown]]).toEqual([[0], [0]]);
    const [second] = update([layer], 'rigl', { rate: 0.5 }, { excludeJustRemoved: true }).changes;
    expect([...second.grown]).toEqual([3]);
  });

  test('cannot update where nobody has told the gradient', () => {
    expect(() => update([layerOf(2, { all: [1, null] })], 'rigl')).toThrow('nobody has told the gradient of layer');
  });
});

describe('SNFS', () => {
  test('shares what was removed by mean momentum', () => {
    expect(growByMean(100, [0.5, 0.3, 0.2], [999, 999, 999])).toEqual([50, 30, 20]);
    expect(growByMean(100, [5, 3, 2], [999, 999, 999])).toEqual([50, 30, 20]);
  });

  test('shares what is over 99 % of the room of a layer equally among all', () => {
    expect(growByMean(100, [0.8, 0.1, 0.1], [50, 100, 100])).toEqual([49, 25, 25]);
    expect(growByMean(100, [1, 0], [10, 10])).toEqual([9, 9]);
  });

  test('corrects for what the network lacks', () => {
    const start = { adjustment: 0, lacked: { sum: 0, updates: 0 } };
    const first = nextDrift(start, 1000 - 990);
    expect(first.adjustment).toBe(17.5);
    expect(nextDrift(first, 4).adjustment).toBe(0.25 * 17.5 + 0.75 * 4 + 7);
  });

  test('grows the largest momentum, more of it in the layer whose active weights have more', () => {
    const weights = Array.from({ length: 40 }, (_, i) => (i < 20 ? 1 + i : null));
    const momentum = (scale: number) => Float32Array.from({ length: 40 }, (_, i) => scale * (i < 20 ? 1 : 0.01 * i));
    const layers = [1, 3].map((scale) => ({ ...layerOf(8, { all: weights }), scores: { momentum: momentum(scale) } }));
    const { changes, state } = update(layers, 'snfs', { rate: 0.4 });
    expect(changes.map(({ removed }) => removed.length)).toEqual([8, 8]);
    expect(changes.map(({ grown }) => grown.length)).toEqual([4, 12]);
    // Just removed positions, whose momentum is larger than any other, come first.
    expect([...changes[0].grown]).toEqual([0, 1, 2, 3]);
    expect([...changes[1].grown]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 39]);
    expect(state.drift).toEqual({ adjustment: 0, lacked: { sum: 0, updates: 1 } });
  });
});

describe('DSR', () => {
  test('grows in proportion to what each layer has left', () => {
    expect(growInProportion(50, [60, 30, 10], [999, 999, 999], 0)).toEqual([30, 15, 5]);
  });

  test('settles what rounding leaves in one layer, and what is full elsewhere', () => {
    expect(growInProportion(10, [1, 1, 1], [99, 99, 99], 1)).toEqual([3, 4, 3]);
    expect(growInProportion(50, [60, 30, 10], [10, 999, 999], 0)).toEqual([10, 30, 10]);
    expect(growInProportion(5, [0, 0], [3, 9], 0)).toHaveLength(2);
    expect(sum(growInProportion(5, [0, 0], [3, 9], 0))).toBe(5);
  });

  test('grows all there is to grow, or fills all there is room for', () => {
    const layer = fc.record({ weight: fc.nat(50), room: fc.nat(20) });
    holds(
      fc.property(fc.nat(120), fc.array(layer, { minLength: 1, maxLength: 5 }), fc.nat(4), (needed, layers, to) => {
        const room = layers.map((one) => one.room);
        const grown = growInProportion(
          needed,
          layers.map(({ weight }) => weight),
          room,
          to % layers.length,
        );
        expect(sum(grown)).toBe(Math.min(needed, sum(room)));
        expect(grown.every((count, i) => count >= 0 && count <= room[i])).toBe(true);
      }),
    );
  });

  test('halves a threshold that removes a tenth too much and doubles one that removes a tenth too little', () => {
    expect([130, 80, 95, 110, 90].map((removed) => nextThreshold(1, removed, 100))).toEqual([0.5, 2, 1, 1, 1]);
  });

  test('removes below one threshold in all layers, leaves one weight in each, and excludes them from growth', () => {
    const layers = [layerOf(4, { all: [0.1, -0.2, 0.9, null] }), layerOf(4, { all: [0.01, -0.05, null, null] })];
    const { changes, state } = update(layers, 'dsr', { rate: 0.5 }, { threshold: 0.3 });
    expect(changes.map(({ removed }) => [...removed])).toEqual([[0, 1], [0]]);
    expect(changes.map(({ grown }) => [...grown])).toEqual([[3], [2, 3]]);
    expect(state.threshold).toBe(0.15); // 3 went, the target was 2.5
  });

  test('goes on with the threshold of the update before', () => {
    const layers = [layerOf(4, { all: [0.1, -0.2, 0.9, null] })];
    const { drift } = initialMethodState({ threshold: 1 });
    const { changes } = update(layers, 'dsr', { state: { threshold: 0.15, drift } }, { threshold: 1 });
    expect([...changes[0].removed]).toEqual([0]);
  });
});

describe('global magnitude', () => {
  test('removes the smallest weights of the network wherever they are, but the last one of a layer', () => {
    const layers = [layerOf(4, { all: [0.1, -0.2, 0.9, null] }), layerOf(4, { all: [0.01, -0.05, null, null] })];
    const { changes } = update(layers, 'global-magnitude', { rate: 0.6 });
    expect(changes.map(({ removed }) => [...removed])).toEqual([[0], [0]]);
    expect(sum(counts(changes))).toBe(5);
  });

  test('removes exactly the smallest, and the network keeps its number of weights', () => {
    holds(
      fc.property(anyLayers, anyContext, (layers, { rate, seed }) => {
        const { changes } = update(layers, 'global-magnitude', { rate, seed });
        expect(sum(counts(changes))).toBe(sum(counts(layers)));
        const removed = changes.flatMap((change, i) => valuesAt(layers[i], change.removed));
        const kept = changes.flatMap((change, i) => {
          const left = layers[i].pattern.positions().filter((position) => !change.removed.includes(position));
          return left.length === 1 ? [] : valuesAt(layers[i], left); // the last one stays whatever it is
        });
        expect(Math.max(0, ...removed)).toBeLessThanOrEqual(Math.min(Infinity, ...kept));
      }),
    );
  });
});

describe('gradual pruning', () => {
  test('follows a cubic', () => {
    const expected = [
      [0, 0],
      [10, 0.18157],
      [25, 0.387344],
      [50, 0.58625],
      [75, 0.659531],
      [90, 0.66933],
      [100, 0.67],
      [130, 0.67],
    ];
    for (const [t, sparsity] of expected) expect(gradualSparsity(0.67, 0, 100, t)).toBeCloseTo(sparsity, 6);
    expect(gradualSparsity(0.5, 10, 20, 5)).toBe(0);
    expect(gradualSparsity(0.5, 10, 10, 10)).toBe(0.5);
  });

  test('removes what is more than a sparsity leaves, rounded down, and nothing where that is gone already', () => {
    expect(excess(0.5, 10, 10)).toBe(5);
    expect(excess(0.55, 10, 10)).toBe(5);
    expect(excess(0.5, 7, 10)).toBe(2);
    expect(excess(0.5, 4, 10)).toBe(0);
  });

  test('takes the smallest of each layer, one-shot pruning of the network', () => {
    const layers = [layerOf(4, { all: [1, 2, 3, 4] }), layerOf(4, { all: [5, 6, 7, 8] })];
    const left = (kind: MethodKind) =>
      update(layers, kind, { rate: 0.5 }).changes.map(({ pattern }) => [...pattern.positions()]);
    expect(left('gmp')).toEqual([
      [2, 3],
      [2, 3],
    ]);
    expect(left('one-shot')).toEqual([[3], [0, 1, 2, 3]]); // one weight of a layer stays
  });
});

/** Magnitudes at some active positions. */
function valuesAt({ pattern, values }: Layer, positions: Int32Array): number[] {
  const dense = new Float32Array(pattern.size);
  pattern.positions().forEach((position, i) => (dense[position] = values[i]!));
  return [...gather(dense, positions)].map(Math.abs);
}

describe('a network whose layers exchange weights', () => {
  for (const kind of ['dsr', 'global-magnitude'] as const) {
    test(`keeps its number of them (${kind})`, () => {
      holds(
        fc.property(anyLayers, anyContext, (layers, { rate, seed }) => {
          const { changes } = update(layers, kind, { rate, seed }, { threshold: 0.3, gateMode: 'fused-equal' });
          const free = sum(layers.map(({ pattern }) => pattern.size - pattern.count));
          const removed = sum(changes.map((change) => change.removed.length));
          const room = kind === 'dsr' ? free : free + removed;
          expect(sum(counts(changes))).toBe(sum(counts(layers)) - removed + Math.min(removed, room));
        }),
      );
    });
  }
});

describe('DeepR', () => {
  test('removes what has changed its sign and nothing else, and grows as many elsewhere', () => {
    const layer = { ...layerOf(8, { all: [0.1, -0.2, 0.9, -0.001, 0.5, null, null, null] }) };
    const scores = { before: Float32Array.of(-0.1, -0.2, 0.001, 0.2, 0) };
    const [{ removed, grown, pattern }] = update([{ ...layer, scores }], 'deepr', { rate: 0.9 }).changes;
    expect([...removed]).toEqual([0, 3]);
    expect(grown).toHaveLength(2);
    expect([...grown].every((position) => position >= 5)).toBe(true);
    expect(pattern.count).toBe(5);
  });

  test('changes nothing where no sign has', () => {
    const layer = { ...layerOf(3, { all: [0.1, -0.2, null] }), scores: { before: Float32Array.of(1, -1) } };
    expect(update([layer], 'deepr').changes[0]).toMatchObject({ removed: new Int32Array(0), grown: new Int32Array(0) });
  });

  test('grows cold with the quarters of training', () => {
    const at = (step: number) => temperatureAt(1e-5, { step, duration: 100 });
    [1e-5, 1e-8, 1e-12, 1e-15].forEach((temperature, quarter) => {
      for (const step of [25 * quarter, 25 * quarter + 24]) expect(at(step) / temperature).toBeCloseTo(1, 9);
    });
    expect(at(130) / 1e-15).toBeCloseTo(1, 9);
  });

  for (const layout of layouts) {
    test(`adds an L1 penalty and noise of variance 2 η T to the clipped gradient of active weights (${layout})`, () => {
      const parameter = matrix('weight', [60, 50], layout, { seed: 4, density: 0.5 });
      const bias = denseParameter('bias', [3], 5);
      const gradients = [parameter, bias].map((one, i) =>
        storedGradient(
          one,
          numbers(
            6 + i,
            one.shape.reduce((product, length) => product * length, 1),
          ),
        ),
      );
      const { method } = parseRunConfig({ method: { kind: 'deepr', l1: 0.25, noise: 0.02, temperature: 1 } });
      const terms = (seed: number, step: number) => {
        const context = { method, seed, moment: { step, duration: 1000 } };
        const noisy = penalised([parameter, bias], gradients, 0.5, 'l1-and-noise', context);
        const halves = noisy.map((tensor, i) => tensor.sub(gradients[i].mul(0.5)));
        expect(Math.max(...halves[1].abs().dataSync())).toBe(0);
        const active = [...parameter.read('values').keys()].map((i) => {
          const position = 'pattern' in parameter ? parameter.pattern.positions()[i] : i;
          const at = layout === 'packed' ? i : position;
          return halves[0].dataSync()[at] - 0.25 * Math.sign(parameter.read('values')[i]);
        });
        return active;
      };
      const noise = terms(1, 0);
      const mean = sum(noise) / noise.length;
      const deviation = Math.sqrt(sum(noise.map((number) => (number - mean) ** 2)) / noise.length);
      expect(Math.abs(mean)).toBeLessThan((4 * 0.2) / Math.sqrt(noise.length));
      expect(Math.abs(deviation - 0.2)).toBeLessThan((4 * 0.2) / Math.sqrt(2 * noise.length));
      expect(terms(1, 0)).toEqual(noise);
      expect(terms(1, 1)).not.toEqual(noise);
      expect(terms(2, 0)).not.toEqual(noise);
    });
  }
});

describe('the global DeepR', () => {
  const split = (update: number, room = [1e6, 1e6, 1e6], left = [80, 170, 680]) => {
    const layers = [100, 200, 700].map((budget) => ({ ...layerOf(1, { all: [1] }), budgets: [budget] }));
    return redistributions.categorical(layers, {
      ...{ left, room, seed: 1, update },
      drift: { adjustment: 0, lacked: { sum: 0, updates: 0 } },
    });
  };

  test('grows what was removed, wherever chance has it, in proportion to what layers had at first', () => {
    const sums = [0, 0, 0];
    const updates = 400;
    for (let update = 1; update <= updates; update++) {
      const grown = split(update);
      expect(grown.reduce((sum, count) => sum + count)).toBe(70);
      grown.forEach((count, layer) => (sums[layer] += count));
    }
    // Standard deviations of the means of multinomial counts are below 0.2.
    for (const [layer, share] of [0.1, 0.2, 0.7].entries()) {
      expect(Math.abs(sums[layer] / updates - 70 * share)).toBeLessThan(0.8);
    }
    expect(split(1)).toEqual(split(1));
    expect(split(1)).not.toEqual(split(2));
  });

  test('never grows more in a layer than it has room for', () => {
    expect(split(3, [5, 5, 5])).toEqual([5, 5, 5]);
    const grown = split(3, [1000, 1000, 2]);
    expect(grown[2]).toBe(2);
    expect(grown[0] + grown[1]).toBe(68);
  });
});
