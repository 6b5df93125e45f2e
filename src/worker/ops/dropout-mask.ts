import * as tf from '../tf.js';
import { dropThreshold, RandomWords } from '../random/random.js';
import { defineKernel } from './op.js';

export interface DropoutDraw {
  readonly seed: number;
  readonly step: number;
  readonly site: number;
  /** Probability of being dropped. */
  readonly p: number;
  /** What is not dropped. */
  readonly scale: number;
  readonly shape: readonly number[];
}

/** It is made from nothing but numbers. */
type NoInputs = Record<string, never>;

const run = defineKernel<NoInputs, DropoutDraw>('SparrowDropoutMask', (_inputs, draw) => {
  const { seed, step, site, p, scale, shape } = draw;
  const size = shape.reduce((product, length) => product * length, 1);
  const threshold = dropThreshold(p);
  const words = new RandomWords(seed, 'dropout', step, site).words(size);
  const mask = new Float32Array(size); // filled by a loop: from() goes by an iterator, twenty times slower
  for (let i = 0; i < size; i++) mask[i] = words[i] < threshold ? 0 : scale;
  return [tf.tensor(mask, [...shape])];
});

export interface WordFactors {
  /** [positions] */
  readonly words: Int32Array;
  readonly columns: number;
}

const runOfWords = defineKernel<{ mask: tf.Tensor }, WordFactors>(
  'SparrowMaskOfWords',
  ({ mask }, { words, columns }) => {
    const ofWords = mask.dataSync<'float32'>();
    const factors = new Float32Array(words.length * columns);
    words.forEach((word, position) => factors.fill(ofWords[word], position * columns, (position + 1) * columns));
    return [tf.tensor2d(factors, [words.length, columns])];
  },
);

/** Factors for every column of some words, [positions, columns], of a mask that has one for each word of the vocabulary. */
export function maskOfWords(mask: tf.Tensor, words: Int32Array, columns: number): tf.Tensor2D {
  return runOfWords({ mask }, { words, columns })[0] as tf.Tensor2D;
}

/**
 * Dropout masks from the counter-based generator: (seed, step, site) decides, and nothing else. Word i of the draw is
 * position i; it is dropped if the word is below floor(p 2³²), else scaled by 1 / (1 - p), or 1 where it is not to be scaled.
 */
export function dropoutMask(
  draw: { seed: number; step: number; site: number },
  p: number,
  shape: readonly number[],
  scaled = true,
): tf.Tensor {
  return run({}, { ...draw, p, scale: scaled ? 1 / (1 - p) : 1, shape })[0];
}
