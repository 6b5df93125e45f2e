import { layerSizes, type ModelConfig } from '../../shared/model-config.js';
import type { Parameter } from '../sparsity/parameter.js';
import type { ModelKind, ParameterSpec } from './model.js';
import { decoderSpecs, embeddingSpec, layerSpecs, Named, unitNames } from './parts.js';
import { RecurrentModel, type Head } from './recurrent-model.js';
import { softmaxHead } from './softmax-head.js';
import { layersOf } from './stack.js';
import { lstmGates, lstmLayer } from './stacked-lstm.js';
import { awdWeightDrop } from './weight-drop.js';

/**
 * AWD-LSTM: LSTMs with dropped weights.
 *
 * S. Merity, N. Keskar, R. Socher: Regularizing and Optimizing LSTM Language Models. ICLR 2018.
 *
 *     x = drop(E[w])      h¹ = LSTM(x)      h² = LSTM(drop(h¹)) ...      logits = W drop(hᴸ) + b
 *     loss + α mean drop(hᴸ)² + β mean (hᴸ_(t+1) - hᴸ_t)²
 *
 * Hidden-to-hidden weights are dropped anew for every window, words as a whole, all else by one mask a window. A layer starts
 * uniform on 1/√H of its own size.
 */
export const awdLstm: ModelKind = {
  parameters: (model, vocabulary) => [
    ...awdBodySpecs(model, vocabulary, model.tied),
    ...decoderSpecs(model, vocabulary, layerSizes(model).at(-1)!, awdUnits(model, model.tied).top),
  ],
  create: (model, parameters) => awdModel(model, parameters, new Named('an AWD-LSTM', parameters), softmaxHead),
};

export function awdUnits({ layers }: ModelConfig, tied: boolean) {
  return unitNames('lstm', layers, tied);
}

/**
 * Word vectors and layers.
 * @param tied whether the last layer's units are those of the word vectors
 */
export function awdBodySpecs(model: ModelConfig, vocabulary: number, tied: boolean): ParameterSpec[] {
  const sizes = layerSizes(model);
  const names = awdUnits(model, tied);
  return [
    embeddingSpec(model, vocabulary, names.words),
    ...sizes.flatMap((units, layer) => {
      const inputs = layer === 0 ? model.embedding : sizes[layer - 1];
      const bound = 1 / Math.sqrt(units);
      const shape = { inputs, units, gates: lstmGates(units), of: names.of(layer) };
      return layerSpecs('lstm', layer, shape, { input: bound, recurrent: bound });
    }),
  ];
}

export function awdModel(
  model: ModelConfig,
  parameters: readonly Parameter[],
  named: Named,
  head: (named: Named) => Head,
): RecurrentModel {
  const weightDrop = awdWeightDrop(model.dropout.weight);
  return new RecurrentModel({
    parameters,
    embedding: named.get('embedding.weight'),
    layers: layersOf(named, 'lstm').map((weights, index) => lstmLayer(weights, weightDrop, index)),
    head: head(named),
    dropout: model.dropout,
    masks: 'locked',
    regularisation: { alpha: model.activationReg, beta: model.temporalActivationReg, of: 'dropped' },
  });
}
