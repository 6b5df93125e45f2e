import * as tf from '../tf.js';
import type { Dropout, LanguageModel, State, Window } from './model.js';

export interface LossAndGradients {
  /** Mean cross-entropy of the window, nats. */
  readonly loss: tf.Scalar;
  /** State after the window, cut off from what it was computed from: gradients reach back one window and no further. */
  readonly state: State;
  /** One for each parameter, in its order and its stored layout. */
  readonly gradients: readonly tf.Tensor[];
}

/**
 * Forward and backward pass of one window. All tensors returned belong to the caller.
 */
export function lossAndGradients(
  model: LanguageModel,
  window: Window,
  state: State,
  dropout: Dropout,
): LossAndGradients {
  let next: State = [];
  const forward = () => {
    const result = model.loss(window, state, dropout);
    next = result.state.map((tensor) => tf.keep(tensor)); // it outlives the tape
    return result.loss;
  };
  const { value, grads } = tf.engine().gradients(
    forward,
    model.parameters.map(({ values }) => values),
  );
  return { loss: value, state: next, gradients: grads };
}
