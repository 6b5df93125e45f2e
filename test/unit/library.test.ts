import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { corpusFromTexts, splits, type BySplit } from '../../src/worker/corpus/corpus.js';
import {
  addCorpus,
  describeCorpus,
  listCorpora,
  loadCorpus,
  readSource,
  type CorpusRecord,
  type SourceText,
} from '../../src/worker/corpus/library.js';
import { temporaryFolder } from './support/temp-folder.js';

const sentence = 'the sparrow said <unk> é\n';
const texts = {
  train: sentence.repeat(9),
  valid: `\n${'a sparrow said N\r\n'.repeat(8)}`,
  test: 'what the sparrow said\nsaid\n'.repeat(9).trimEnd(),
};
type Files = Record<'train' | 'valid' | 'test', string>;

/** A folder for corpora and three good files beside it. */
function setUp(): { corpora: string; files: Files } {
  const folder = temporaryFolder();
  const path = (split: string) => join(folder, `my ${split}.txt`);
  const files = { train: path('train'), valid: path('valid'), test: path('test') };
  for (const split of splits) writeFileSync(files[split], texts[split]);
  const corpora = join(folder, 'corpora');
  mkdirSync(corpora);
  return { corpora, files };
}

/** What the workbench does to import three files. */
function importFiles(corpora: string, name: string, files: Files): CorpusRecord {
  const sources = { train: readSource(files.train), valid: readSource(files.valid), test: readSource(files.test) };
  const record = describeCorpus(name, 'imported', sources);
  addCorpus(corpora, record, sources);
  return record;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('a good import', () => {
  test('takes the three files over byte by byte and leaves nothing else in the folder', () => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    expect(readdirSync(corpora)).toEqual(['mine']);
    expect(readdirSync(join(corpora, 'mine')).sort()).toEqual(['corpus.json', 'test.txt', 'train.txt', 'valid.txt']);
    for (const split of splits) expect(readFileSync(join(corpora, 'mine', `${split}.txt`), 'utf8')).toBe(texts[split]);
  });

  test('records lines, words, different words, sizes, checksums and where the files were', () => {
    const { corpora, files } = setUp();
    const record = importFiles(corpora, 'mine', files);
    expect(record).toMatchObject({ format: 1, name: 'mine', origin: 'imported', vocabulary: 9 });
    expect(record.files.train).toEqual({
      ...{ bytes: 26 * 9, sha256: sha256(texts.train), lines: 9, tokens: 6 * 9, from: files.train },
    });
    expect(record.files.valid).toMatchObject({ lines: 9, tokens: 1 + 5 * 8, from: files.valid });
    expect(record.files.test).toMatchObject({ lines: 18, tokens: 5 * 9 + 18, from: files.test });
    expect(Math.abs(Date.parse(record.created) - Date.now())).toBeLessThan(60_000);
  });

  test('is listed by name with others', () => {
    const { corpora, files } = setUp();
    const records = ['mine', 'a.first', 'z_last-1'].map((name) => importFiles(corpora, name, files));
    expect(listCorpora(corpora)).toEqual([records[1], records[0], records[2]]);
  });

  test('is loaded back as the corpus of its texts', () => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    expect(loadCorpus(corpora, 'mine')).toEqual(corpusFromTexts('mine', texts));
  });

  test('keeps a byte order mark as part of the first word', () => {
    const { corpora, files } = setUp();
    writeFileSync(files.train, `\ufeff${texts.train}`);
    importFiles(corpora, 'mine', files);
    expect(loadCorpus(corpora, 'mine').words[0]).toBe('\ufeffthe');
  });

  test('makes the folder where it is not there yet', () => {
    const { corpora, files } = setUp();
    rmSync(corpora, { recursive: true });
    expect(listCorpora(corpora)).toEqual([]);
    importFiles(corpora, 'mine', files);
    expect(listCorpora(corpora)).toHaveLength(1);
  });

  test('of a file with exactly one window and its next word is accepted', () => {
    const { corpora, files } = setUp();
    writeFileSync(files.test, `${'a '.repeat(35)}\n`);
    expect(importFiles(corpora, 'mine', files).files.test.tokens).toBe(36);
  });
});

