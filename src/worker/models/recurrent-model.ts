import type { ModelConfig } from '../../shared/model-config.js';
import { maskOfWords } from '../ops/dropout-mask.js';
import { embedding } from '../ops/embedding.js';
import type { Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { dropoutSites, type Dropout, type LanguageModel, type State, type Window } from './model.js';

/** One recurrent layer. */
export interface Layer {
  /** Size of each tensor of its state, the first one that of its outputs. */
  readonly stateSizes: readonly number[];
  /**
   * @param x [positions, inputs]
   * @param state [batch, size] each
   * @returns outputs [positions, units], and the state after the window
   */
  run(x: tf.Tensor2D, state: State, dropout: Dropout): { y: tf.Tensor2D; state: State };
}

/** What makes losses and scores of the outputs of the last layer. */
export interface Head {
  loss(y: tf.Tensor2D, window: Window, dropout: Dropout): tf.Scalar;
  logits(y: tf.Tensor2D, window: Window, dropout: Dropout): tf.Tensor2D;
}

export interface Structure {
  readonly parameters: readonly Parameter[];
  readonly embedding: Parameter;
  readonly layers: readonly Layer[];
  readonly head: Head;
  /** Shares dropped of the embedding's outputs, between layers and after the last one. */
  readonly dropout: ModelConfig['dropout'];
  /** Standard: drawn anew at every step; locked: one mask a window for each stream. */
  readonly masks: 'standard' | 'locked';
  readonly regularisation?: Regularisation;
}

/**
 * Activation regularisation, α mean h², of the last layer's outputs with or without dropout, and temporal activation
 * regularisation, β mean (h_(t+1) - h_t)², without.
 *
 * S. Merity, B. McCann, R. Socher: Revisiting Activation Regularization for Language RNNs. arXiv 1708.01009, 2017.
 */
interface Regularisation {
  readonly alpha: number;
  readonly beta: number;
  readonly of: 'dropped' | 'raw';
}

/**
 * What all models have in common: words, recurrent layers one above the other, a head, and dropout between all of them.
 *
 *     x = drop(E[w])        h¹ = layer¹(x)       h² = layer²(drop(h¹)) ...       head(drop(hᴸ))
 */
export class RecurrentModel implements LanguageModel {
  readonly parameters: readonly Parameter[];
  readonly #structure: Structure;

  constructor(structure: Structure) {
    this.parameters = structure.parameters;
    this.#structure = structure;
  }

  initialState(batch: number): State {
    return this.#structure.layers.flatMap(({ stateSizes }) =>
      stateSizes.map((size) => tf.zeros<tf.Rank.R2>([batch, size])),
    );
  }

  loss(
    window: Window,
    state: State,
    dropout: Dropout,
  ): { loss: tf.Scalar; penalty: (() => tf.Scalar) | undefined; state: State } {
    const top = this.#outputs(window, state, dropout);
    const { head, regularisation } = this.#structure;
    const penalised = regularisation !== undefined && (regularisation.alpha > 0 || regularisation.beta > 0);
    return {
      loss: head.loss(top.dropped, window, dropout),
      penalty: penalised ? () => penaltyOf(top, window.batch, regularisation) : undefined,
      state: top.state,
    };
  }

  logits(window: Window, state: State, dropout: Dropout): { logits: tf.Tensor2D; top: tf.Tensor2D; state: State } {
    const top = this.#outputs(window, state, dropout);
    return { logits: this.#structure.head.logits(top.dropped, window, dropout), top: top.raw, state: top.state };
  }

  #outputs(window: Window, state: State, dropout: Dropout): Outputs & { state: State } {
    const { embedding: words, layers, dropout: shares } = this.#structure;
    const drop = (y: tf.Tensor2D, site: number, p: number) => this.#drop(y, window, site, p, dropout);
    let y = dropWords(embedding(words, window.inputs), words, window, shares.embedding, dropout);
    y = drop(y, dropoutSites.input, shares.input);
    const next: tf.Tensor2D[] = [];
    let at = 0;
    for (const [index, layer] of layers.entries()) {
      if (index > 0) y = drop(y, dropoutSites.hidden(index - 1), shares.hidden);
      const after = layer.run(y, state.slice(at, at + layer.stateSizes.length), dropout);
      at += layer.stateSizes.length;
      y = after.y;
      next.push(...after.state);
    }
    return { raw: y, dropped: drop(y, dropoutSites.output, shares.output), state: next };
  }

  #drop(y: tf.Tensor2D, { batch }: Window, site: number, p: number, dropout: Dropout): tf.Tensor2D {
    if (this.#structure.masks === 'locked') return dropLocked(y, batch, site, p, dropout);
    const mask = dropout(site, p, y.shape);
    return mask === undefined ? y : y.mul(mask);
  }
}

/** Outputs of the last layer, [positions, units], before and after dropout. */
interface Outputs {
  readonly raw: tf.Tensor2D;
  readonly dropped: tf.Tensor2D;
}

/**
 * Locked dropout: one mask [batch, units] for all steps of a window.
 *
 * Y. Gal, Z. Ghahramani: A Theoretically Grounded Application of Dropout in Recurrent Neural Networks. NIPS 2016.
 */
export function dropLocked(y: tf.Tensor2D, batch: number, site: number, p: number, dropout: Dropout): tf.Tensor2D {
  const mask = dropout(site, p, [batch, y.shape[1]]);
  if (mask === undefined) return y;
  const steps = y.shape[0] / batch;
  return y.mul(tf.concat2d(new Array<tf.Tensor2D>(steps).fill(mask.reshape([batch, y.shape[1]])), 0));
}

/** Embedding dropout (Gal and Ghahramani, 2016): all occurrences of a word in a window are dropped together. */
function dropWords(y: tf.Tensor2D, words: Parameter, { inputs }: Window, p: number, dropout: Dropout): tf.Tensor2D {
  const mask = p === 0 ? undefined : dropout(dropoutSites.embedding, p, [words.shape[0], 1]);
  if (mask === undefined) return y;
  return y.mul(maskOfWords(mask, inputs, y.shape[1]));
}

function penaltyOf({ raw, dropped }: Outputs, batch: number, { alpha, beta, of }: Regularisation): tf.Scalar {
  let penalty: tf.Scalar = tf.scalar(0);
  if (alpha > 0) {
    const activations = of === 'dropped' ? dropped : raw;
    penalty = penalty.add(activations.square().mean<tf.Scalar>().mul(alpha));
  }
  const [positions, units] = raw.shape;
  if (beta > 0 && positions > batch) {
    const later = tf.slice2d(raw, [batch, 0], [positions - batch, units]);
    const earlier = tf.slice2d(raw, [0, 0], [positions - batch, units]);
    penalty = penalty.add(later.sub(earlier).square().mean<tf.Scalar>().mul(beta));
  }
  return penalty;
}
