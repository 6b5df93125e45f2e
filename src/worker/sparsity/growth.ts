import { RandomWords } from '../random/random.js';
import { gather } from './parameter.js';
import { descendingMagnitudeKeys, pick, smallest } from './selection.js';

/** Chooses `count` of the candidate positions (ascending, so is the choice). */
export type GrowthRule = (candidates: Int32Array, count: number) => Int32Array;

/** What random growth draws from: one word for each position of the layer, whichever may grow. */
export interface GrowthDraw {
  readonly seed: number;
  /** Counts topology updates from 1. */
  readonly update: number;
  /** Index of the layer. */
  readonly layer: number;
}

/**
 * Uniformly random positions without replacement: those that drew the smallest words. A position's word depends on
 * (seed, update, layer, position) alone.
 */
export function growRandomly(draw: GrowthDraw, size: number): GrowthRule {
  const words = wordsOf(draw, size);
  return (candidates, count) => {
    const drawn = new Uint32Array(candidates.length);
    for (let i = 0; i < candidates.length; i++) drawn[i] = words[candidates[i]];
    return pick(candidates, smallest(drawn, count));
  };
}

/** As the published code: each candidate grows with probability count / candidates, so that their number varies (G1). */
export function growIndependently(draw: GrowthDraw, size: number): GrowthRule {
  const words = wordsOf(draw, size);
  return (candidates, count) => {
    const threshold = (count / candidates.length) * 2 ** 32;
    return candidates.filter((position) => words[position] < threshold);
  };
}

function wordsOf({ seed, update, layer }: GrowthDraw, size: number): Uint32Array {
  return new RandomWords(seed, 'growth', update, layer).words(size);
}

/**
 * The positions with the largest gradient, as RigL grows (U. Evci et al.: Rigging the Lottery. ICML 2020).
 * @param gradient of every position, active or not
 */
export function growByGradient(gradient: Float32Array): GrowthRule {
  return (candidates, count) => {
    const keys = descendingMagnitudeKeys(gather(gradient, candidates));
    return pick(candidates, smallest(keys, count));
  };
}
