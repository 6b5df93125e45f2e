import type { UsedWeights } from '../ops/recurrent-layer.js';
import { asStored } from '../ops/weight.js';
import type { Parameter } from '../sparsity/parameter.js';
import { dropoutSites, type Dropout } from './model.js';

/** What a window uses of the hidden-to-hidden weights of a layer. */
export type WeightDrop = (weight: Parameter, layer: number, dropout: Dropout) => UsedWeights;

export const wholeWeights: WeightDrop = (weight) => ({ values: weight.values, factor: undefined });

/**
 * DropConnect on hidden-to-hidden weights, as AWD-LSTM has it: one mask a window, what is left scaled by 1 / (1 - p); evaluation
 * uses the weights as they are.
 *
 * S. Merity, N. Keskar, R. Socher: Regularizing and Optimizing LSTM Language Models. ICLR 2018.
 */
export function awdWeightDrop(p: number): WeightDrop {
  if (p === 0) return wholeWeights;
  return (weight, layer, dropout) => {
    const mask = dropout(dropoutSites.weight(layer), p, weight.shape);
    if (mask === undefined) return wholeWeights(weight, layer, dropout);
    return { values: weight.values.mul(asStored(mask, weight)), factor: mask };
  };
}

/**
 * DropConnect as ON-LSTM has it: one mask a window, nothing scaled in training; evaluation multiplies the weights by 1 - p.
 *
 * Y. Shen, S. Tan, A. Sordoni, A. Courville: Ordered Neurons. ICLR 2019, in its published code.
 */
export function onWeightDrop(p: number): WeightDrop {
  if (p === 0) return wholeWeights;
  return (weight, layer, dropout) => {
    const mask = dropout(dropoutSites.weight(layer), p, weight.shape, false);
    if (mask === undefined) return { values: weight.values.mul(1 - p), factor: 1 - p };
    return { values: weight.values.mul(asStored(mask, weight)), factor: mask };
  };
}
