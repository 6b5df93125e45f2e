import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { BuiltInLanguage, builtInCorpus } from '../../src/worker/corpus/built-in-language.js';
import type { Corpus } from '../../src/worker/corpus/corpus.js';
import { bigramPerplexity, unigramPerplexity } from '../../src/worker/corpus/ngram.js';
import { wordsOf } from '../../src/worker/corpus/tokenise.js';
import { RandomStream } from '../../src/worker/random/random.js';

type Place = 'opener' | 'subject' | 'beforeVerb' | 'verb' | 'beforeObject' | 'object' | 'closer' | 'end';

/** A hidden state: a place in the sentence, the kind and the particle of the sentence. */
interface State {
  readonly place: Place;
  readonly kind: number;
  readonly particle: number;
}

const kinds = [0, 1, 2, 3, 4, 5, 6, 7];
const particles = [0, 1, 2, 3, 4, 5];
const noise = 0.05;
const keepKind = 0.75;
const another = { modifier: 0.4, clause: 0.3 };

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const harmonic = (count: number) => sum(Array.from({ length: count }, (_, i) => 1 / (i + 1)));
const zipf = (rank: number, count: number) => 1 / (rank + 1) / harmonic(count);

const syllables = 'bdfgklmnprstvz'
  .split('')
  .flatMap((consonant) => 'aeiou'.split('').map((vowel) => consonant + vowel));
const pseudoWords = [...syllables, ...syllables.flatMap((first) => syllables.map((second) => first + second))];

/** The language written a second time, as a plain hidden Markov model with no forward algorithm. */
class Process {
  readonly openers: readonly string[];
  readonly closers: readonly string[];
  readonly modifiers: readonly string[];
  readonly nouns: readonly (readonly string[])[];
  readonly verbs: readonly (readonly string[])[];

  constructor(vocabulary: number) {
    const left = pseudoWords.slice(0, vocabulary - 1); // one is <eos>
    const take = (count: number) => left.splice(0, count);
    this.openers = take(6);
    this.closers = take(6);
    this.modifiers = take(Math.max(8, Math.round(vocabulary / 20)));
    // Sixteen classes of sizes that differ by one at most, the larger ones last.
    const [size, larger] = [Math.floor(left.length / 16), left.length % 16];
    const classes = Array.from({ length: 16 }, (_, i) => take(i >= 16 - larger ? size + 1 : size));
    this.nouns = classes.slice(0, 8);
    this.verbs = classes.slice(8);
  }

  get words(): string[] {
    return [...this.openers, ...this.closers, ...this.modifiers, ...this.nouns.flat(), ...this.verbs.flat(), '<eos>'];
  }

  start(): [State, number][] {
    return kinds.flatMap((kind) =>
      particles.map((particle): [State, number] => [
        { place: 'opener', kind, particle },
        zipf(kind, 8) * zipf(particle, 6),
      ]),
    );
  }

  successors(state: State): [State, number][] {
    const to = (place: Place, probability: number): [State, number] => [{ ...state, place }, probability];
    switch (state.place) {
      case 'opener':
        return [to('subject', 1)];
      case 'subject':
        return [to('beforeVerb', 1)];
      case 'beforeVerb':
        return [to('beforeVerb', another.modifier), to('verb', 1 - another.modifier)];
      case 'verb':
        return [to('beforeObject', 1)];
      case 'beforeObject':
        return [to('beforeObject', another.modifier), to('object', 1 - another.modifier)];
      case 'object':
        return [to('beforeVerb', another.clause), to('closer', 1 - another.clause)];
      case 'closer':
        return [to('end', 1)];
      case 'end':
        return this.start().map(([next, probability]) => {
          const kept = next.kind === state.kind ? keepKind * zipf(next.particle, 6) : 0;
          return [next, kept + (1 - keepKind) * probability];
        });
    }
  }

  emission({ place, kind, particle }: State, word: string): number {
    const ofClass = (words: readonly string[]) => (words.includes(word) ? zipf(words.indexOf(word), words.length) : 0);
    const agreeing = (classes: readonly (readonly string[])[]) =>
      sum(classes.map((words, other) => ofClass(words) * (noise / 8 + (other === kind ? 1 - noise : 0))));
    switch (place) {
      case 'opener':
        return word === this.openers[particle] ? 1 : 0;
      case 'subject':
      case 'object':
        return agreeing(this.nouns);
      case 'verb':
        return agreeing(this.verbs);
      case 'beforeVerb':
      case 'beforeObject':
        return ofClass(this.modifiers);
      case 'closer':
        return word === this.closers[particle] ? 1 : 0;
      case 'end':
        return word === '<eos>' ? 1 : 0;
    }
  }

