import type { GateMode, RemovalName } from '../../shared/methods.js';
import { gateRanges, within, type GateRange } from './gates.js';
import type { Layer } from './layer.js';
import { concatenate, magnitudeKeys, pick, smallest, union } from './selection.js';

/** What a rule of removal sees of a layer, or of one gate of it. */
interface ActiveWeights {
  /** Flat positions, ascending. */
  readonly positions: Int32Array;
  /** Weight of each. */
  readonly values: Float32Array;
}

/** What decides how much is removed. */
interface RemovalContext {
  readonly gateMode: GateMode;
  /** How many of so many active weights go, of so many positions. */
  readonly count: (active: number, size: number) => number;
  /** Weights below this go, where the rule is a threshold. */
  readonly threshold: number;
  /** What may not grow back where it was needs a position that was free before. */
  readonly excludeJustRemoved: boolean;
}

/** Chooses what goes in every layer: flat positions, ascending. */
export type Removal = (layers: readonly Layer[], context: RemovalContext) => Int32Array[];

/** Chooses `count` weights of those it is shown. */
type RemovalRule = (active: ActiveWeights, count: number) => Int32Array;

/**
 * The weights of smallest magnitude; of equal ones that with the smaller position. Only active weights are ranked, so that
 * an active weight that is exactly 0 counts as the smallest and never as inactive (algorithm page G23).
 */
export const smallestMagnitude: RemovalRule = ({ positions, values }, count) =>
  pick(positions, smallest(magnitudeKeys(values), count));

/**
 * SET: of the positive weights and of the negative ones, each in its share, those nearest to 0 (D. C. Mocanu et al., 2018; the
 * routines published under that name are wrong for negative weights, algorithm page G6). A weight of 0 counts as positive.
 */
const smallestOfEachSign: RemovalRule = ({ positions, values }, count) => {
  const sides = [true, false].map((negative) => {
    const indices = Int32Array.from(values.keys()).filter((i) => values[i] < 0 === negative);
    return { positions: pick(positions, indices), values: Float32Array.from(indices, (i) => values[i]) };
  });
  const [ofNegative, ofPositive] = sides.map(({ values: { length } }) => length);
  const fromNegative = Math.max(
    Math.min(Math.round((count * ofNegative) / Math.max(1, values.length)), ofNegative),
    count - ofPositive,
  );
  return union(smallestMagnitude(sides[0], fromNegative), smallestMagnitude(sides[1], count - fromNegative));
};

/** In every layer, or in every gate where gates are kept apart, as many weights as the context says. */
function locally(rule: RemovalRule): Removal {
  return (layers, { gateMode, count: countOf, excludeJustRemoved }) =>
    layers.map((layer) => {
      const active = activeOf(layer);
      const removed = arenas(layer, gateMode).map((arena) => {
        const here = activeIn(active, arena);
        const size = arena.end - arena.start;
        const free = size - here.positions.length;
        const count = countOf(here.positions.length, size);
        return rule(here, excludeJustRemoved ? Math.min(count, free) : count);
      });
      return concatenate(removed);
    });
}

/** DSR: every weight of the network below one threshold; the largest of a layer stays whatever it is. */
const belowThreshold: Removal = (layers, { threshold }) =>
  layers.map((layer) => {
    const active = activeOf(layer);
    const below = active.values.reduce((count, value) => count + (Math.abs(value) < threshold ? 1 : 0), 0);
    return smallestMagnitude(active, Math.min(below, keepingOne(active)));
  });

/** The smallest weights of the network, however many of a layer that takes; the largest of a layer stays. */
const smallestOfAll: Removal = (layers, { count }) => {
  const active = layers.map(activeOf);
  const keys = new Uint32Array(active.reduce((sum, { values }) => sum + values.length, 0));
  let end = 0;
  const ends = active.map(({ values }) => {
    keys.set(magnitudeKeys(values), end);
    return (end += values.length);
  });
  const size = layers.reduce((sum, { pattern }) => sum + pattern.size, 0);
  const chosen = smallest(keys, count(keys.length, size));
  return active.map((layer, i) => {
    const { length } = within(chosen, { name: '', start: ends[i] - layer.values.length, end: ends[i] });
    return smallestMagnitude(layer, Math.min(length, keepingOne(layer)));
  });
};

/** DeepR: the weights that the last step took to the other side of 0. */
const signChange: Removal = (layers) =>
  layers.map((layer) => {
    const { positions, values } = activeOf(layer);
    const before = layer.scores?.before;
    if (before === undefined) throw new Error(`nobody has told the weights of ${layer.name} before the step`);
    const free = layer.pattern.size - positions.length;
    return positions.filter((_, i) => values[i] * before[i] < 0).slice(0, free);
  });

export const removals: Readonly<Record<RemovalName, Removal>> = {
  magnitude: locally(smallestMagnitude),
  signed: locally(smallestOfEachSign),
  threshold: belowThreshold,
  'global-magnitude': smallestOfAll,
  'sign-change': signChange,
};

/** The share `rate` of `active` weights, rounded up. */
export function removalCount(rate: number, active: number): number {
  return Math.min(Math.ceil(rate * active), active);
}

/** How many of `active` weights of `size` positions are more than a sparsity leaves, rounded down. */
export function excess(sparsity: number, active: number, size: number): number {
  return Math.max(0, Math.trunc(sparsity * size) - (size - active));
}

/**
 * The threshold of DSR after an update: half of it where a tenth more than the target went, twice where a tenth less did
 * (H. Mostafa, X. Wang, 2019).
 */
export function nextThreshold(threshold: number, removed: number, target: number): number {
  if (removed > 1.1 * target) return threshold / 2;
  return removed < 0.9 * target ? threshold * 2 : threshold;
}

function activeOf({ pattern, values }: Layer): ActiveWeights {
  return { positions: pattern.positions(), values };
}

function keepingOne({ values }: ActiveWeights): number {
  return Math.max(0, values.length - 1);
}

/** How much of a layer's weights compete with each other: the whole matrix, or each gate for itself. */
function arenas(layer: Layer, mode: GateMode): GateRange[] {
  const whole = { name: 'all', start: 0, end: layer.pattern.size };
  return mode === 'per-gate' ? gateRanges(layer.gates, layer.pattern.columns) : [whole];
}

/** The active weights of one gate. */
function activeIn(active: ActiveWeights, gate: GateRange): ActiveWeights {
  const positions = within(active.positions, gate);
  const first = (positions.byteOffset - active.positions.byteOffset) / Int32Array.BYTES_PER_ELEMENT;
  return { positions, values: active.values.slice(first, first + positions.length) };
}
