import type { RunConfig } from '../../shared/run-config.js';
import { gateRanges, splitEqually, within, type GateRange } from './gates.js';
import type { GrowthRule } from './growth.js';
import type { Method } from './methods.js';
import type { Gate } from './parameter.js';
import { complement, Pattern } from './pattern.js';
import { activeIn, removalCount, type ActiveWeights, type RemovalRule } from './removal.js';
import { difference, union } from './selection.js';

/** A layer as a method sees it: its shape, its mask and its weights, however they are stored. */
export interface Layer {
  readonly name: string;
  readonly gates: readonly Gate[];
  readonly pattern: Pattern;
  /** Values of the active weights, ascending by position. */
  readonly values: Float32Array;
  /** Active weights each gate had at first: their sum is what the layer has after every update. */
  readonly budgets: readonly number[];
}

/** What an update does to one layer. Positions are flat and ascending. */
export interface LayerChange {
  readonly name: string;
  readonly pattern: Pattern;
  readonly removed: Int32Array;
  /** May contain positions that were removed by the same update. */
  readonly grown: Int32Array;
}

/** Which update of a run it is. */
export interface UpdateContext {
  readonly config: RunConfig['method'];
  readonly seed: number;
  /** Counts from 1. */
  readonly update: number;
  /** Share of active weights to remove. */
  readonly rate: number;
}

/**
 * One topology update (algorithm page 4.4): remove in every layer, then grow in every layer; a pure function, which leaves
 * it to the caller to put the new patterns into force.
 */
export function updateTopology(
  layers: readonly Layer[],
  rules: NonNullable<Method['update']>,
  context: UpdateContext,
): LayerChange[] {
  const removed = layers.map((layer) => remove(layer, rules.removal, context));
  return layers.map((layer, index) => {
    const { seed, update, config } = context;
    const growth = rules.growth({ seed, update, layer: index }, layer.pattern.size, config);
    return grow(layer, removed[index], growth, config);
  });
}

/** How much of a layer's weights compete with each other: the whole matrix, or each gate for itself. */
function arenas(layer: Layer, mode: RunConfig['method']['gateMode']): GateRange[] {
  const whole = { name: 'all', start: 0, end: layer.pattern.size };
  return mode === 'per-gate' ? gateRanges(layer.gates, layer.pattern.columns) : [whole];
}

function remove(layer: Layer, removal: RemovalRule, { config, rate }: UpdateContext): Int32Array {
  const active: ActiveWeights = { positions: layer.pattern.positions(), values: layer.values };
  const removed = arenas(layer, config.gateMode).map((arena) => {
    const here = activeIn(active, arena);
    const free = arena.end - arena.start - here.positions.length;
    const count = removalCount(rate, here.positions.length);
    // What may not grow back where it was needs a position that was free before.
    return removal(here, config.excludeJustRemoved ? Math.min(count, free) : count);
  });
  return concatenate(removed);
}

function grow(layer: Layer, removed: Int32Array, growth: GrowthRule, config: RunConfig['method']): LayerChange {
  const { pattern, gates, budgets } = layer;
  const before = pattern.positions();
  const survivors = difference(before, removed);
  const candidates = complement(config.excludeJustRemoved ? before : survivors, pattern.size);
  // The number just removed, and with independent draws the correction of earlier drift.
  const needed = (had: number, left: number, free: number) => Math.max(0, Math.min(had - left, free));
  const budget = budgets.reduce((sum, ofGate) => sum + ofGate, 0);
  const count = needed(budget, survivors.length, candidates.length);
  const ranges = gateRanges(gates, pattern.columns);
  const candidatesOf = ranges.map((range) => within(candidates, range));

  let grown: Int32Array;
  switch (config.gateMode) {
    case 'fused':
      grown = growth(candidates, count);
      break;
    case 'fused-equal': {
      const shares = splitEqually(
        count,
        candidatesOf.map(({ length }) => length),
      );
      grown = concatenate(candidatesOf.map((own, gate) => growth(own, shares[gate])));
      break;
    }
    case 'per-gate':
      grown = concatenate(
        candidatesOf.map((own, gate) =>
          growth(own, needed(budgets[gate], within(survivors, ranges[gate]).length, own.length)),
        ),
      );
      break;
  }
  const positions = union(survivors, grown);
  return { name: layer.name, pattern: Pattern.fromPositions(pattern.rows, pattern.columns, positions), removed, grown };
}

function concatenate(lists: readonly Int32Array[]): Int32Array {
  const result = new Int32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    result.set(list, at);
    at += list.length;
  }
  return result;
}

/** Active, removed and grown weights of a layer and of each of its gates. */
export function summarise(gates: readonly Gate[], change: Omit<LayerChange, 'name'>) {
  const { pattern, removed, grown } = change;
  const active = pattern.positions();
  const count = (range: GateRange) => ({
    size: range.end - range.start,
    active: within(active, range).length,
    removed: within(removed, range).length,
    grown: within(grown, range).length,
  });
  return {
    active: active.length,
    removed: removed.length,
    grown: grown.length,
    gates: gateRanges(gates, pattern.columns).map((range) => ({ name: range.name, ...count(range) })),
  };
}