  /** Probability that a text begins with these words: each hidden path is walked on its own and all are added up. */
  likelihood(words: readonly string[]): number {
    const along = (state: State, position: number): number => {
      const said = this.emission(state, words[position]);
      if (said === 0 || position === words.length - 1) return said;
      return said * sum(this.successors(state).map(([next, probability]) => probability * along(next, position + 1)));
    };
    return words.length === 0 ? 1 : sum(this.start().map(([state, probability]) => probability * along(state, 0)));
  }

  perplexity(lines: readonly string[]): number {
    const words = lines.flatMap((line) => [...line.split(' '), '<eos>']);
    return this.likelihood(words) ** (-1 / words.length);
  }
}

const stream = (counter: number) => new RandomStream(5, 'language', 100, counter);
/** Relative distance. */
const distance = (value: number, expected: number) => Math.abs(value / expected - 1);
const sample = (vocabulary: number, words: number, counter: number) =>
  new BuiltInLanguage(vocabulary).sample(words, stream(counter));

describe('the forward algorithm', () => {
  test('gives the perplexity that adding up all hidden paths gives, on sampled texts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 700 }), fc.nat(1000), (vocabulary, counter) => {
        const lines = sample(vocabulary, 14, counter).slice(0, 3);
        const expected = new Process(vocabulary).perplexity(lines);
        expect(new BuiltInLanguage(vocabulary).perplexity(lines) / expected).toBeCloseTo(1, 10);
      }),
      { seed: 31, numRuns: 40 },
    );
  });

  test('does so, too, where the words of a sentence agree in nothing', () => {
    const process = new Process(200);
    const language = new BuiltInLanguage(200);
    const [modifier, noun, verb] = [process.modifiers, process.nouns.flat(), process.verbs.flat()].map((words) =>
      fc.constantFrom(...words),
    );
    const gap = fc.array(modifier, { minLength: 1, maxLength: 3 });
    const clause = fc.tuple(gap, verb, gap, noun).map((parts) => parts.flat());
    const sentence = fc
      .tuple(fc.nat(5), noun, fc.array(clause, { minLength: 1, maxLength: 2 }))
      .map(([pair, subject, clauses]) =>
        [process.openers[pair], subject, ...clauses.flat(), process.closers[pair]].join(' '),
      );
    fc.assert(
      fc.property(fc.array(sentence, { minLength: 1, maxLength: 2 }), (lines) => {
        expect(language.perplexity(lines) / process.perplexity(lines)).toBeCloseTo(1, 10);
      }),
      { seed: 32, numRuns: 40 },
    );
  });

  test('knows every word of the vocabulary and how likely it is', () => {
    const process = new Process(137);
    const language = new BuiltInLanguage(137);
    const sentence = (changed: Partial<Record<'pair' | 'modifier' | 'noun' | 'verb', string>>) => {
      const pair = changed.pair ?? process.openers[0];
      const closer = process.closers[process.openers.indexOf(pair)];
      const modifier = changed.modifier ?? process.modifiers[0];
      const noun = changed.noun ?? process.nouns[0][0];
      return `${pair} ${noun} ${modifier} ${changed.verb ?? process.verbs[0][0]} ${modifier} ${noun} ${closer}`;
    };
    const sentences = [
      ...process.openers.map((pair) => sentence({ pair })),
      ...process.modifiers.map((modifier) => sentence({ modifier })),
      ...process.nouns.flat().map((noun) => sentence({ noun })),
      ...process.verbs.flat().map((verb) => sentence({ verb })),
    ];
    expect(new Set(sentences.flatMap((line) => line.split(' '))).size).toBe(136);
    for (const line of sentences) {
      expect(language.perplexity([line]) / process.perplexity([line])).toBeCloseTo(1, 10);
    }
  });

  test('is measured on a process whose predictions sum to one over the vocabulary after any beginning', () => {
    const process = new Process(100);
    expect(process.words).toHaveLength(100);
    const words = sample(100, 12, 7).flatMap((line) => [...line.split(' '), '<eos>']);
    for (let length = 0; length < Math.min(words.length, 14); length++) {
      const before = words.slice(0, length);
      const next = process.words.map((word) => process.likelihood([...before, word]) / process.likelihood(before));
      expect(sum(next)).toBeCloseTo(1, 10);
    }
  });

  test.each([
    { text: 'an opener with the closer of another', lines: ['ba bafa fe bafi fe bafa da'] },
    { text: 'a word that is not of the language', lines: ['sparrow'] },
    { text: 'a blank line', lines: [''] },
    { text: 'a sentence without a closer', lines: ['ba'] },
  ])('refuses $text', ({ lines }) => {
    expect(() => new BuiltInLanguage(100).perplexity(lines)).toThrow('the built-in language cannot say');
  });
});

