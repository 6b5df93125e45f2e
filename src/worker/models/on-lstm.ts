import { layerSizes } from '../../shared/model-config.js';
import { onLstm } from '../ops/on-lstm.js';
import type { Gate } from '../sparsity/parameter.js';
import type { ModelKind } from './model.js';
import { decoderSpecs, embeddingSpec, equalGates, layerSpecs, Named } from './parts.js';
import { RecurrentModel } from './recurrent-model.js';
import { softmaxHead } from './softmax-head.js';
import { layersOf, unitsOf } from './stack.js';
import { onWeightDrop } from './weight-drop.js';

/**
 * The ordered-neurons LSTM language model.
 *
 * Y. Shen, S. Tan, A. Sordoni, A. Courville: Ordered Neurons: Integrating Tree Structures into Recurrent Neural Networks. ICLR 2019, as
 * in S. Liu et al.: Selfish Sparse RNN Training. ICML 2021; the cell is in ops/on-lstm.ts.
 *
 *     x = drop(E[w])      h¹ = ON-LSTM(x)      h² = ON-LSTM(drop(h¹)) ...      logits = W drop(hᴸ) + b
 *     loss + α mean hᴸ² + β mean (hᴸ_(t+1) - hᴸ_t)²
 *
 * Both regularisers see outputs without dropout. Everything of a layer starts uniform on 1/√ of what its matrix takes in.
 */
export const onLstmModel: ModelKind = {
  parameters: (model, vocabulary) => {
    const sizes = layerSizes(model);
    return [
      embeddingSpec(model, vocabulary),
      ...sizes.flatMap((units, layer) => {
        const inputs = layer === 0 ? model.embedding : sizes[layer - 1];
        const gates = onLstmGates(units, model.chunk);
        return layerSpecs(...(['onlstm', layer, { inputs, units, gates }] as const), {
          input: 1 / Math.sqrt(inputs),
          recurrent: 1 / Math.sqrt(units),
        });
      }),
      ...decoderSpecs(model, vocabulary, sizes.at(-1)!),
    ];
  },
  create: (model, parameters) => {
    const named = new Named('an ON-LSTM', parameters);
    const weightDrop = onWeightDrop(model.dropout.weight);
    return new RecurrentModel({
      parameters,
      embedding: named.get('embedding.weight'),
      layers: layersOf(named, 'onlstm').map((weights, index) => ({
        stateSizes: [unitsOf(weights), unitsOf(weights)],
        run: (x, state, dropout) =>
          onLstm(x, weights, weightDrop(weights.recurrentWeight, index, dropout), state, model.chunk),
      })),
      head: softmaxHead(named),
      dropout: model.dropout,
      masks: 'locked',
      regularisation: { alpha: model.activationReg, beta: model.temporalActivationReg, of: 'raw' },
    });
  },
};

/** Six row blocks of unequal size: master gates have one row for each chunk. */
function onLstmGates(units: number, chunk: number): Gate[] {
  return [
    ...equalGates(units / chunk, 'master input', 'master forget'),
    ...equalGates(units, 'output', 'cell', 'input', 'forget'),
  ];
}
