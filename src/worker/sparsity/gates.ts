import type { Gate } from './parameter.js';

/** The flat positions of one gate: row blocks are consecutive, so they are a range. */
export interface GateRange {
  readonly name: string;
  /** First position. */
  readonly start: number;
  /** One past the last position. */
  readonly end: number;
}

export function gateRanges(gates: readonly Gate[], columns: number): GateRange[] {
  let start = 0;
  return gates.map(({ name, rows }) => {
    const range = { name, start, end: start + rows * columns };
    start = range.end;
    return range;
  });
}

/** The part of an ascending list of positions that lies in a gate. */
export function within(positions: Int32Array, { start, end }: GateRange): Int32Array {
  return positions.subarray(lowerBound(positions, start), lowerBound(positions, end));
}

/** How many of an ascending list of positions lie in each gate. */
export function countPerGate(positions: Int32Array, gates: readonly Gate[], columns: number): number[] {
  return gateRanges(gates, columns).map((range) => within(positions, range).length);
}

/** Index of the first element that is at least `value`. */
function lowerBound(ascending: Int32Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Splits a budget equally, the first ones getting one more where it does not divide; nobody gets more than fits, and what
 * one cannot take is split in the same way among the others (algorithm page 9.1, invariant 13).
 */
export function splitEqually(budget: number, capacities: readonly number[]): number[] {
  const shares = capacities.map(() => 0);
  let rest = Math.min(
    budget,
    capacities.reduce((sum, capacity) => sum + capacity, 0),
  );
  while (rest > 0) {
    const open = capacities.flatMap((capacity, i) => (capacity > shares[i] ? [i] : []));
    const each = Math.floor(rest / open.length);
    const first = rest % open.length;
    for (const [order, i] of open.entries()) {
      const share = Math.min(each + (order < first ? 1 : 0), capacities[i] - shares[i]);
      shares[i] += share;
      rest -= share;
    }
  }
  return shares;
}
