import { elman } from '../ops/elman.js';
import { equalGates } from './parts.js';
import { stackOf, unitsOf } from './stack.js';
import { wholeWeights } from './weight-drop.js';

/**
 * A stack of simple recurrent layers.
 *
 * J. Elman: Finding Structure in Time. Cognitive Science 14(2), 1990; dropout and initialisation as those of the stacked LSTM.
 *
 *     h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)
 */
export const elmanStack = stackOf({
  what: 'an Elman network',
  prefix: 'elman',
  gates: (units) => equalGates(units, 'hidden'),
  layer: (weights) => ({
    stateSizes: [unitsOf(weights)],
    run: (x, state, dropout) => elman(x, weights, wholeWeights(weights.recurrentWeight, 0, dropout), state),
  }),
});
