/**
 * Simple models that a recurrent network must beat, fitted to the training text alone. Perplexity is over every word of a
 * text, each `<eos>` included.
 */

/** Perplexity of the unigram model with add-one smoothing: P(w) = (c(w) + 1) / (N + V). */
export function unigramPerplexity(train: Int32Array, text: Int32Array, vocabulary: number): number {
  const counts = countWords(train, vocabulary);
  return perplexity(text, (word) => (counts[word] + 1) / (train.length + vocabulary));
}

/**
 * Perplexity of the interpolated bigram model with Witten-Bell weights (T. Bell, J. Cleary, I. Witten: Text Compression,
 * 1990; S. Chen, J. Goodman: An Empirical Study of Smoothing Techniques for Language Modeling, 1998): with c the count of a
 * history, T the number of different words seen after it and P₁ the unigram model,
 *
 *     P(w | v) = (c(v w) + T(v) P₁(w)) / (c(v) + T(v))
 *
 * A text begins as if a sentence had just ended.
 *
 * @param endOfSentence id of `<eos>`
 */
export function bigramPerplexity(
  train: Int32Array,
  text: Int32Array,
  vocabulary: number,
  endOfSentence: number,
): number {
  const unigrams = countWords(train, vocabulary);
  const bigrams = new Map<number, number>();
  const histories = new Uint32Array(vocabulary);
  const followers = new Uint32Array(vocabulary);
  let previous = endOfSentence;
  for (const word of train) {
    const key = previous * vocabulary + word;
    const count = bigrams.get(key) ?? 0;
    if (count === 0) followers[previous]++;
    bigrams.set(key, count + 1);
    histories[previous]++;
    previous = word;
  }
  previous = endOfSentence;
  return perplexity(text, (word) => {
    const unigram = (unigrams[word] + 1) / (train.length + vocabulary);
    const [c, t] = [histories[previous], followers[previous]];
    const together = bigrams.get(previous * vocabulary + word) ?? 0;
    previous = word;
    return c === 0 ? unigram : (together + t * unigram) / (c + t);
  });
}

function countWords(text: Int32Array, vocabulary: number): Uint32Array {
  const counts = new Uint32Array(vocabulary);
  for (const word of text) counts[word]++;
  return counts;
}

function perplexity(text: Int32Array, probability: (word: number) => number): number {
  let logLikelihood = 0;
  for (const word of text) logLikelihood += Math.log(probability(word));
  return Math.exp(-logLikelihood / text.length);
}
