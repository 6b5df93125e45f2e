import { layerSizes, type ModelConfig } from '../../shared/model-config.js';
import type { Parameter } from '../sparsity/parameter.js';
import type { ModelKind, ParameterSpec } from './model.js';
import { decoderSpecs, embeddingSpec, layerSpecs, Named } from './parts.js';
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
    ...awdBodySpecs(model, vocabulary),
    ...decoderSpecs(model, vocabulary, layerSizes(model).at(-1)!),
  ],
  create: (model, parameters) => awdModel(model, parameters, new Named('an AWD-LSTM', parameters), softmaxHead),
};

/** Word vectors and layers. */
export function awdBodySpecs(model: ModelConfig, vocabulary: number): ParameterSpec[] {
  const sizes = layerSizes(model);
  return [
    embeddingSpec(model, vocabulary),
    ...sizes.flatMap((units, layer) => {
      const inputs = layer === 0 ? model.embedding : sizes[layer - 1];
      const bound = 1 / Math.sqrt(units);
      return layerSpecs(...(['lstm', layer, { inputs, units, gates: lstmGates(units) }] as const), {
        input: bound,
        recurrent: bound,
      });
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
