import type { ModelConfig } from '../../shared/model-config.js';
import { rhn, type HighwayWeights } from '../ops/rhn.js';
import type { Gate } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import { dropoutSites, isSparsifiable, type ModelKind, type ParameterSpec } from './model.js';
import { biasSpec, decoderSpecs, embeddingSpec, equalGates, matrixSpec, Named } from './parts.js';
import { RecurrentModel } from './recurrent-model.js';
import { softmaxHead } from './softmax-head.js';

/**
 * The recurrent highway network.
 *
 * J. Zilly, R. Srivastava, J. Koutník, J. Schmidhuber: Recurrent Highway Networks. ICML 2017, as in S. Liu et al.: Selfish Sparse RNN
 * Training. ICML 2021.
 *
 *     x = drop(E[w])      in each time step, for every depth d:      h, t = tanh, σ of R_d (s D) + b_d (+ W x + b_W at d = 0)
 *                                                                     s <- h t + s (1 - t)
 *     y_t = s             logits = W drop(y) + b
 *
 * One mask D [batch, units] drops what all matrices of a window see of the state; words are dropped as a whole, and input and
 * output by one mask a window. Everything recurrent starts uniform on 1/√H.
 */
export const rhnModel: ModelKind = {
  parameters: (model, vocabulary) => [
    embeddingSpec(model, vocabulary, wordUnits(model)),
    ...Array.from({ length: model.depth }, (_, depth) => depthSpecs(model, depth)).flat(),
    ...decoderSpecs(model, vocabulary, model.hidden, 'rhn'),
  ],
  create: (model, parameters) => {
    const named = new Named('an RHN', parameters);
    const depths = named.count('rhn', 'recurrent.weight');
    const weights = {
      input: highwayWeights(named, 'rhn.0.input'),
      recurrent: Array.from({ length: depths }, (_, depth) => highwayWeights(named, `rhn.${depth}.recurrent`)),
    };
    const [, units] = weights.recurrent[0].gates.weight.shape;
    return new RecurrentModel({
      parameters,
      embedding: named.get('embedding.weight'),
      layers: [
        {
          stateSizes: [units],
          run: (x, [state], dropout) => {
            const mask = dropout(dropoutSites.recurrent, model.dropout.recurrent, state.shape);
            const after = rhn(x, weights, state, mask as tf.Tensor2D | undefined);
            return { y: after.y, state: [after.state] };
          },
        },
      ],
      head: softmaxHead(named),
      dropout: model.dropout,
      masks: 'locked',
    });
  },
};

/** The units that word vectors have, too. */
function wordUnits({ tied }: ModelConfig): string | undefined {
  return tied ? 'rhn' : undefined;
}

/** The matrices of a depth, the first one's from the input, too; the carry gate's apart where it is not coupled. */
function depthSpecs(model: ModelConfig, depth: number): ParameterSpec[] {
  const { embedding, hidden, coupled, transformBias } = model;
  const bound = 1 / Math.sqrt(hidden);
  const affine = (part: string, inputs: number, gates: readonly Gate[]) => {
    const rows = gates.reduce((sum, gate) => sum + gate.rows, 0);
    const name = `rhn.${depth}.${part}`;
    const units = { rows: 'rhn', columns: part.startsWith('input') ? wordUnits(model) : 'rhn' };
    return [
      matrixSpec(`${name}.weight`, [rows, inputs], bound, gates, units),
      biasSpec(`${name}.bias`, rows, bound, gates, { rows: 'rhn' }),
    ];
  };
  const both = (part: string, inputs: number) => [
    ...affine(part, inputs, equalGates(hidden, 'candidate', 'transform')),
    ...(coupled ? [] : affine(`${part}_carry`, inputs, equalGates(hidden, 'carry'))),
  ];
  const recurrent = both('recurrent', hidden).map((spec) =>
    isSparsifiable(spec) || transformBias === 0
      ? spec
      : { ...spec, initialShift: { gate: 'transform', by: transformBias } },
  );
  return [...(depth === 0 ? both('input', embedding) : []), ...recurrent];
}

function highwayWeights(named: Named, prefix: string): HighwayWeights {
  const carry = named.find(`${prefix}_carry.weight`);
  return {
    gates: { weight: named.get(`${prefix}.weight`), bias: named.get(`${prefix}.bias`) },
    carry: carry === undefined ? undefined : { weight: carry, bias: named.get(`${prefix}_carry.bias`) },
  };
}
