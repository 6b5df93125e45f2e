import { RandomStream } from '../random/random.js';
import { corpusFromTexts, splits, type BySplit, type Corpus, type CorpusSize } from './corpus.js';
import { endOfSentence, linesOf, wordsOf } from './tokenise.js';

/**
 * The built-in language: synthetic text that needs no download and of which everything is known, so that the lowest
 * perplexity any model can expect on it is computed and not guessed.
 *
 * It is a hidden Markov process. The hidden state is (place in the sentence, kind, particle):
 *
 *     opener  subject  modifier+  verb  modifier+  object  [ modifier+  verb  modifier+  object ]...  closer  <eos>
 *
 * - The *kind* is drawn at the start of a sentence, mostly the one of the sentence before. Subject, verbs and objects agree
 *   with it: they come from the words of that kind (with a little noise).
 * - The *particle* is drawn at the start of a sentence, too: its opener and its closer are a pair.
 * - Modifiers are common words that say nothing about either, nor whether a verb or an object is due.
 *
 * A bigram model sees a modifier before each verb and object and cannot know kind, place or particle. Whoever remembers
 * the sentence can. Within each class of words, frequencies follow Zipf's law.
 */
const kinds = 8;
const particles = 6;
const noise = 0.05; // share of agreeing words whose kind is drawn anew, from all kinds alike
const keepKind = 0.75; // probability that a sentence keeps the kind of the one before
const moreModifiers = 0.4;
const anotherClause = 0.3;

const places = ['opener', 'subject', 'beforeVerb', 'verb', 'beforeObject', 'object', 'closer', 'end'] as const;
type Place = (typeof places)[number];

/** Where a sentence goes from each place; `opener` after `end` begins a new sentence. */
const successors: Readonly<Record<Place, readonly (readonly [to: Place, probability: number])[]>> = {
  opener: [['subject', 1]],
  subject: [['beforeVerb', 1]],
  beforeVerb: [
    ['beforeVerb', moreModifiers],
    ['verb', 1 - moreModifiers],
  ],
  verb: [['beforeObject', 1]],
  beforeObject: [
    ['beforeObject', moreModifiers],
    ['object', 1 - moreModifiers],
  ],
  object: [
    ['beforeVerb', anotherClause],
    ['closer', 1 - anotherClause],
  ],
  closer: [['end', 1]],
  end: [['opener', 1]],
};

/** Words of one class, most frequent first, with Zipf's probabilities. */
interface WordClass {
  readonly words: readonly string[];
  readonly probabilities: readonly number[];
}

/** What can be said of a word that is seen: which class it is of, which kind or particle, and how likely it is in its class. */
interface Reading {
  readonly places: readonly Place[];
  readonly kind?: number;
  readonly particle?: number;
  readonly probability: number;
}

export class BuiltInLanguage {
  readonly #particlePrior = zipf(particles);
  readonly #kindPrior = zipf(kinds);
  readonly #openers: readonly string[];
  readonly #closers: readonly string[];
  readonly #modifiers: WordClass;
  readonly #nouns: readonly WordClass[];
  readonly #verbs: readonly WordClass[];
  readonly #readings = new Map<string, Reading>();

  /** @param vocabulary number of words, `<eos>` included; at least 100 */
  constructor(vocabulary: number) {
    let made = 0;
    const make = (count: number) => Array.from({ length: count }, () => pseudoWord(made++));
    const classOf = (count: number): WordClass => ({ words: make(count), probabilities: zipf(count) });
    this.#openers = make(particles);
    this.#closers = make(particles);
    this.#modifiers = classOf(Math.max(8, Math.round(vocabulary / 20)));
    const content = vocabulary - 1 - made;
    const sizes = Array.from({ length: 2 * kinds }, (_, i) => Math.floor((content + i) / (2 * kinds)));
    this.#nouns = sizes.slice(0, kinds).map(classOf);
    this.#verbs = sizes.slice(kinds).map(classOf);
    this.#read();
  }

