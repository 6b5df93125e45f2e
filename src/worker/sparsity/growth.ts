import type { GrowthName } from '../../shared/methods.js';
import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import type { Layer } from './layer.js';
import { gather } from './parameter.js';
import { descendingMagnitudeKeys, pick, smallest } from './selection.js';

/** Chooses `count` of the candidate positions (ascending, so is the choice). */
export type GrowthRule = (candidates: Int32Array, count: number) => Int32Array;

/** What random growth draws from: one word for each position of the layer, whichever may grow. */
interface GrowthDraw {
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
function growRandomly(draw: GrowthDraw, size: number): GrowthRule {
  const words = wordsOf(draw, size);
  return (candidates, count) => {
    const drawn = new Uint32Array(candidates.length);
    for (let i = 0; i < candidates.length; i++) drawn[i] = words[candidates[i]];
    return pick(candidates, smallest(drawn, count));
  };
}

/** As the published code: each candidate grows with probability count / candidates, so that their number varies (G1). */
function growIndependently(draw: GrowthDraw, size: number): GrowthRule {
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
 * The positions with the largest scores: gradients, as RigL grows (U. Evci et al.: Rigging the Lottery. ICML 2020), or their running
 * means, as sparse momentum does (T. Dettmers, L. Zettlemoyer, 2019).
 * @param scores of every position, active or not
 */
export function growByScore(scores: Float32Array): GrowthRule {
  return (candidates, count) => {
    const keys = descendingMagnitudeKeys(gather(scores, candidates));
    return pick(candidates, smallest(keys, count));
  };
}

/** Pruning. */
export const growNothing: Growth = () => () => new Int32Array(0);

/** The rule for one layer of one update. */
export type Growth = (draw: GrowthDraw, layer: Layer, sampling: RunConfig['method']['sampling']) => GrowthRule;

export const growths: Readonly<Record<GrowthName, Growth>> = {
  random: (draw, { pattern: { size } }, sampling) =>
    sampling === 'exact' ? growRandomly(draw, size) : growIndependently(draw, size),
  gradient: (_, layer) => growByScore(scoresOf(layer, 'gradient')),
  momentum: (_, layer) => growByScore(scoresOf(layer, 'momentum')),
};

function scoresOf({ name, scores }: Layer, kind: 'gradient' | 'momentum'): Float32Array {
  const told = scores?.[kind];
  if (told === undefined) throw new Error(`nobody has told the ${kind} of ${name}`);
  return told;
}
