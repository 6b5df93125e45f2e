import { z } from 'zod';
import { NeuralCache } from '../../src/worker/neural-cache.js';
import { Comparison, type Kind } from './case.js';

const settingsSchema = z.object({ theta: z.number(), cacheWeight: z.number(), window: z.int().min(1) });

/** The loss of a cache at every position, for given outputs of a last layer and given logits. */
export const neuralCacheCase: Kind = {
  layouts: ['none'],
  tolerance: 1e-5,
  describes: (entry) => !('model' in entry) && 'cacheWeight' in entry,
  compare({ entry, readTensors }) {
    const { theta, cacheWeight, window } = settingsSchema.parse(entry);
    const comparison = new Comparison();
    const tensors = readTensors();
    const [hidden, logits, targets] = [tensors.floats('hidden'), tensors.floats('logits'), tensors.integers('target')];
    const [units, words] = [tensors.shape('hidden')[1], tensors.shape('logits')[1]];
    const cache = new NeuralCache({ window, theta, weight: cacheWeight });
    const losses = Array.from(targets, (target, t) => {
      const row = logits.subarray(t * words, (t + 1) * words);
      const probability = Math.exp(row[target]) / row.reduce((sum, logit) => sum + Math.exp(logit), 0);
      return cache.loss(hidden.subarray(t * units, (t + 1) * units), probability, target);
    });
    comparison.add('loss', losses, tensors.floats('loss'));
    tensors.requireAllAsked(/./);
    return comparison;
  },
};
