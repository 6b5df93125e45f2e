import type * as tf from '../tf.js';
import type { Gate, Parameter } from '../sparsity/parameter.js';

/** Words of one window, step by step: position t * batch + b is stream b at step t. */
export interface Window {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  readonly batch: number;
}

/** Hidden state carried from window to window: each tensor is [batch, units], in the model's own order. */
export type State = readonly tf.Tensor2D[];

/** Where a model drops units. Each site is a number that goes into the random counter: never change one. */
export const dropoutSites = { input: 0, output: 1, hidden: (layer: number) => 2 + layer } as const;

/**
 * The mask of one dropout site in the current step, scaled by 1 / (1 - p), or undefined where nothing is dropped: p = 0,
 * or evaluation.
 */
export type Dropout = (site: number, p: number, shape: readonly number[]) => tf.Tensor | undefined;

/** Evaluation: nothing is dropped. */
export const noDropout: Dropout = () => undefined;

/** A tensor that a model has, before it is known whether it will be sparse. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row blocks of a recurrent matrix; one block for any other. */
  readonly gates: readonly Gate[];
  /** Initial values are uniform on [-initialBound, initialBound). */
  readonly initialBound: number;
}

/** Biases stay dense whatever the method: every matrix may be sparse (algorithm page 3.1). */
export function isSparsifiable(spec: ParameterSpec): boolean {
  return spec.shape.length === 2;
}

/** A recurrent language model. */
export interface LanguageModel {
  /** In a fixed order that gradients follow. */
  readonly parameters: readonly Parameter[];
  /** Zeros, as at the start of every epoch and every evaluation. */
  initialState(batch: number): State;
  /** Mean cross-entropy of a window in nats, and the state after it. */
  loss(window: Window, state: State, dropout: Dropout): { loss: tf.Scalar; state: State };
  /** Scores of every next word, [positions, vocabulary], and the state after the window. */
  logits(window: Window, state: State, dropout: Dropout): { logits: tf.Tensor2D; state: State };
}