  /** Lines of text with at least `words` words, each `<eos>` counted. */
  sample(words: number, random: RandomStream): string[] {
    const draw = (probabilities: readonly number[]) => choose(probabilities, random.next());
    const pick = ({ words: choices, probabilities }: WordClass) => choices[draw(probabilities)];
    const agreeing = (classes: readonly WordClass[], kind: number) =>
      pick(classes[random.next() < noise ? Math.floor(random.next() * kinds) : kind]);
    const lines: string[] = [];
    let kind = draw(this.#kindPrior);
    for (let written = 0; written < words;) {
      const particle = draw(this.#particlePrior);
      const sentence: string[] = [];
      for (let place: Place = 'opener'; place !== 'end'; place = next(place, random.next())) {
        switch (place) {
          case 'opener':
            sentence.push(this.#openers[particle]);
            break;
          case 'subject':
          case 'object':
            sentence.push(agreeing(this.#nouns, kind));
            break;
          case 'verb':
            sentence.push(agreeing(this.#verbs, kind));
            break;
          case 'beforeVerb':
          case 'beforeObject':
            sentence.push(pick(this.#modifiers));
            break;
          case 'closer':
            sentence.push(this.#closers[particle]);
            break;
        }
      }
      lines.push(sentence.join(' '));
      written += sentence.length + 1;
      if (random.next() >= keepKind) kind = draw(this.#kindPrior);
    }
    return lines;
  }

  /**
   * Perplexity of a text under the process itself, by the forward algorithm (L. Rabiner: A Tutorial on Hidden Markov
   * Models, 1989): no model can expect a lower one. The text begins with a sentence.
   */
  perplexity(lines: readonly string[]): number {
    let logLikelihood = 0;
    let words = 0;
    let belief: Belief | undefined;
    for (const line of lines) {
      for (const word of [...wordsOf(line), endOfSentence]) {
        const expected = belief === undefined ? this.#start() : this.#advance(belief);
        const likelihood = this.#condition(expected, word);
        if (!(likelihood > 0)) throw new Error(`the built-in language cannot say ${JSON.stringify(word)} here`);
        logLikelihood += Math.log(likelihood);
        words += 1;
        belief = expected;
      }
    }
    return Math.exp(-logLikelihood / words);
  }

  /** What is believed before the first word. */
  #start(): Belief {
    const belief = new Belief();
    for (let kind = 0; kind < kinds; kind++) {
      for (let particle = 0; particle < particles; particle++) {
        belief.add('opener', kind, particle, this.#kindPrior[kind] * this.#particlePrior[particle]);
      }
    }
    return belief;
  }

  /** One step of the process. */
  #advance(belief: Belief): Belief {
    const next = new Belief();
    for (const place of places) {
      for (const [to, probability] of successors[place]) {
        if (place !== 'end') {
          next.addAll(to, belief, place, probability);
          continue;
        }
        const ofKind = Array.from({ length: kinds }, (_, kind) => belief.ofKind('end', kind));
        const total = ofKind.reduce((sum, mass) => sum + mass, 0);
        for (let kind = 0; kind < kinds; kind++) {
          const mass = keepKind * ofKind[kind] + (1 - keepKind) * total * this.#kindPrior[kind];
          for (let particle = 0; particle < particles; particle++) {
            next.add(to, kind, particle, mass * this.#particlePrior[particle]);
          }
        }
      }
    }
    return next;
  }

  /** Keeps of a belief what agrees with a word, scaled to 1, and returns how likely the word was. */
  #condition(belief: Belief, word: string): number {
    const reading = this.#readings.get(word);
    if (reading === undefined) return 0;
    return belief.keep((place, kind, particle) => {
      if (!reading.places.includes(place)) return 0;
      if (reading.particle !== undefined) return reading.particle === particle ? reading.probability : 0;
      if (reading.kind === undefined) return reading.probability;
      return reading.probability * (noise / kinds + (reading.kind === kind ? 1 - noise : 0));
    });
  }

  #read(): void {
    const readings = this.#readings;
    readings.set(endOfSentence, { places: ['end'], probability: 1 });
    this.#openers.forEach((word, particle) => readings.set(word, { places: ['opener'], particle, probability: 1 }));
    this.#closers.forEach((word, particle) => readings.set(word, { places: ['closer'], particle, probability: 1 }));
    const readClass = ({ words, probabilities }: WordClass, reading: Omit<Reading, 'probability'>) => {
      words.forEach((word, i) => readings.set(word, { ...reading, probability: probabilities[i] }));
    };
    readClass(this.#modifiers, { places: ['beforeVerb', 'beforeObject'] });
    this.#nouns.forEach((nouns, kind) => {
      readClass(nouns, { places: ['subject', 'object'], kind });
    });
    this.#verbs.forEach((verbs, kind) => {
      readClass(verbs, { places: ['verb'], kind });
    });
  }
}

/** A distribution over hidden states. */
class Belief {
  readonly #mass = new Float64Array(places.length * kinds * particles);

  add(place: Place, kind: number, particle: number, mass: number): void {
    this.#mass[places.indexOf(place) * kinds * particles + kind * particles + particle] += mass;
  }

  /** Adds what another belief has at a place, kind and particle kept. */
  addAll(place: Place, other: Belief, from: Place, factor: number): void {
    const [to, source] = [places.indexOf(place), places.indexOf(from)].map((index) => index * kinds * particles);
    for (let i = 0; i < kinds * particles; i++) this.#mass[to + i] += factor * other.#mass[source + i];
  }

  ofKind(place: Place, kind: number): number {
    const start = (places.indexOf(place) * kinds + kind) * particles;
    return this.#mass.subarray(start, start + particles).reduce((sum, mass) => sum + mass, 0);
  }

  /** Multiplies every state by a likelihood, scales to 1 and returns the sum before that. */
  keep(likelihood: (place: Place, kind: number, particle: number) => number): number {
    let sum = 0;
    let i = 0;
    for (const place of places) {
      for (let kind = 0; kind < kinds; kind++) {
        for (let particle = 0; particle < particles; particle++) {
          if (this.#mass[i] > 0) this.#mass[i] *= likelihood(place, kind, particle);
          sum += this.#mass[i++];
        }
      }
    }
    if (sum > 0) for (let j = 0; j < this.#mass.length; j++) this.#mass[j] /= sum;
    return sum;
  }
}

/** Of `RunConfig['corpus']`. */
export interface BuiltInSettings {
  readonly vocabulary: number;
  /** Words of the training text; validation and test text have a tenth of that each. */
  readonly tokens: number;
  readonly seed: number;
}

/** Text of the built-in language. The same settings make the same text everywhere. */
export function builtInCorpus(settings: BuiltInSettings): Corpus {
  const language = new BuiltInLanguage(settings.vocabulary);
  const texts = textsOf(language, settings);
  const { valid, test } = texts;
  return {
    ...corpusFromTexts('built-in', texts),
    bestPossible: { valid: language.perplexity(linesOf(valid)), test: language.perplexity(linesOf(test)) },
  };
}

/** Of a built-in corpus: rare words of the language may be missing in a short text, and its last sentence is whole. */
export function builtInSize(settings: BuiltInSettings): CorpusSize {
  const { words, ids } = corpusFromTexts('built-in', textsOf(new BuiltInLanguage(settings.vocabulary), settings));
  return { vocabulary: words.length, trainingTokens: ids.train.length };
}

function textsOf(language: BuiltInLanguage, { tokens, seed }: BuiltInSettings): BySplit<string> {
  const [train, valid, test] = splits.map((split, index) => {
    const words = split === 'train' ? tokens : Math.ceil(tokens / 10);
    return language.sample(words, new RandomStream(seed, 'language', index)).join('\n');
  });
  return { train, valid, test };
}

/** Zipf's law: the r-th of `count` has a probability proportional to 1 / r. */
function zipf(count: number): number[] {
  const weights = Array.from({ length: count }, (_, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function next(place: Place, uniform: number): Place {
  const choices = successors[place];
  const chosen = choose(
    choices.map(([, probability]) => probability),
    uniform,
  );
  return choices[chosen][0];
}

/** Index of the interval of a distribution in which a number of [0, 1) falls. */
function choose(probabilities: readonly number[], uniform: number): number {
  let left = uniform;
  for (const [i, probability] of probabilities.entries()) {
    left -= probability;
    if (left < 0) return i;
  }
  return probabilities.length - 1;
}

/** A pronounceable word for a number: ba, be, ..., zu, baba, babe, ... */
function pseudoWord(number: number): string {
  const consonants = 'bdfgklmnprstvz';
  const vowels = 'aeiou';
  const syllables = consonants.length * vowels.length;
  const syllable = consonants[Math.floor((number % syllables) / vowels.length)] + vowels[number % vowels.length];
  return number < syllables ? syllable : pseudoWord(Math.floor(number / syllables) - 1) + syllable;
}
