import type { RunConfig } from '../../shared/run-config.js';
import { decodeAndCrossEntropy } from '../ops/decode-and-cross-entropy.js';
import { embedding } from '../ops/embedding.js';
import { lstm, type LstmWeights } from '../ops/lstm.js';
import { sparseLinear } from '../ops/sparse-linear.js';
import { SparseParameter, type Gate, type Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import {
  dropoutSites,
  type Dropout,
  type LanguageModel,
  type ParameterSpec,
  type State,
  type Window,
} from './model.js';

/**
 * The stacked LSTM language model.
 *
 * W. Zaremba, I. Sutskever, O. Vinyals: Recurrent Neural Network Regularization. arXiv 1409.2329, 2014; the "large" model
 * of S. Liu, D. Mocanu, Y. Pei, M. Pechenizkiy: Selfish Sparse RNN Training. ICML 2021.
 *
 *     x = drop(E[w])        h¹ = LSTM(x)       h² = LSTM(drop(h¹)) ...       logits = W drop(hᴸ) + b
 *
 * Every dropout mask is drawn anew at every time step.
 */
export class StackedLstm implements LanguageModel {
  readonly parameters: readonly Parameter[];
  readonly #embedding: Parameter;
  readonly #layers: readonly LstmWeights[];
  readonly #decoder: Parameter;
  readonly #decoderBias: Parameter;
  readonly #dropout: { readonly input: number; readonly hidden: number; readonly output: number };

  /** @param parameters named and ordered as `stackedLstmParameters` has them */
  constructor(parameters: readonly Parameter[], dropout: RunConfig['model']['dropout']) {
    const named = (name: string): Parameter => {
      const parameter = parameters.find((candidate) => candidate.name === name);
      if (parameter === undefined) throw new Error(`a stacked LSTM needs a parameter ${name}`);
      return parameter;
    };
    this.parameters = parameters;
    this.#dropout = dropout;
    this.#embedding = named('embedding.weight');
    const layers = parameters.filter(({ name }) => /^lstm\.\d+\.weight_hh$/.test(name)).length;
    this.#layers = Array.from({ length: layers }, (_, layer) => ({
      inputWeight: named(`lstm.${layer}.weight_ih`),
      recurrentWeight: named(`lstm.${layer}.weight_hh`),
      inputBias: named(`lstm.${layer}.bias_ih`),
      recurrentBias: named(`lstm.${layer}.bias_hh`),
    }));
    const tied = !parameters.some(({ name }) => name === 'decoder.weight');
    this.#decoder = tied ? this.#embedding : named('decoder.weight');
    if (tied && this.#embedding instanceof SparseParameter) this.#embedding.denseGradient.uses = 2;
    this.#decoderBias = named('decoder.bias');
  }

  initialState(batch: number): State {
    return this.#layers.flatMap(({ recurrentWeight }) => {
      const hidden = recurrentWeight.shape[1];
      return [tf.zeros<tf.Rank.R2>([batch, hidden]), tf.zeros<tf.Rank.R2>([batch, hidden])];
    });
  }

  loss(window: Window, state: State, dropout: Dropout): { loss: tf.Scalar; state: State } {
    const top = this.#outputs(window, state, dropout);
    return { loss: decodeAndCrossEntropy(top.y, this.#decoder, this.#decoderBias, window.targets), state: top.state };
  }

  logits(window: Window, state: State, dropout: Dropout): { logits: tf.Tensor2D; state: State } {
    const top = this.#outputs(window, state, dropout);
    return { logits: sparseLinear(top.y, this.#decoder, this.#decoderBias), state: top.state };
  }

  /** Outputs of the last layer after dropout, [positions, hidden]. */
  #outputs(window: Window, state: State, dropout: Dropout): { y: tf.Tensor2D; state: State } {
    const drop = (y: tf.Tensor2D, site: number, p: number): tf.Tensor2D => {
      const mask = dropout(site, p, y.shape);
      return mask === undefined ? y : y.mul(mask);
    };
    let y = embedding(this.#embedding, window.inputs);
    y = drop(y, dropoutSites.input, this.#dropout.input);
    const next: tf.Tensor2D[] = [];
    for (const [layer, weights] of this.#layers.entries()) {
      if (layer > 0) y = drop(y, dropoutSites.hidden(layer - 1), this.#dropout.hidden);
      const after = lstm(y, weights, state[2 * layer], state[2 * layer + 1]);
      y = after.y;
      next.push(after.hidden, after.cell);
    }
    return { y: drop(y, dropoutSites.output, this.#dropout.output), state: next };
  }
}

/** Row blocks of an LSTM's matrices. */
function lstmGates(hidden: number): Gate[] {
  return ['input', 'forget', 'cell', 'output'].map((name) => ({ name, rows: hidden }));
}

/** The tensors of a stacked LSTM, with PyTorch's names, shapes and initialisation. */
export function stackedLstmParameters(model: RunConfig['model'], vocabulary: number): ParameterSpec[] {
  const { embedding: size, hidden, layers, tied } = model;
  const matrix = (name: string, rows: number, columns: number, initialBound: number): ParameterSpec => ({
    name,
    shape: [rows, columns],
    gates: [{ name: 'all', rows }],
    initialBound,
  });
  const bound = 1 / Math.sqrt(hidden);
  const specs: ParameterSpec[] = [matrix('embedding.weight', vocabulary, size, 0.1)];
  for (let layer = 0; layer < layers; layer++) {
    const gates = lstmGates(hidden);
    const inputs = layer === 0 ? size : hidden;
    specs.push({ ...matrix(`lstm.${layer}.weight_ih`, 4 * hidden, inputs, bound), gates });
    specs.push({ ...matrix(`lstm.${layer}.weight_hh`, 4 * hidden, hidden, bound), gates });
    for (const name of ['bias_ih', 'bias_hh']) {
      specs.push({ name: `lstm.${layer}.${name}`, shape: [4 * hidden], gates, initialBound: bound });
    }
  }
  if (!tied) specs.push(matrix('decoder.weight', vocabulary, hidden, 0.1));
  specs.push({
    name: 'decoder.bias',
    shape: [vocabulary],
    gates: [{ name: 'all', rows: vocabulary }],
    initialBound: 0,
  });
  return specs;
}
