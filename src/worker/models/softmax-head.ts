import { decodeAndCrossEntropy } from '../ops/decode-and-cross-entropy.js';
import { sparseLinear } from '../ops/sparse-linear.js';
import type { Named } from './parts.js';
import type { Head } from './recurrent-model.js';

/** logits = W y + b, of which the softmax are the probabilities; W may be the embedding (tied). */
export function softmaxHead(named: Named): Head {
  const { weight, bias } = named.decoder();
  return {
    loss: (y, { targets }) => decodeAndCrossEntropy(y, weight, bias, targets),
    logits: (y) => sparseLinear(y, weight, bias),
  };
}
