import { Vocabulary } from './tokenise.js';

export const splits = ['train', 'valid', 'test'] as const;
export type Split = (typeof splits)[number];
/** One thing for each split. */
export type BySplit<T> = Readonly<Record<Split, T>>;

/** A text to learn from and two to be measured on, with the vocabulary that they share. */
export interface Corpus {
  readonly name: string;
  readonly words: readonly string[];
  readonly ids: BySplit<Int32Array>;
  /** Where the language is known: the lowest perplexity that any model can expect on a split. */
  readonly bestPossible?: Readonly<Record<'valid' | 'test', number>>;
}

/** What a model and its training need to know of a corpus. */
export interface CorpusSize {
  readonly vocabulary: number;
  /** Words of the training text, each `<eos>` counted. */
  readonly trainingTokens: number;
}

/** One vocabulary over all splits, in the order train, valid, test. */
export function corpusFromTexts(name: string, texts: BySplit<string>): Corpus {
  const vocabulary = new Vocabulary();
  const [train, valid, test] = splits.map((split) => vocabulary.encode(texts[split])) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  return { name, words: vocabulary.words, ids: { train, valid, test } };
}
