import type { ModelConfig } from '../../shared/model-config.js';
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

/** Where a model drops units or weights. Each site is a number that goes into the random counter: never change one. */
export const dropoutSites = {
  input: 0,
  output: 1,
  hidden: (layer: number) => 2 + layer,
  embedding: 1000,
  recurrent: 1001,
  latent: 1002,
  weight: (layer: number) => 2000 + layer,
} as const;

/** Sites of the n-th part of a batch begin at n times this, where a batch goes through the model in parts. */
export const partSites = 10_000;

/**
 * The mask of one dropout site in the current step, scaled by 1 / (1 - p) unless told, or undefined where nothing is dropped:
 * p = 0, or evaluation.
 */
export type Dropout = (site: number, p: number, shape: readonly number[], scaled?: boolean) => tf.Tensor | undefined;

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
  /** What is added to those of one gate, where it does not begin around 0. */
  readonly initialShift?: { readonly gate: string; readonly by: number };
  /** The layers whose units the rows of each gate, and the columns, stand for; none where they are words or the like. */
  readonly units?: UnitsOf;
}

export interface UnitsOf {
  readonly rows?: string | undefined;
  readonly columns?: string | undefined;
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
  /**
   * Mean cross-entropy of a window in nats, and the state after it. What is trained is the sum of that and of the penalty, where
   * there is one: it is not in any loss that is told.
   */
  loss(
    window: Window,
    state: State,
    dropout: Dropout,
  ): { loss: tf.Scalar; penalty?: (() => tf.Scalar) | undefined; state: State };
  /**
   * Scores of every next word, [positions, vocabulary], whose softmax are the probabilities; the outputs of the last layer before
   * anything is dropped, [positions, units]; and the state after the window.
   */
  logits(window: Window, state: State, dropout: Dropout): { logits: tf.Tensor2D; top: tf.Tensor2D; state: State };
}

/** A kind of model: its tensors, and the network around them. */
export interface ModelKind {
  readonly parameters: (model: ModelConfig, vocabulary: number) => ParameterSpec[];
  /** @param parameters named as `parameters` has them: their shapes are the model's sizes */
  readonly create: (model: ModelConfig, parameters: readonly Parameter[]) => LanguageModel;
}
