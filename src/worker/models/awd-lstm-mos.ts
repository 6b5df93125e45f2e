import { layerSizes } from '../../shared/model-config.js';
import { mixtureOfSoftmaxes, mixtureScores } from '../ops/mixture-of-softmaxes.js';
import { sparseLinear } from '../ops/sparse-linear.js';
import { SparseParameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { awdBodySpecs, awdModel, awdUnits } from './awd-lstm.js';
import { dropoutSites, type Dropout, type ModelKind } from './model.js';
import { biasSpec, decoderSpecs, matrixSpec, Named } from './parts.js';
import { dropLocked } from './recurrent-model.js';

/**
 * AWD-LSTM with a mixture of softmaxes.
 *
 * Z. Yang, Z. Dai, R. Salakhutdinov, W. Cohen: Breaking the Softmax Bottleneck: A High-Rank RNN Language Model. ICLR 2018.
 *
 *     y = drop(hᴸ)      l = drop(tanh(W_lat y + b_lat))      π = softmax(W_prior y)      p = Σ_k π_k softmax(W l_k + b)
 *
 * The body is that of AWD-LSTM; latent vectors have the size of the embedding, whose matrix W may be. Latent and prior matrix start
 * as PyTorch's linear maps do, uniform on 1/√ of what they take in.
 */
export const awdLstmMos: ModelKind = {
  parameters: (model, vocabulary) => {
    const inputs = layerSizes(model).at(-1)!;
    const bound = 1 / Math.sqrt(inputs);
    const latents = model.experts * model.embedding;
    const units = { columns: awdUnits(model, false).top };
    return [
      ...awdBodySpecs(model, vocabulary, false),
      matrixSpec('mos.prior.weight', [model.experts, inputs], bound, undefined, units),
      matrixSpec('mos.latent.weight', [latents, inputs], bound, undefined, units),
      biasSpec('mos.latent.bias', latents, bound),
      ...decoderSpecs(model, vocabulary, model.embedding),
    ];
  },
  create: (model, parameters) =>
    awdModel(model, parameters, new Named('an AWD-LSTM-MoS', parameters), (named) => {
      const [prior, latent] = [named.get('mos.prior.weight'), named.get('mos.latent.weight')];
      const latentBias = named.get('mos.latent.bias');
      const { weight, bias } = named.decoder();
      if (weight instanceof SparseParameter) weight.denseGradient.uses += 1; // its gradient comes in several blocks
      const mixture = (y: tf.Tensor2D, batch: number, dropout: Dropout) => {
        const latents = dropLocked(
          ...([sparseLinear(y, latent, latentBias).tanh(), batch, dropoutSites.latent] as const),
          ...([model.dropout.latent, dropout] as const),
        );
        const experts = prior.shape[0];
        return {
          latents: latents.reshape<tf.Tensor2D>([y.shape[0] * experts, weight.shape[1]]),
          priors: tf.softmax(sparseLinear(y, prior)),
        };
      };
      return {
        loss: (y, { batch, targets }, dropout) => {
          const { latents, priors } = mixture(y, batch, dropout);
          return mixtureOfSoftmaxes(latents, priors, weight, bias, targets);
        },
        logits: (y, { batch }, dropout) => {
          const { latents, priors } = mixture(y, batch, dropout);
          return mixtureScores(latents, priors, weight, bias);
        },
      };
    }),
};
