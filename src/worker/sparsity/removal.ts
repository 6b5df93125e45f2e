import { within, type GateRange } from './gates.js';
import { magnitudeKeys, pick, smallest } from './selection.js';

/** What a rule of removal sees of a layer. */
export interface ActiveWeights {
  /** Flat positions, ascending. */
  readonly positions: Int32Array;
  /** Weight of each. */
  readonly values: Float32Array;
}

/**
 * Chooses the weights to remove: positions, ascending.
 * @param count how many
 */
export type RemovalRule = (active: ActiveWeights, count: number) => Int32Array;

/**
 * The weights of smallest magnitude; of equal ones that with the smaller position. Only active weights are ranked, so that
 * an active weight that is exactly 0 counts as the smallest and never as inactive (algorithm page G23).
 */
export const smallestMagnitude: RemovalRule = ({ positions, values }, count) =>
  pick(positions, smallest(magnitudeKeys(values), count));

/** The share `rate` of `active` weights, rounded up. */
export function removalCount(rate: number, active: number): number {
  return Math.min(Math.ceil(rate * active), active);
}

/** The active weights of one gate. */
export function activeIn(active: ActiveWeights, gate: GateRange): ActiveWeights {
  const positions = within(active.positions, gate);
  const first = (positions.byteOffset - active.positions.byteOffset) / Int32Array.BYTES_PER_ELEMENT;
  return { positions, values: active.values.slice(first, first + positions.length) };
}
