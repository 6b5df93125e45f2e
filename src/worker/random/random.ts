import { philox4x32 } from './philox.js';

/**
 * All randomness of a run, from (seed, purpose, counter): what is drawn never depends on what was drawn before, so a
 * resumed run, or one that logs more, draws the same. The numbers of the purposes are part of every result: never change one.
 */
const purposes = {
  initialisation: 1,
  topology: 2,
  growth: 3,
  dropout: 4,
  clipSketch: 5,
  language: 6,
  windows: 7,
  redistribution: 10,
  rewiringNoise: 11,
} as const;

export type Purpose = keyof typeof purposes;

/** The second half of the key of a draw. */
export function purposeNumber(purpose: Purpose): number {
  return purposes[purpose];
}

/** The words of one draw: for example the dropout mask of (step 17, site 2), each position one word. */
export class RandomWords {
  readonly #seed: number;
  readonly #purpose: number;
  readonly #a: number;
  readonly #b: number;

  /**
   * @param seed of the run, 32 bits
   * @param a first counter, such as the training step
   * @param b second counter, such as the dropout site or the layer
   */
  constructor(seed: number, purpose: Purpose, a = 0, b = 0) {
    this.#seed = seed;
    this.#purpose = purposes[purpose];
    this.#a = a;
    this.#b = b;
  }

  /** Words `start .. start + count` of the draw, each uniform over 32 bits. */
  words(count: number, start = 0): Uint32Array<ArrayBuffer> {
    const first = Math.floor(start / 4);
    const blocks = Math.ceil((start + count) / 4) - first;
    const out = new Uint32Array(blocks * 4);
    for (let block = 0; block < blocks; block++) {
      // Counter: (block, a, b, high word of the block), key: (seed, purpose).
      const index = first + block;
      const high = Math.floor(index / 2 ** 32);
      philox4x32(index | 0, this.#a, this.#b, high, this.#seed, this.#purpose, out, block * 4);
    }
    return out.subarray(start - first * 4, start - first * 4 + count);
  }

  /** `count` numbers uniform on [-bound, bound], as far as float32 tells the ends apart. */
  uniform(count: number, bound: number): Float32Array {
    const words = this.words(count);
    const numbers = new Float32Array(count);
    for (let i = 0; i < count; i++) numbers[i] = (words[i] / 2 ** 31 - 1) * bound;
    return numbers;
  }
}

/** A draw read one number after the other, where how many are needed is not known beforehand. */
export class RandomStream {
  readonly #words: RandomWords;
  #buffer = new Uint32Array(0);
  #used = 0;
  #position = 0;

  constructor(seed: number, purpose: Purpose, a = 0, b = 0) {
    this.#words = new RandomWords(seed, purpose, a, b);
  }

  /** The next number, uniform on [0, 1). */
  next(): number {
    if (this.#used === this.#buffer.length) {
      this.#buffer = this.#words.words(256, this.#position);
      this.#position += this.#buffer.length;
      this.#used = 0;
    }
    return this.#buffer[this.#used++] / 2 ** 32;
  }
}

/** Words below this are dropped by a dropout of probability p: an exact comparison that any language can repeat. */
export function dropThreshold(p: number): number {
  return Math.floor(p * 2 ** 32);
}
