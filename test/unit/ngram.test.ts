import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bigramPerplexity, unigramPerplexity } from '../../src/worker/corpus/ngram.js';

type Text = readonly number[];

const count = (text: Text, word: number) => text.filter((other) => other === word).length;

function naiveUnigram(train: Text, word: number, vocabulary: number): number {
  return (count(train, word) + 1) / (train.length + vocabulary);
}

/** The formula read off the page: every pair is looked for in the whole text, again and again. */
function naiveBigram(train: Text, before: number, word: number, vocabulary: number, end: number): number {
  const followers = train.filter((_, i) => (i === 0 ? end : train[i - 1]) === before);
  const types = new Set(followers).size;
  const unigram = naiveUnigram(train, word, vocabulary);
  if (followers.length === 0) return unigram;
  return (count(followers, word) + types * unigram) / (followers.length + types);
}

function perplexityOf(text: Text, probability: (before: number, word: number) => number, end: number): number {
  const product = text.map((word, i) => probability(i === 0 ? end : text[i - 1], word));
  return Math.exp(-product.reduce((sum, p) => sum + Math.log(p), 0) / text.length);
}

const sample = fc.integer({ min: 2, max: 7 }).chain((vocabulary) => {
  const word = fc.integer({ min: 0, max: vocabulary - 1 });
  const text = fc.array(word, { minLength: 1, maxLength: 40 });
  return fc.record({ vocabulary: fc.constant(vocabulary), train: text, text, end: word });
});

/** The probability a model gives one word, from the perplexity of a text of that word alone. */
const unigramOf = (train: Text, word: number, vocabulary: number) =>
  1 / unigramPerplexity(Int32Array.from(train), Int32Array.of(word), vocabulary);
const bigramOf = (train: Text, before: number, word: number, vocabulary: number) =>
  1 / bigramPerplexity(Int32Array.from(train), Int32Array.of(word), vocabulary, before);

test('the unigram model adds one to every count', () => {
  // "0 0 1" of 3 words: 3/6, 2/6, 1/6. The text "0 2" has a perplexity of 1 / sqrt(1/2 * 1/6).
  expect(unigramPerplexity(Int32Array.of(0, 0, 1), Int32Array.of(0, 2), 3)).toBeCloseTo(Math.sqrt(12), 12);
});

test('the bigram model gives what Witten-Bell smoothing gives by hand', () => {
  // "a b <eos> a <eos>" with a = 0, b = 1, <eos> = 2, and a word 3 never seen; N = 5, V = 4.
  // Unigrams: a 3/9, b 2/9, <eos> 3/9, 3: 1/9. After <eos>: a, a (T = 1). After a: b, <eos> (T = 2). After b: <eos>.
  const train = Int32Array.of(0, 1, 2, 0, 2);
  const cases: [text: number[], probabilities: number[]][] = [
    [[0], [(2 + 1 * (3 / 9)) / (2 + 1)]],
    [
      [0, 1],
      [(2 + 3 / 9) / 3, (1 + 2 * (2 / 9)) / (2 + 2)],
    ],
    [
      [0, 3, 2],
      [(2 + 3 / 9) / 3, (0 + 2 * (1 / 9)) / 4, 3 / 9],
    ],
    [
      [1, 2],
      [(0 + 2 / 9) / 3, (1 + 3 / 9) / 2],
    ],
  ];
  for (const [text, probabilities] of cases) {
    const likelihood = probabilities.reduce((product, p) => product * p, 1);
    expect(bigramPerplexity(train, Int32Array.from(text), 4, 2)).toBeCloseTo(likelihood ** (-1 / text.length), 12);
  }
});

test('the unigram model agrees with counting naively', () => {
  fc.assert(
    fc.property(sample, ({ vocabulary, train, text }) => {
      const expected = perplexityOf(text, (_, word) => naiveUnigram(train, word, vocabulary), 0);
      const actual = unigramPerplexity(Int32Array.from(train), Int32Array.from(text), vocabulary);
      expect(actual / expected).toBeCloseTo(1, 10);
    }),
    { seed: 21 },
  );
});

test('the bigram model agrees with counting naively', () => {
  fc.assert(
    fc.property(sample, ({ vocabulary, train, text, end }) => {
      const expected = perplexityOf(text, (before, word) => naiveBigram(train, before, word, vocabulary, end), end);
      const actual = bigramPerplexity(Int32Array.from(train), Int32Array.from(text), vocabulary, end);
      expect(actual / expected).toBeCloseTo(1, 10);
    }),
    { seed: 22 },
  );
});

test('the unigram probabilities of all words sum to one', () => {
  fc.assert(
    fc.property(sample, ({ vocabulary, train }) => {
      const words = Array.from({ length: vocabulary }, (_, word) => unigramOf(train, word, vocabulary));
      expect(words.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 10);
    }),
    { seed: 23 },
  );
});

test('the bigram probabilities of all words sum to one after every word, seen before or not', () => {
  fc.assert(
    fc.property(sample, ({ vocabulary, train, end }) => {
      const words = Array.from({ length: vocabulary }, (_, word) => bigramOf(train, end, word, vocabulary));
      expect(words.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 10);
    }),
    { seed: 24 },
  );
});

test('pairs of a large vocabulary whose numbers agree in 32 bits are not mixed up', () => {
  const [vocabulary, a, b] = [70_000, 61_356, 47_296];
  expect(a * vocabulary + b).toBe(2 ** 32);
  // Seen: (0, a) and (a, b), but not (0, 0).
  expect(bigramOf([a, b], 0, 0, vocabulary)).toBeCloseTo(0.5 / (2 + vocabulary), 12);
});

test('a text that repeats the pairs of training is less surprising to the bigram than to the unigram model', () => {
  const train = Int32Array.from({ length: 300 }, (_, i) => i % 5);
  const text = Int32Array.from({ length: 50 }, (_, i) => i % 5);
  expect(unigramPerplexity(train, text, 5)).toBeCloseTo(5, 2);
  expect(bigramPerplexity(train, text, 5, 4)).toBeLessThan(1.1);
});
