import type { RunEventOf } from '../../shared/run-events.js';

export type Magnitudes = NonNullable<RunEventOf<'sparsity'>['layers'][number]['magnitudes']>;

const bins = 40;

/**
 * The distribution of a layer's magnitudes |w|.
 * @param values of the active weights, in the order of their positions
 * @param removed positions that are taken away, ascending; the largest magnitude among them is the threshold
 */
export function magnitudesOf(
  values: Float32Array,
  positions: Int32Array,
  removed: Int32Array = new Int32Array(0),
): Magnitudes {
  let max = 0;
  for (const value of values) max = Math.max(max, Math.abs(value));
  const counts = new Array<number>(bins).fill(0);
  if (!Number.isFinite(max)) return { max: 0, counts }; // the run has diverged
  for (const value of values)
    counts[max === 0 ? 0 : Math.min(bins - 1, Math.floor((Math.abs(value) / max) * bins))] += 1;
  if (removed.length === 0) return { max, counts };
  let threshold = 0;
  for (let i = 0, next = 0; i < positions.length && next < removed.length; i++) {
    if (positions[i] !== removed[next]) continue;
    threshold = Math.max(threshold, Math.abs(values[i]));
    next += 1;
  }
  return { max, counts, threshold };
}
