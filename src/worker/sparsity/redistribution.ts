import type { RedistributionName } from '../../shared/methods.js';
import { RandomWords } from '../random/random.js';
import type { Layer } from './layer.js';
import { gather } from './parameter.js';

/** What one update has done so far. */
interface Removed {
  /** In the order of the layers: weights that are left. */
  readonly left: readonly number[];
  /** Positions at which something may grow. */
  readonly room: readonly number[];
  readonly seed: number;
  /** Counts from 1. */
  readonly update: number;
  /** How far the network has been from its budget so far (sparse momentum). */
  readonly drift: Drift;
}

/** The correction that sparse momentum carries from update to update. */
export interface Drift {
  /** Weights to grow beside those removed. */
  readonly adjustment: number;
  /** Of the updates so far: sum of what the network lacked afterwards, and their number. */
  readonly lacked: { readonly sum: number; readonly updates: number };
}

/** How many weights each layer grows. */
export type Redistribution = (layers: readonly Layer[], removed: Removed) => number[];

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Active weights a layer had at first. */
export function budgetOf({ budgets }: Layer): number {
  return sum(budgets);
}

/** Each layer returns to what it had at first: what was just removed, and with independent draws the correction of earlier drift. */
const none: Redistribution = (layers, { left, room }) =>
  layers.map((layer, i) => Math.max(0, Math.min(budgetOf(layer) - left[i], room[i])));

/** Pruning: what is gone is gone. */
export const nothingGrows: Redistribution = (layers) => layers.map(() => 0);

/** DSR: the network returns to what it had at first, each layer growing in proportion to the weights it has left. */
const nonzeros: Redistribution = (layers, { left, room, seed, update }) => {
  const needed = Math.max(0, sum(layers.map(budgetOf)) - sum(left));
  const [word] = new RandomWords(seed, 'redistribution', update).words(1);
  return growInProportion(needed, left, room, word % layers.length);
};

/**
 * Splits `needed` in proportion to `weights`, rounded; what rounding leaves over or takes too much is settled in one layer, chosen at
 * random. A full layer takes what fits, and the rest is split in the same way among the others
 * (H. Mostafa, X. Wang, 2019; algorithm page 6.5).
 */
export function growInProportion(
  needed: number,
  weights: readonly number[],
  room: readonly number[],
  remainderTo: number,
): number[] {
  const grown = weights.map(() => 0);
  let rest = Math.min(needed, sum(room));
  while (rest > 0) {
    const open = weights.map((weight, i) => (grown[i] < room[i] ? weight : 0));
    // Where all that is left to grow in has no weight at all, every open layer counts alike.
    const shares = sum(open) > 0 ? open : grown.map((count, i) => (count < room[i] ? 1 : 0));
    const total = sum(shares);
    const wanted = shares.map((share) => Math.round((rest * share) / total));
    const settled = firstFrom(remainderTo, (i) => shares[i] > 0, shares.length);
    wanted[settled] = Math.max(0, wanted[settled] + rest - sum(wanted));
    for (const [i, want] of wanted.entries()) {
      const fits = Math.min(want, room[i] - grown[i], rest);
      grown[i] += fits;
      rest -= fits;
    }
  }
  return grown;
}

function firstFrom(start: number, fits: (index: number) => boolean, length: number): number {
  for (let i = 0; i < length; i++) if (fits((start + i) % length)) return (start + i) % length;
  throw new RangeError('no layer has room');
}

/**
 * The global variant of DeepR: the network returns to what it had at first, each weight growing in a layer drawn with a probability in
 * proportion to what that had at first (G. Bellec et al., 2018; algorithm page 6.3). A layer without room is not drawn.
 */
const categorical: Redistribution = (layers, { left, room, seed, update }) => {
  const budgets = layers.map(budgetOf);
  const needed = Math.min(Math.max(0, sum(budgets) - sum(left)), sum(room));
  const words = new RandomWords(seed, 'redistribution', update).words(needed);
  const grown = layers.map(() => 0);
  for (const word of words) {
    const open = budgets.map((budget, i) => (grown[i] < room[i] ? Math.max(budget, Number.MIN_VALUE) : 0));
    let at = (word / 2 ** 32) * sum(open);
    let layer = open.findIndex((weight) => weight > 0 && (at -= weight) < 0);
    if (layer < 0) layer = open.findLastIndex((weight) => weight > 0); // rounding
    grown[layer] += 1;
  }
  return grown;
};

/** A layer's share is the mean of something over its active weights, before removal. */
function byMean(statistic: (layer: Layer) => Float32Array): Redistribution {
  return (layers, { left, room, drift }) => {
    const removed = sum(layers.map(({ pattern }) => pattern.count)) - sum(left);
    const means = layers.map((layer) => {
      const numbers = statistic(layer);
      return numbers.reduce((total, number) => total + Math.abs(number), 0) / Math.max(1, numbers.length);
    });
    return growByMean(removed + drift.adjustment, means, room);
  };
}

/**
 * Sparse momentum's split: the share of each layer, rounded up; while a layer would grow more than 99 % of its free positions,
 * it is cut to that and what is over is shared equally over all (T. Dettmers, L. Zettlemoyer, 2019; algorithm page 6.6).
 */
export function growByMean(needed: number, means: readonly number[], room: readonly number[]): number[] {
  const total = sum(means);
  const most = room.map((free) => 0.99 * free);
  const shares = means.map((mean) => Math.max(0, Math.ceil((total > 0 ? mean / total : 1 / means.length) * needed)));
  for (let round = 0; round < 1000; round++) {
    let over = 0;
    for (const [i, share] of shares.entries()) {
      if (share <= most[i]) continue;
      over += share - most[i];
      shares[i] = most[i];
    }
    if (over === 0) break;
    shares.forEach((share, i) => (shares[i] = share + over / shares.length));
  }
  return shares.map((share, i) => Math.floor(Math.min(share, most[i])));
}

/**
 * What sparse momentum adds to its next update.
 * @param lacks the weights that the network has fewer than at first, after an update
 */
export function nextDrift({ adjustment, lacked }: Drift, lacks: number): Drift {
  const total = { sum: lacked.sum + lacks, updates: lacked.updates + 1 };
  return { adjustment: 0.25 * adjustment + 0.75 * lacks + total.sum / total.updates, lacked: total };
}

export const redistributions: Readonly<Record<RedistributionName, Redistribution>> = {
  none,
  nonzeros,
  categorical,
  magnitude: byMean(({ values }) => values),
  momentum: byMean(({ name, pattern, scores }) => {
    if (scores?.momentum === undefined) throw new Error(`nobody has told the momentum of ${name}`);
    return gather(scores.momentum, pattern.positions());
  }),
};
