import type { MaskPlace } from './topology.js';

/** Masks of which the distance is asked. */
export type Pair = readonly [MaskPlace, MaskPlace];

/** Updates that are compared of runs over time. */
const shownUpdates = 12;

/** The newest masks of every two runs. */
export function pairsOf(runs: readonly string[]): Pair[] {
  return runs.flatMap((run, i) => runs.slice(i + 1).map((other): Pair => [{ run }, { run: other }]));
}

/**
 * Each run with its own start, and all others with the first one, after updates of the same number.
 * @param lastOf number of the last update of a run
 */
export function pairsOverTime(runs: readonly string[], lastOf: (run: string) => number): Pair[] {
  const own = runs.flatMap((run) =>
    spread(lastOf(run)).map((update): Pair => [
      { run, update: 0 },
      { run, update },
    ]),
  );
  const toFirst = runs.slice(1).flatMap((run) =>
    spread(Math.min(lastOf(runs[0]), lastOf(run))).map((update): Pair => [
      { run: runs[0], update },
      { run, update },
    ]),
  );
  return [...own, ...toFirst];
}

/** Some of the updates from 0 to the last, evenly, both among them. */
export function spread(last: number): number[] {
  const count = Math.min(last, shownUpdates - 1);
  return [...new Set(Array.from({ length: count + 1 }, (_, i) => Math.round((i * last) / Math.max(1, count))))];
}