describe('the text', () => {
  const fingerprint = ({ words, ids }: Corpus) =>
    createHash('sha256')
      .update(JSON.stringify([words, [...ids.train], [...ids.valid], [...ids.test]]))
      .digest('hex');

  test('of one vocabulary, length and seed is the same for ever', () => {
    const corpus = builtInCorpus({ vocabulary: 100, tokens: 1000, seed: 1 });
    expect(Array.from(corpus.ids.train.subarray(0, 18), (id) => corpus.words[id]).join(' ')).toBe(
      'bi mo gi babe fi me do <eos> be mi ge fi fi zu ge mi gu zu',
    );
    expect(fingerprint(corpus)).toBe('48cca2c7e04f4f2edf351a6fe3039628bd38afa6599264e7f9caa6f80991753f');
    expect(corpus.bestPossible?.valid).toBeCloseTo(6.3818252524674035, 9);
    expect(corpus.bestPossible?.test).toBeCloseTo(7.299830995800409, 9);
  });

  test('changes with the seed, the vocabulary and the length', () => {
    const settings = { vocabulary: 100, tokens: 1000, seed: 1 };
    const others = [
      settings,
      { ...settings, seed: 2 },
      { ...settings, vocabulary: 101 },
      { ...settings, tokens: 1100 },
    ];
    expect(new Set(others.map((other) => fingerprint(builtInCorpus(other)))).size).toBe(4);
  });

  test('has as many words as asked, or the few more that end a sentence, and a tenth to validate and test on', () => {
    for (const tokens of [1000, 1001, 5555]) {
      const { ids } = builtInCorpus({ vocabulary: 100, tokens, seed: 3 });
      for (const [length, asked] of [
        [ids.train.length, tokens],
        [ids.valid.length, Math.ceil(tokens / 10)],
        [ids.test.length, Math.ceil(tokens / 10)],
      ]) {
        expect(length).toBeGreaterThanOrEqual(asked);
        expect(length).toBeLessThan(asked + 60);
      }
    }
  });

  test('of each split is another one', () => {
    const { ids } = builtInCorpus({ vocabulary: 100, tokens: 2000, seed: 1 });
    expect(ids.valid.subarray(0, 100)).not.toEqual(ids.train.subarray(0, 100));
    expect(ids.test.subarray(0, 100)).not.toEqual(ids.train.subarray(0, 100));
    expect(ids.test.subarray(0, 100)).not.toEqual(ids.valid.subarray(0, 100));
  });

  test.each([
    { vocabulary: 100, tokens: 20_000 },
    { vocabulary: 101, tokens: 20_000 },
    { vocabulary: 257, tokens: 50_000 },
    { vocabulary: 500, tokens: 100_000 },
    { vocabulary: 2000, tokens: 600_000 },
  ])('that is long enough says all $vocabulary words of the vocabulary', ({ vocabulary, tokens }) => {
    const lines = sample(vocabulary, tokens, 1);
    const said = new Set([...lines.flatMap((line) => wordsOf(line)), '<eos>']);
    expect(said.size).toBe(vocabulary);
    expect(said).toEqual(new Set(new Process(vocabulary).words));
  });

  test('that is shorter says most words, and the vocabulary is of those that are said', () => {
    const { words, ids } = builtInCorpus({ vocabulary: 2000, tokens: 40_000, seed: 1 });
    expect(words.length).toBe(new Set([...ids.train, ...ids.valid, ...ids.test]).size);
    expect(words.length).toBeGreaterThan(0.8 * 2000);
    expect(words.length).toBeLessThan(2000);
  });

  test.each([500, 2000])('of %i words falls off with rank about as Zipf says', (vocabulary) => {
    const counts = new Map<string, number>();
    for (const word of sample(vocabulary, 100_000, 2).flatMap((line) => wordsOf(line))) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const frequencies = [...counts.values()].sort((a, b) => b - a);
    const points = frequencies.slice(0, vocabulary / 2).map((count, i) => [Math.log(i + 1), Math.log(count)]);
    const [x, y] = [0, 1].map((axis) => sum(points.map((point) => point[axis])) / points.length);
    const slope = sum(points.map(([a, b]) => (a - x) * (b - y))) / sum(points.map(([a]) => (a - x) ** 2));
    expect(slope).toBeGreaterThan(-1.3);
    expect(slope).toBeLessThan(-0.8);
  });
});

