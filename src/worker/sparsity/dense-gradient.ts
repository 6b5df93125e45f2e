import * as tf from '../tf.js';

/**
 * The gradient of all weights of a packed parameter, inactive ones included. It is never stored; while somebody watches,
 * each op that uses the parameter adds its share here during back-propagation, and the watcher takes the sum: one matrix
 * may be used twice (a tied embedding), and only the sum has the norm that clipping needs. Where only that norm is wanted and
 * there is only one share, an op may tell its square and need not make a dense matrix at all.
 */
export class DenseGradient {
  /** How many ops use the parameter in a step. */
  uses = 1;
  #wanted: 'nothing' | 'norm' | 'matrix' = 'nothing';
  #sum: tf.Tensor2D | undefined;
  #squaredNorm: number | undefined;

  /** @param wanted the squared norm will do, or it must be the matrix */
  watch(wanted: 'norm' | 'matrix'): void {
    this.#wanted = wanted;
  }

  /** What an op should add: a norm suffices only to whoever is the parameter's one use. */
  get wanted(): 'nothing' | 'norm' | 'matrix' {
    return this.#wanted === 'norm' && this.uses > 1 ? 'matrix' : this.#wanted;
  }

  /** Called by ops with a temporary, which they may dispose afterwards. */
  add(dense: tf.Tensor2D): void {
    if (this.#wanted === 'nothing') return;
    const before = this.#sum;
    this.#sum = tf.keep(before === undefined ? dense.clone() : before.add(dense));
    before?.dispose();
  }

  /** Called where `wanted` is the norm. */
  addSquaredNorm(squaredNorm: number): void {
    if (this.wanted !== 'norm' || this.#squaredNorm !== undefined) throw new Error('the norm alone was not asked for');
    this.#squaredNorm = squaredNorm;
  }

  /**
   * The sum of all shares, which now belongs to the caller, or its squared norm; undefined where no op has used the
   * parameter.
   */
  take(): tf.Tensor2D | number | undefined {
    const share = this.#sum ?? this.#squaredNorm;
    this.#sum = undefined;
    this.#squaredNorm = undefined;
    this.#wanted = 'nothing';
    return share;
  }
}
