import type { Corpus } from './corpus.js';
import { bigramPerplexity, unigramPerplexity } from './ngram.js';
import { endOfSentence } from './tokenise.js';

/** What simple models and, where the language is known, a perfect one reach on a text of a corpus. */
export function referencePerplexities(corpus: Corpus, split: 'valid' | 'test') {
  const { ids, words, bestPossible } = corpus;
  return {
    unigram: unigramPerplexity(ids.train, ids[split], words.length),
    bigram: bigramPerplexity(ids.train, ids[split], words.length, words.indexOf(endOfSentence)),
    ...(bestPossible === undefined ? {} : { bestPossible: bestPossible[split] }),
  };
}
