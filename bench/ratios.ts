import type { Case, Norm, Step } from './cases.js';

/** One process that was timed. */
export interface Figure {
  /** Median of its steps. */
  readonly ms: number;
  /** Of the whole process. */
  readonly peakMb: number;
}

/** The peer and ours, one right after the other; the peer is missing where PyTorch is. */
export interface Pair {
  readonly norm: Norm;
  readonly peer?: Figure;
  readonly ours: Figure;
}

/** Pairs of one case and norm. What needs a peer is undefined without one. */
interface NormSummary {
  readonly norm: Norm;
  readonly ours: Figure;
  readonly peer?: Figure;
  /** The peer's time over ours, of each pair. */
  readonly ratios: readonly number[];
  /** Median of those. */
  readonly faster?: number;
  /** Our peak memory over the peer's: the median of the pairs. */
  readonly memory?: number;
}

export interface CaseSummary<Of extends Step = Case> {
  readonly case: Of;
  readonly norms: readonly NormSummary[];
}

/** Of an even number the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  if (numbers.length === 0) throw new Error('no numbers have no median');
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

export function summarise<Of extends Step>(one: Of, pairs: readonly Pair[]): CaseSummary<Of> {
  const names = [...new Set(pairs.map(({ norm }) => norm))];
  return {
    case: one,
    norms: names.map((norm) =>
      summariseNorm(
        norm,
        pairs.filter((pair) => pair.norm === norm),
      ),
    ),
  };
}

function summariseNorm(norm: Norm, pairs: readonly Pair[]): NormSummary {
  const whole = pairs.filter((pair): pair is Required<Pair> => pair.peer !== undefined);
  const figure = (figures: readonly Figure[]): Figure => ({
    ms: median(figures.map(({ ms }) => ms)),
    peakMb: median(figures.map(({ peakMb }) => peakMb)),
  });
  const ratios = whole.map(({ peer, ours }) => peer.ms / ours.ms);
  const own = { norm, ours: figure(pairs.map(({ ours }) => ours)), ratios };
  if (whole.length === 0) return own;
  return {
    ...own,
    peer: figure(whole.map(({ peer }) => peer)),
    faster: median(ratios),
    memory: median(whole.map(({ peer, ours }) => ours.peakMb / peer.peakMb)),
  };
}

/** A bar of a case, what was reached, and whether that is enough. */
export interface Bar {
  readonly what: 'speed' | 'memory';
  readonly wanted: number;
  readonly reached: number;
  readonly holds: boolean;
}

/** The bars of a case that can be judged: none without a peer. They are for the exact norm. */
export function barsOf({ case: { must, memory }, norms }: CaseSummary): Bar[] {
  const exact = norms.find(({ norm }) => norm === 'all');
  const bars: Bar[] = [];
  if (exact?.faster !== undefined) {
    bars.push({ what: 'speed', wanted: must, reached: exact.faster, holds: exact.faster >= must });
  }
  if (exact?.memory !== undefined && memory !== undefined) {
    bars.push({ what: 'memory', wanted: memory, reached: exact.memory, holds: exact.memory <= memory });
  }
  return bars;
}
