import type { RunConfig } from '../../shared/run-config.js';
import { gateRanges, splitEqually, within, type GateRange } from './gates.js';
import type { GrowthRule } from './growth.js';
import type { Layer } from './layer.js';
import type { Rules } from './methods.js';
import type { Gate } from './parameter.js';
import { complement, Pattern } from './pattern.js';
import { budgetOf, nextDrift, type Drift } from './redistribution.js';
import { nextThreshold } from './removal.js';
import { concatenate, difference, union } from './selection.js';

/** What an update does to one layer. Positions are flat and ascending. */
export interface LayerChange {
  readonly name: string;
  readonly pattern: Pattern;
  readonly removed: Int32Array;
  /** May contain positions that were removed by the same update. */
  readonly grown: Int32Array;
}

/** What a method carries from one update to the next. */
export interface MethodState {
  /** Magnitude below which weights go, where the rule is a threshold. */
  readonly threshold: number;
  readonly drift: Drift;
}

export function initialMethodState({ threshold }: Pick<RunConfig['method'], 'threshold'>): MethodState {
  return { threshold, drift: { adjustment: 0, lacked: { sum: 0, updates: 0 } } };
}

/** Which update of a run it is. */
export interface UpdateContext {
  readonly sampling: RunConfig['method']['sampling'];
  readonly seed: number;
  /** Counts from 1; what is drawn at random depends on it. */
  readonly update: number;
  /** Share of active weights to remove, or where a method prunes to a density, of all weights that shall be inactive. */
  readonly rate: number;
  readonly state: MethodState;
}

/**
 * One topology update (algorithm page 4.4): remove in every layer, then grow in every layer; a pure function, which leaves
 * it to the caller to put the new patterns into force.
 */
export function updateTopology(
  layers: readonly Layer[],
  rules: Rules,
  context: UpdateContext,
): { changes: LayerChange[]; state: MethodState } {
  const { seed, update, rate, sampling, state } = context;
  const { gateMode, excludeJustRemoved } = rules;
  const removed = rules.removal(layers, {
    ...{ gateMode, excludeJustRemoved, threshold: state.threshold },
    count: (active, size) => rules.removalCount(rate, active, size),
  });
  const cleared = layers.map((layer, i) => clear(layer, removed[i], excludeJustRemoved));
  const counts = rules.redistribution(layers, {
    left: cleared.map(({ survivors }) => survivors.length),
    room: cleared.map(({ candidates }) => candidates.length),
    ...{ seed, update, drift: state.drift },
  });
  const changes = layers.map((layer, index) => {
    const growth = rules.growth({ seed, update, layer: index }, layer, sampling);
    return grow(layer, cleared[index], growth, counts[index], gateMode);
  });

  const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
  const gone = total(removed.map(({ length }) => length));
  const target = rate * total(layers.map(({ pattern }) => pattern.count));
  const lacks = total(layers.map(budgetOf)) - total(changes.map(({ pattern }) => pattern.count));
  return {
    changes,
    state: {
      threshold: rules.adaptsThreshold ? nextThreshold(state.threshold, gone, target) : state.threshold,
      drift: nextDrift(state.drift, lacks),
    },
  };
}

/** A layer after removal. */
interface Cleared {
  readonly removed: Int32Array;
  readonly survivors: Int32Array;
  /** Where something may grow. */
  readonly candidates: Int32Array;
}

function clear({ pattern }: Layer, removed: Int32Array, excludeJustRemoved: boolean): Cleared {
  const before = pattern.positions();
  const survivors = difference(before, removed);
  return { removed, survivors, candidates: complement(excludeJustRemoved ? before : survivors, pattern.size) };
}

/** @param count weights to grow in the whole layer */
function grow(
  { name, pattern, gates, budgets }: Layer,
  { removed, survivors, candidates }: Cleared,
  growth: GrowthRule,
  count: number,
  gateMode: Rules['gateMode'],
): LayerChange {
  const ranges = gateRanges(gates, pattern.columns);
  const candidatesOf = ranges.map((range) => within(candidates, range));

  let grown: Int32Array;
  switch (gateMode) {
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
        candidatesOf.map((own, gate) => {
          const lost = budgets[gate] - within(survivors, ranges[gate]).length;
          return growth(own, Math.max(0, Math.min(lost, own.length)));
        }),
      );
      break;
  }
  const positions = union(survivors, grown);
  return { name, pattern: Pattern.fromPositions(pattern.rows, pattern.columns, positions), removed, grown };
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