describe('a file is refused by its name and nothing is left behind', () => {
  const notText = Buffer.concat([Buffer.from(texts.valid), Buffer.of(0xc3, 0x28)]);
  const latin1 = Buffer.from('façade '.repeat(40), 'latin1');
  const utf16 = Buffer.from(`\ufeff${texts.valid}`, 'utf16le');
  const empty = 'is empty: a corpus needs words to learn';
  const undecodable = 'is not UTF-8 text: convert it first (iconv -t UTF-8)';
  const short = (tokens: number) =>
    `is shorter than one window: it has ${tokens} words, 35 steps and the next word need 36`;
  const faults: { fault: string; content: string | Uint8Array; reason: string }[] = [
    { fault: 'without a byte', content: '', reason: empty },
    { fault: 'of blank lines', content: ' \t\n'.repeat(50), reason: empty },
    { fault: 'of white space that only Python knows', content: '\u0085\u001c\n'.repeat(50), reason: empty },
    { fault: 'with a broken UTF-8 sequence', content: notText, reason: undecodable },
    { fault: 'in Latin-1', content: latin1, reason: undecodable },
    { fault: 'in UTF-16', content: utf16, reason: undecodable },
    { fault: 'one word shorter than a window', content: `${'a '.repeat(34)}\n`, reason: short(35) },
    { fault: 'of one word', content: 'a', reason: short(2) },
  ];
  for (const split of splits) {
    test.each(faults)(`a ${split} text $fault`, ({ content, reason }) => {
      const { corpora, files } = setUp();
      writeFileSync(files[split], content);
      const refused = () => importFiles(corpora, 'mine', files);
      expect(refused).toThrow(UserError);
      expect(refused).toThrow(`${files[split]} ${reason}`);
      expect(readdirSync(corpora)).toEqual([]);
    });

    test(`a ${split} text that is not there`, () => {
      const { corpora, files } = setUp();
      rmSync(files[split]);
      const refused = () => importFiles(corpora, 'mine', files);
      expect(refused).toThrow(UserError);
      expect(refused).toThrow(`cannot read ${files[split]}: it is not there`);
      expect(readdirSync(corpora)).toEqual([]);
    });
  }

  test('a folder in place of a file', () => {
    const { corpora, files } = setUp();
    const refused = () => importFiles(corpora, 'mine', { ...files, valid: corpora });
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(`cannot read ${corpora}: it is a folder`);
    expect(readdirSync(corpora)).toEqual([]);
  });
});

describe('a name', () => {
  test('of a corpus that is there already is refused, and that corpus stays as it is', () => {
    const { corpora, files } = setUp();
    const before = importFiles(corpora, 'mine', files);
    writeFileSync(files.train, 'another text '.repeat(20));
    const refused = () => importFiles(corpora, 'mine', files);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(
      `there is a corpus mine already: choose another name, or delete ${join(corpora, 'mine')} first`,
    );
    expect(readdirSync(corpora)).toEqual(['mine']);
    expect(listCorpora(corpora)).toEqual([before]);
    expect(loadCorpus(corpora, 'mine')).toEqual(corpusFromTexts('mine', texts));
  });

  test('of the built-in corpus is refused', () => {
    const { corpora, files } = setUp();
    const refused = () => importFiles(corpora, 'built-in', files);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow("built-in is the name of Sparrow's own corpus: choose another one");
    expect(readdirSync(corpora)).toEqual([]);
  });

  test.each(['', '.', '..', '../x', 'a/b', 'a\\b', 'A', 'é', 'a b', '-a', '.a', 'a\nb', 'a'.repeat(65)])(
    '%j is refused with the rule',
    (name) => {
      const { corpora, files } = setUp();
      const refused = () => importFiles(corpora, name, files);
      expect(refused).toThrow(UserError);
      expect(refused).toThrow(
        `corpus.name: ${JSON.stringify(name)} must be 1 to 64 of a-z, 0-9, ".", "_" and "-", and begin with`,
      );
      expect(readdirSync(corpora)).toEqual([]);
    },
  );

  test('of 64 characters is accepted', () => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'a'.repeat(64), files);
    expect(readdirSync(corpora)).toEqual(['a'.repeat(64)]);
  });

  test('imported twice at once leaves the corpus that was whole first', () => {
    const { corpora, files } = setUp();
    const first = { train: readSource(files.train), valid: readSource(files.valid), test: readSource(files.test) };
    const record = describeCorpus('mine', 'imported', first);
    writeFileSync(files.test, texts.test.toUpperCase());
    const other = { ...first, test: readSource(files.test) };
    // Another process overtakes this one after it has looked for the name and while it writes its texts.
    const overtaken: BySplit<SourceText> = {
      ...first,
      get test() {
        addCorpus(corpora, describeCorpus('mine', 'imported', other), other);
        return first.test;
      },
    };
    const refused = () => {
      addCorpus(corpora, record, overtaken);
    };
    expect(refused).toThrow(`cannot write the corpus to ${join(corpora, 'mine')}`);
    expect(readdirSync(corpora)).toEqual(['mine']);
    expect(loadCorpus(corpora, 'mine')).toEqual(corpusFromTexts('mine', { ...texts, test: texts.test.toUpperCase() }));
  });
});

