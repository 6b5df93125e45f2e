import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, UserError } from '../../shared/errors.js';
import { parseRunConfig } from '../../shared/run-config.js';
import { syncFolder } from '../storage/atomic-file.js';
import { corpusFromTexts, splits, type BySplit, type Corpus, type CorpusSize, type Split } from './corpus.js';
import { linesOf, wordsOf } from './tokenise.js';

/**
 * The corpora of a data folder: a folder each, with three texts and a record of what they are. A corpus is there whole or
 * not at all: it is put together beside its place and takes it by one rename.
 */
const fileRecord = z.object({
  bytes: z.int(),
  sha256: z.string(),
  lines: z.int(),
  /** Words and `<eos>`. */
  tokens: z.int(),
  /** Where it came from: a path or an address. */
  from: z.string(),
});

const recordSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  origin: z.enum(['imported', 'fetched']),
  created: z.string(),
  vocabulary: z.int(),
  files: z.object({ train: fileRecord, valid: fileRecord, test: fileRecord }),
});
export type CorpusRecord = z.output<typeof recordSchema>;

/** A text on its way into the library. */
export interface SourceText {
  readonly bytes: Uint8Array;
  readonly from: string;
}

const recordFile = 'corpus.json';
const reserved = ['built-in'];

/** The records of all corpora of a folder, by name. */
export function listCorpora(folder: string): CorpusRecord[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')) // drafts
    .filter((entry) => existsSync(join(folder, entry.name, recordFile)))
    .map(({ name }) => name);
  return names.sort().map((name) => readRecord(folder, name));
}

/** The record of one corpus, or undefined where there is none of that name. */
export function corpusRecord(folder: string, name: string): CorpusRecord | undefined {
  return existsSync(join(folder, name, recordFile)) ? readRecord(folder, name) : undefined;
}

/**
 * Reads a corpus and makes sure that its texts are what they were when it came.
 * @throws UserError where it is not there, or has changed
 */
export function loadCorpus(folder: string, name: string): Corpus {
  const record = recordNamed(folder, name);
  const read = (split: Split): string => {
    const path = textPath(folder, name, split);
    const bytes = readBytes(path);
    if (sha256(bytes) !== record.files[split].sha256) {
      throw new UserError(`${path} has changed since the corpus came: delete ${join(folder, name)} and get it again`);
    }
    return decode(bytes, path);
  };
  return corpusFromTexts(name, { train: read('train'), valid: read('valid'), test: read('test') });
}

/** @throws UserError where it is not there */
export function corpusSize(folder: string, name: string): CorpusSize {
  const { vocabulary, files } = recordNamed(folder, name);
  return { vocabulary, trainingTokens: files.train.tokens };
}

function recordNamed(folder: string, name: string): CorpusRecord {
  const record = corpusRecord(folder, name);
  if (record !== undefined) return record;
  const known = ['built-in', ...listCorpora(folder).map((record) => record.name)].join(', ');
  throw new UserError(
    `corpus.name: there is no corpus ${JSON.stringify(name)}; there are ${known} ` +
      `(get one with "sparrow data fetch ptb" or "sparrow data import")`,
  );
}

/**
 * Adds a corpus that `describeCorpus` has found good.
 * @throws UserError where it cannot be written; then nothing has been added
 */
export function addCorpus(folder: string, record: CorpusRecord, sources: BySplit<SourceText>): void {
  const { name } = record;
  const place = join(folder, name);
  if (existsSync(place)) {
    throw new UserError(`there is a corpus ${name} already: choose another name, or delete ${place} first`);
  }
  const draft = join(folder, `.new-${name}-${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(draft, { recursive: true });
    for (const split of splits) writeFileSync(textPath(draft, '.', split), sources[split].bytes, { flush: true });
    writeFileSync(join(draft, recordFile), `${JSON.stringify(record, undefined, 2)}\n`, { flush: true });
    syncFolder(draft);
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw new UserError(`cannot write the corpus to ${place}: ${messageOf(error)}`);
  }
  syncFolder(folder);
}

/** @throws UserError where a corpus cannot have that name */
function checkName(name: string): void {
  if (reserved.includes(name)) throw new UserError(`${name} is the name of Sparrow's own corpus: choose another one`);
  parseRunConfig({ corpus: { name } }); // the rule of the field that will name it
}

/** Reads a file the user named. */
export function readSource(path: string): SourceText {
  return { bytes: readBytes(path), from: path };
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const reasons: Record<string, string> = { ENOENT: 'it is not there', EISDIR: 'it is a folder' };
    throw new UserError(`cannot read ${path}: ${reasons[codeOf(error) ?? ''] ?? messageOf(error)}`);
  }
}

function readRecord(folder: string, name: string): CorpusRecord {
  const path = join(folder, name, recordFile);
  const result = recordSchema.safeParse(parseJson(readBytes(path)));
  if (!result.success || result.data.name !== name) {
    throw new UserError(`${path} is damaged: delete ${join(folder, name)} and get the corpus again`);
  }
  return result.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * What three texts are.
 * @throws UserError naming the file and what is wrong with it
 */
export function describeCorpus(
  name: string,
  origin: CorpusRecord['origin'],
  sources: BySplit<SourceText>,
): CorpusRecord {
  checkName(name);
  const texts = {
    train: checkedText(sources.train),
    valid: checkedText(sources.valid),
    test: checkedText(sources.test),
  };
  const { words, ids } = corpusFromTexts(name, texts);
  if (words.length < 2)
    throw new UserError(`${sources.train.from} has only one word, ${words[0]}: there is nothing to learn`);
  const file = (split: Split) => ({
    bytes: sources[split].bytes.length,
    sha256: sha256(sources[split].bytes),
    lines: linesOf(texts[split]).length,
    tokens: enough(ids[split].length, sources[split].from),
    from: sources[split].from,
  });
  const files = { train: file('train'), valid: file('valid'), test: file('test') };
  return { format: 1, name, origin, created: new Date().toISOString(), vocabulary: words.length, files };
}

function checkedText({ bytes, from }: SourceText): string {
  const text = decode(bytes, from);
  if (linesOf(text).every((line) => wordsOf(line).length === 0)) {
    throw new UserError(`${from} is empty: a corpus needs words to learn`);
  }
  return text;
}

function decode(bytes: Uint8Array, from: string): string {
  try {
    // A byte order mark belongs to the first word, as in the published code.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UserError(`${from} is not UTF-8 text: convert it first (iconv -t UTF-8)`);
  }
}

/** A single stream of one window of the usual length is the least that any run could use. */
function enough(tokens: number, from: string): number {
  const { bptt } = parseRunConfig({}).training;
  if (tokens > bptt) return tokens;
  throw new UserError(
    `${from} is shorter than one window: it has ${tokens} words, ${bptt} steps and the next word need ${bptt + 1}`,
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function textPath(folder: string, name: string, split: Split): string {
  return join(folder, name, `${split}.txt`);
}