describe('the process', () => {
  const process = new Process(500);
  let sentences: string[][];
  beforeAll(() => {
    sentences = sample(500, 60_000, 3).map((line) => line.split(' '));
  });
  const kindOf = (classes: readonly (readonly string[])[], word: string) =>
    classes.findIndex((words) => words.includes(word));

  test('closes every sentence with the closer that belongs to its opener', () => {
    for (const sentence of sentences) {
      expect(process.closers.indexOf(sentence.at(-1)!)).toBe(process.openers.indexOf(sentence[0]));
    }
    expect(new Set(sentences.map(([opener]) => opener)).size).toBe(6);
  });

  test('makes verbs and objects agree with a subject that stands at least two words before', () => {
    const agreeing = sentences.map((sentence) => {
      const subject = kindOf(process.nouns, sentence[1]);
      const object = sentence.findIndex((word, i) => i > 1 && kindOf(process.nouns, word) >= 0);
      const verb = sentence.findIndex((word) => kindOf(process.verbs, word) >= 0);
      expect(verb).toBeGreaterThanOrEqual(3);
      expect(object).toBeGreaterThanOrEqual(verb + 2);
      return [kindOf(process.verbs, sentence[verb]) === subject, kindOf(process.nouns, sentence[object]) === subject];
    });
    // Both words are of one kind if neither is noise, or by chance.
    const own = 1 - (noise * 7) / 8;
    const expected = own ** 2 + 7 * (noise / 8) ** 2;
    for (const which of [0, 1]) {
      expect(distance(agreeing.filter((pair) => pair[which]).length / agreeing.length, expected)).toBeLessThan(0.015);
    }
  });

  test('has as many modifiers and clauses as its probabilities say', () => {
    const verbs = sentences.flat().filter((word) => kindOf(process.verbs, word) >= 0).length;
    const modifiers = sentences.flat().filter((word) => process.modifiers.includes(word)).length;
    expect(distance(verbs / sentences.length, 1 / (1 - another.clause))).toBeLessThan(0.03);
    expect(distance(modifiers / (2 * verbs), 1 / (1 - another.modifier))).toBeLessThan(0.03);
  });

  test('keeps the kind of the sentence before more often than chance', () => {
    const subjects = sentences.map(([, subject]) => kindOf(process.nouns, subject));
    const kept = subjects.filter((kind, i) => i > 0 && kind === subjects[i - 1]).length / (subjects.length - 1);
    const chance = sum(kinds.map((kind) => zipf(kind, 8) ** 2));
    const own = 1 - (noise * 7) / 8;
    const expected = own ** 2 * (keepKind + (1 - keepKind) * chance);
    expect(distance(kept, expected)).toBeLessThan(0.04);
  });
});

describe('the best possible perplexity', () => {
  test.each([
    { vocabulary: 500, tokens: 100_000 },
    { vocabulary: 2000, tokens: 400_000 },
  ])('is at most two thirds of what a bigram model reaches, with $vocabulary words', ({ vocabulary, tokens }) => {
    const { words, ids, bestPossible } = builtInCorpus({ vocabulary, tokens, seed: 1 });
    expect(words).toHaveLength(vocabulary);
    const end = words.indexOf('<eos>');
    for (const split of ['valid', 'test'] as const) {
      const bigram = bigramPerplexity(ids.train, ids[split], words.length, end);
      expect(bigram).toBeGreaterThan(1.5 * bestPossible![split]);
      expect(unigramPerplexity(ids.train, ids[split], words.length)).toBeGreaterThan(1.5 * bigram);
    }
  });

  test('hardly depends on which text is measured', () => {
    const language = new BuiltInLanguage(500);
    const measured = [1, 2, 3, 4, 5].map((counter) => language.perplexity(language.sample(60_000, stream(counter))));
    const mean = sum(measured) / measured.length;
    for (const perplexity of measured) expect(distance(perplexity, mean)).toBeLessThan(0.04);
    const { bestPossible } = builtInCorpus({ vocabulary: 500, tokens: 200_000, seed: 9 });
    expect(distance(bestPossible!.valid, mean)).toBeLessThan(0.05);
    expect(distance(bestPossible!.test, mean)).toBeLessThan(0.05);
  });

  test('is reached on text that the written-out process says, as on text of the language itself', () => {
    const process = new Process(500);
    const random = stream(77);
    const draw = <T>(choices: readonly (readonly [T, number])[]): T => {
      let left = random.next();
      return (choices.find(([, probability]) => (left -= probability) < 0) ?? choices.at(-1)!)[0];
    };
    const tables = new Map<string, [string, number][]>();
    const wordsOfState = (state: State) => {
      const key = JSON.stringify(state);
      const known = tables.get(key);
      if (known !== undefined) return known;
      const emissions = process.words.map((word): [string, number] => [word, process.emission(state, word)]);
      tables.set(key, emissions);
      return emissions;
    };
    const lines: string[] = [];
    let sentence: string[] = [];
    for (
      let [state, said] = [draw(process.start()), 0];
      said < 30_000;
      state = draw(process.successors(state)), said++
    ) {
      if (state.place !== 'end') sentence.push(draw(wordsOfState(state)));
      else {
        lines.push(sentence.join(' '));
        sentence = [];
      }
    }
    const language = new BuiltInLanguage(500);
    expect(distance(language.perplexity(lines), language.perplexity(sample(500, 30_000, 6)))).toBeLessThan(0.05);
  });
});
