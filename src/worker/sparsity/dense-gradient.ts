import * as tf from '../tf.js';

/**
 * The gradient of all weights of a packed parameter, inactive ones included. It is never stored; while somebody watches,
 * each op that uses the parameter adds its share here during back-propagation, and the watcher takes the sum: one matrix
 * may be used twice (a tied embedding), and only the sum has the norm that clipping needs.
 */
export class DenseGradient {
  #watched = false;
  #sum: tf.Tensor2D | undefined;

  watch(): void {
    this.#watched = true;
  }

  /** Called by ops with a temporary, which they may dispose afterwards. */
  add(dense: tf.Tensor2D): void {
    if (!this.#watched) return;
    const before = this.#sum;
    this.#sum = tf.keep(before === undefined ? dense.clone() : before.add(dense));
    before?.dispose();
  }

  /** The sum of all shares, which now belongs to the caller; undefined where no op has used the parameter. */
  take(): tf.Tensor2D | undefined {
    const sum = this.#sum;
    this.#sum = undefined;
    this.#watched = false;
    return sum;
  }
}
