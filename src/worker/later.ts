import * as tf from './tf.js';

/** What a window has told. */
export interface Measured {
  /** Steps done, this one included. */
  readonly step: number;
  /** Of the window. */
  readonly length: number;
  readonly loss: number;
  /** Of the gradient. */
  readonly norm: number;
}

/** Windows whose losses and norms are on a device that computes apart: they are read together, when somebody wants to know. */
export class Later {
  #waiting: (Pick<Measured, 'step' | 'length'> & { readonly loss: tf.Scalar; readonly norm: tf.Scalar })[] = [];

  /** Tensors are taken over. */
  add(step: number, length: number, loss: tf.Scalar, norm: tf.Scalar): void {
    this.#waiting.push({ step, length, loss, norm });
  }

  /** All that was added since, in that order. */
  read(): Measured[] {
    const windows = this.#waiting;
    if (windows.length === 0) return [];
    this.#waiting = [];
    const tensors = windows.flatMap(({ loss, norm }) => [loss, norm]);
    const numbers = tf.tidy(() => tf.stack(tensors).dataSync<'float32'>());
    tf.dispose(tensors);
    return windows.map(({ step, length }, i) => ({ step, length, loss: numbers[2 * i], norm: numbers[2 * i + 1] }));
  }
}
