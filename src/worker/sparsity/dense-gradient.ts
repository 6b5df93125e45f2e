import * as tf from '../tf.js';

/**
 * What somebody wants to know of the gradient of all weights of a packed parameter: the matrix itself, its squared norm, or a
 * *sketch* of it, its products with a few random vectors, [sketches, inputs] = signs [sketches, outputs] times the matrix.
 */
export type Wanted = 'matrix' | 'norm' | { readonly signs: tf.Tensor2D };

/** A sum of squares; of an engine whose device computes apart, two floats there whose sum it is. */
export type SquaredNorm = number | tf.Tensor1D;

export function isNorm(told: tf.Tensor2D | tf.Tensor1D): told is tf.Tensor1D {
  return told.shape.length === 1;
}

/**
 * The gradient of all weights of a packed parameter, inactive ones included. It is never stored; while somebody watches,
 * each op that uses the parameter adds its share here during back-propagation, and the watcher takes the sum: one matrix
 * may be used twice (a tied embedding), and only the sum has the norm that clipping needs. Where only a norm or a sketch is wanted, an
 * op may tell that and need not make a dense matrix at all.
 */
export class DenseGradient {
  /** How many ops use the parameter in a step. */
  uses = 1;
  #wanted: Wanted | 'nothing' = 'nothing';
  #passes = 1;
  #sum: tf.Tensor2D | undefined;
  #squaredNorm: SquaredNorm | undefined;

  /**
   * @param wanted signs of a sketch belong to it from now on
   * @param passes of back-propagation whose gradients are added up
   */
  watch(wanted: Wanted, passes = 1): void {
    const untaken = this.take(); // of a step that was given up
    if (untaken instanceof tf.Tensor) untaken.dispose();
    this.#wanted = wanted;
    this.#passes = passes;
  }

  /** What an op should add: a norm suffices only to whoever is the parameter's one use. */
  get wanted(): Wanted | 'nothing' {
    return this.#wanted === 'norm' && this.uses * this.#passes > 1 ? 'matrix' : this.#wanted;
  }

  /** Called by ops with a temporary, the matrix, which they may dispose afterwards. */
  add(dense: tf.Tensor2D): void {
    if (this.#wanted === 'nothing') return;
    const share = typeof this.#wanted === 'string' ? dense.clone() : tf.matMul<tf.Tensor2D>(this.#wanted.signs, dense);
    this.addShare(share);
    share.dispose();
  }

  /** Called with a temporary that is already what is wanted: a matrix or a sketch of it. */
  addShare(share: tf.Tensor2D): void {
    const before = this.#sum;
    this.#sum = tf.keep(before === undefined ? share.clone() : before.add<tf.Tensor2D>(share));
    before?.dispose();
  }

  /** Called where `wanted` is the norm. */
  addSquaredNorm(squaredNorm: SquaredNorm): void {
    if (this.wanted !== 'norm' || this.#squaredNorm !== undefined) throw new Error('the norm alone was not asked for');
    this.#squaredNorm = typeof squaredNorm === 'number' ? squaredNorm : tf.keep(squaredNorm.clone());
  }

  /**
   * The sum of all shares or its squared norm; undefined where no op has used the parameter. A tensor now belongs to the
   * caller.
   */
  take(): tf.Tensor2D | SquaredNorm | undefined {
    const share = this.#sum ?? this.#squaredNorm;
    this.#sum = undefined;
    this.#squaredNorm = undefined;
    this.#forget();
    return share;
  }

  #forget(): void {
    if (typeof this.#wanted !== 'string') this.#wanted.signs.dispose();
    this.#wanted = 'nothing';
  }
}
