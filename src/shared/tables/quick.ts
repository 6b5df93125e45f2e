import type { PartialRunConfig } from '../run-config.js';
import type { Rates } from './rows.js';
import type { QuickCorpus } from './table.js';

/**
 * The quick protocol: a stacked LSTM of a hundred units, 12 epochs, and averaging from the end of the eighth, since the trigger
 * needs more epochs than there are. One layer, because with two of this size training sits still for epochs at the perplexity
 * of the unigram, and when it leaves is chance; windows are short and the batch small so that there are some 5,000 steps.
 */
export function quickBase(corpus: QuickCorpus): PartialRunConfig {
  return {
    model: { embedding: 100, hidden: 100, layers: 1, dropout: { input: 0.3, output: 0.3 } },
    method: { kind: 'selfish', density: 0.33, removingRate: 0.8 },
    optimizer: { kind: 'snt-asgd', learningRate: 20, averagingFrom: 8 },
    // Of about the same length.
    corpus: corpus === 'built-in' ? { name: corpus, vocabulary: 2000, tokens: 80_000 } : { name: corpus },
    training: { epochs: 12, batch: 10, bptt: 20, evaluationBatch: 10 },
    // A network of this size is trained no faster by more; runs side by side are.
    device: { threads: 1 },
  };
}

/** The best of a few, after 4 epochs of Selfish-RNN on mini-PTB: for Adam 1e-3, 3e-3, 6e-3, 1e-2 and 2e-2, for momentum 1, 2 and 4. */
export const quickRates: Rates = { momentum: 2, adam: 1e-2 };

/** Units of the dense network with as many parameters as a third of the quick one has: by the vocabulary (algorithm page 2.7). */
export const quickSmallUnits: Readonly<Record<QuickCorpus, number>> = { 'mini-ptb': 34, 'built-in': 37 };
