import { gru } from '../ops/gru.js';
import { equalGates } from './parts.js';
import { stackOf, unitsOf } from './stack.js';
import { wholeWeights } from './weight-drop.js';

/**
 * A stack of gated recurrent units.
 *
 * K. Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation. EMNLP 2014; dropout
 * and initialisation as those of the stacked LSTM.
 *
 *     r, z = σ(W x + b + W' h' + b')      n = tanh(W x + b + r (W' h' + b'))      h = (1 - z) n + z h'
 */
export const gruStack = stackOf({
  what: 'a GRU',
  prefix: 'gru',
  gates: (units) => equalGates(units, 'reset', 'update', 'new'),
  layer: (weights) => ({
    stateSizes: [unitsOf(weights)],
    run: (x, state, dropout) => gru(x, weights, wholeWeights(weights.recurrentWeight, 0, dropout), state),
  }),
});
