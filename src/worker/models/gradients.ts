import * as tf from '../tf.js';
import type { Dropout, LanguageModel, State, Window } from './model.js';

export interface LossAndGradients {
  /** Mean cross-entropy of the window, nats, without any penalty. */
  readonly loss: tf.Scalar;
  /** State after the window, cut off from what it was computed from: gradients reach back one window and no further. */
  readonly state: State;
  /** One for each parameter, in its order and its stored layout. */
  readonly gradients: readonly tf.Tensor[];
}

/**
 * Forward and backward pass of one window. All tensors returned belong to the caller.
 *
 * @param share of the loss that the window stands for: below 1 where it is a part of a larger one
 */
export function lossAndGradients(
  model: LanguageModel,
  window: Window,
  state: State,
  dropout: Dropout,
  share = 1,
): LossAndGradients {
  let next: State = [];
  let loss: tf.Scalar | undefined; // where it is not what is differentiated
  const masks: tf.Tensor[] = []; // ops may want them on the way back, whether or not they are on the tape
  const keeping: Dropout = (...draw) => {
    const mask = dropout(...draw);
    if (mask !== undefined) masks.push(tf.keep(mask));
    return mask;
  };
  const forward = () => {
    const result = model.loss(window, state, keeping);
    next = result.state.map((tensor) => tf.keep(tensor)); // it outlives the tape
    if (result.penalty === undefined && share === 1) return result.loss;
    loss = tf.keep(result.loss);
    const objective = result.penalty === undefined ? result.loss : result.loss.add<tf.Scalar>(result.penalty());
    return objective.mul<tf.Scalar>(share);
  };
  const { value, grads } = tf.engine().gradients(
    forward,
    model.parameters.map(({ values }) => values),
  );
  tf.dispose(masks);
  if (loss === undefined) return { loss: value, state: next, gradients: grads };
  const told = loss.clone(); // it belongs to whoever has called, as the others do
  tf.dispose([value, loss]);
  return { loss: told, state: next, gradients: grads };
}
