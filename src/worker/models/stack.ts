import { layerSizes, type ModelConfig } from '../../shared/model-config.js';
import type { Gate, Parameter } from '../sparsity/parameter.js';
import type { ModelKind } from './model.js';
import { decoderSpecs, embeddingSpec, layerSpecs, Named, unitNames } from './parts.js';
import { RecurrentModel, type Layer } from './recurrent-model.js';
import { softmaxHead } from './softmax-head.js';
import type { LayerWeights } from '../ops/recurrent-layer.js';

/**
 * Layers of one kind of cell, all of one size, with a dropout mask of every time step between them: the scheme of
 * W. Zaremba, I. Sutskever, O. Vinyals: Recurrent Neural Network Regularization. arXiv 1409.2329, 2014.
 *
 *     x = drop(E[w])        h¹ = cell(x)       h² = cell(drop(h¹)) ...       logits = W drop(hᴸ) + b
 *
 * All of a layer starts uniform on 1/√H, as in PyTorch.
 */
export function stackOf(cell: {
  /** In errors, such as "a stacked LSTM". */
  readonly what: string;
  /** First part of the names of a layer's parameters. */
  readonly prefix: string;
  readonly gates: (units: number) => Gate[];
  readonly layer: (weights: LayerWeights) => Layer;
}): ModelKind {
  const { what, prefix, gates, layer } = cell;
  return {
    parameters: (model, vocabulary) => {
      const names = unitNames(prefix, model.layers, model.tied);
      return [
        embeddingSpec(model, vocabulary, names.words),
        ...layerSizes(model).flatMap((units, index) => {
          const bound = 1 / Math.sqrt(units);
          const inputs = index === 0 ? model.embedding : units;
          const shape = { inputs, units, gates: gates(units), of: names.of(index) };
          return layerSpecs(prefix, index, shape, { input: bound, recurrent: bound });
        }),
        ...decoderSpecs(model, vocabulary, model.hidden, names.top),
      ];
    },
    create: (model: ModelConfig, parameters: readonly Parameter[]) => {
      const named = new Named(what, parameters);
      return new RecurrentModel({
        parameters,
        embedding: named.get('embedding.weight'),
        layers: layersOf(named, prefix).map((weights) => layer(weights)),
        head: softmaxHead(named),
        dropout: model.dropout,
        masks: 'standard',
      });
    },
  };
}

/** The weights of every layer PREFIX.0, PREFIX.1, ... */
export function layersOf(named: Named, prefix: string): LayerWeights[] {
  return Array.from({ length: named.count(prefix, 'weight_hh') }, (_, layer) => ({
    inputWeight: named.get(`${prefix}.${layer}.weight_ih`),
    recurrentWeight: named.get(`${prefix}.${layer}.weight_hh`),
    inputBias: named.get(`${prefix}.${layer}.bias_ih`),
    recurrentBias: named.get(`${prefix}.${layer}.bias_hh`),
  }));
}

/** Units of a layer. */
export function unitsOf({ recurrentWeight }: LayerWeights): number {
  return recurrentWeight.shape[1];
}