describe('a corpus on disk', () => {
  test('that is not there is refused with the names of those that are', () => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    const load = () => loadCorpus(corpora, 'ptb');
    expect(load).toThrow(UserError);
    expect(load).toThrow('corpus.name: there is no corpus "ptb"; there are built-in, mine (get one with "sparrow data');
  });

  test.each(splits)('whose %s text has changed is refused', (split) => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    const path = join(corpora, 'mine', `${split}.txt`);
    writeFileSync(path, texts[split].replace('sparrow', 'Sparrow'));
    const load = () => loadCorpus(corpora, 'mine');
    expect(load).toThrow(UserError);
    expect(load).toThrow(`${path} has changed since the corpus came: delete ${join(corpora, 'mine')} and get it again`);
  });

  test.each(splits)('whose %s text is gone is refused', (split) => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    const path = join(corpora, 'mine', `${split}.txt`);
    rmSync(path);
    expect(() => loadCorpus(corpora, 'mine')).toThrow(`cannot read ${path}: it is not there`);
  });

  test.each([
    { fault: 'is cut off', damage: (json: string) => json.slice(0, -20) },
    { fault: 'is empty', damage: () => '' },
    { fault: 'lacks a field', damage: (json: string) => json.replace('"vocabulary"', '"words"') },
    { fault: 'is of another format', damage: (json: string) => json.replace('"format": 1', '"format": 2') },
    { fault: 'is that of another corpus', damage: (json: string) => json.replace('"mine"', '"yours"') },
  ])('whose record $fault is refused', ({ damage }) => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    const path = join(corpora, 'mine', 'corpus.json');
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    const damaged = `${path} is damaged: delete ${join(corpora, 'mine')} and get the corpus again`;
    expect(() => loadCorpus(corpora, 'mine')).toThrow(damaged);
    expect(() => listCorpora(corpora)).toThrow(damaged);
    expect(() => listCorpora(corpora)).toThrow(UserError);
  });

  test('is listed without folders and files that are no corpora', () => {
    const { corpora, files } = setUp();
    importFiles(corpora, 'mine', files);
    mkdirSync(join(corpora, '.fetching-ptb'));
    mkdirSync(join(corpora, 'other'));
    writeFileSync(join(corpora, 'notes.txt'), 'notes');
    expect(listCorpora(corpora).map(({ name }) => name)).toEqual(['mine']);
  });

  test('is not made, nor a draft of it, where a text cannot be written', () => {
    const { corpora, files } = setUp();
    const sources = { train: readSource(files.train), valid: readSource(files.valid), test: readSource(files.test) };
    const record = describeCorpus('mine', 'imported', sources);
    const broken: BySplit<SourceText> = {
      ...sources,
      get test(): SourceText {
        throw new Error('the disk is full');
      },
    };
    const refused = () => {
      addCorpus(corpora, record, broken);
    };
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(`cannot write the corpus to ${join(corpora, 'mine')}: the disk is full`);
    expect(existsSync(corpora) && readdirSync(corpora)).toEqual([]);
  });

  test('is not made where the folder of corpora is a file', () => {
    const { corpora, files } = setUp();
    const refused = () => importFiles(files.train, 'mine', files);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(`cannot write the corpus to ${join(files.train, 'mine')}`);
    expect(readdirSync(corpora)).toEqual([]);
  });
});

test('what a kill in the middle of an import has left is not listed', () => {
  const { corpora, files } = setUp();
  importFiles(corpora, 'mine', files);
  cpSync(join(corpora, 'mine'), join(corpora, '.new-other-123'), { recursive: true });
  expect(listCorpora(corpora).map(({ name }) => name)).toEqual(['mine']);
});

test('a corpus of one word is refused: there is nothing to learn', () => {
  const { corpora, files } = setUp();
  writeFileSync(files.train, '<eos>\n'.repeat(40));
  writeFileSync(files.valid, '<eos>\n'.repeat(40));
  writeFileSync(files.test, '<eos>\n'.repeat(40));
  expect(() => importFiles(corpora, 'mine', files)).toThrow(`${files.train} has only one word, <eos>`);
  expect(readdirSync(corpora)).toEqual([]);
});
