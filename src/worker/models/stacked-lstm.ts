import type { LayerWeights } from '../ops/recurrent-layer.js';
import { lstm } from '../ops/lstm.js';
import type { Gate } from '../sparsity/parameter.js';
import { equalGates } from './parts.js';
import type { Layer } from './recurrent-model.js';
import { stackOf, unitsOf } from './stack.js';
import { wholeWeights, type WeightDrop } from './weight-drop.js';

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
export const stackedLstm = stackOf({
  what: 'a stacked LSTM',
  prefix: 'lstm',
  gates: lstmGates,
  layer: (weights) => lstmLayer(weights),
});

/** Row blocks of an LSTM's matrices. */
export function lstmGates(units: number): Gate[] {
  return equalGates(units, 'input', 'forget', 'cell', 'output');
}

/** @param index of the layer, for the draw of its weight dropout */
export function lstmLayer(weights: LayerWeights, weightDrop: WeightDrop = wholeWeights, index = 0): Layer {
  const units = unitsOf(weights);
  return {
    stateSizes: [units, units],
    run: (x, [hidden, cell], dropout) => {
      const after = lstm(x, weights, weightDrop(weights.recurrentWeight, index, dropout), hidden, cell);
      return { y: after.y, state: [after.hidden, after.cell] };
    },
  };
}
