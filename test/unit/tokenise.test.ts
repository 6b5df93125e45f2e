import fc from 'fast-check';
import { expect, test } from 'vitest';
import { corpusFromTexts } from '../../src/worker/corpus/corpus.js';
import { endOfSentence, linesOf, Vocabulary, wordsOf } from '../../src/worker/corpus/tokenise.js';

// Every code point c for which Python's ('a' + chr(c) + 'b').split() gives two words.
const pythonSpaces = [
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
];

const decode = (words: readonly string[], ids: Int32Array) => Array.from(ids, (id) => words[id]);

test('ids are given in order of first appearance over train, then valid, then test', () => {
  const { words, ids } = corpusFromTexts('c', { train: 'b a b\n', valid: 'd a\n', test: 'c d b\n' });
  expect(words).toEqual(['b', 'a', '<eos>', 'd', 'c']);
  expect(ids.train).toEqual(Int32Array.of(0, 1, 0, 2));
  expect(ids.valid).toEqual(Int32Array.of(3, 1, 2));
  expect(ids.test).toEqual(Int32Array.of(4, 3, 0, 2));
});

test('every line ends in <eos>, blank ones and those of white space alone, too', () => {
  const vocabulary = new Vocabulary();
  const ids = vocabulary.encode('\na b\n\n \t \nc\n');
  expect(decode(vocabulary.words, ids)).toEqual([
    ...[endOfSentence, 'a', 'b', endOfSentence],
    ...[endOfSentence, endOfSentence, 'c', endOfSentence],
  ]);
});

test('nothing follows the last line ending, and a last line without an ending is a line', () => {
  expect(linesOf('a\nb\n')).toEqual(['a', 'b']);
  expect(linesOf('a\nb')).toEqual(['a', 'b']);
  expect(linesOf('a\n\n')).toEqual(['a', '']);
  expect(linesOf('\n')).toEqual(['']);
  expect(linesOf('')).toEqual([]);
});

test('lines end at \\n, at \\r\\n as one ending and at \\r', () => {
  expect(linesOf('a\nb\r\nc\rd\r\n')).toEqual(['a', 'b', 'c', 'd']);
  expect(linesOf('a\n\rb')).toEqual(['a', '', 'b']);
  expect(linesOf('a\r\r\nb')).toEqual(['a', '', 'b']);
});

test('no other character ends a line, although it is white space', () => {
  for (const space of pythonSpaces.map((code) => String.fromCodePoint(code))) {
    if ('\n\r'.includes(space)) continue;
    expect(linesOf(`a${space}b`)).toEqual([`a${space}b`]);
  }
});

test('words are parted by exactly the code points that part them in Python', () => {
  const parting: number[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue; // halves of pairs are no text
    if (wordsOf(`a${String.fromCodePoint(code)}b`).length === 2) parting.push(code);
  }
  expect(parting).toEqual(pythonSpaces);
});

test('a byte order mark, U+200B and U+180E are part of their words', () => {
  expect(wordsOf('\ufeffa b\u200bc d\u180ee')).toEqual(['\ufeffa', 'b\u200bc', 'd\u180ee']);
});

test('runs of white space part words once and give no empty words at either end', () => {
  expect(wordsOf(' \t a \u3000\u00a0 b\u0085')).toEqual(['a', 'b']);
  expect(wordsOf('')).toEqual([]);
  expect(wordsOf(' \u2028 ')).toEqual([]);
});

test('words are neither lower-cased nor replaced', () => {
  expect(wordsOf('The the <unk> N 1,000 é e\u0301')).toEqual(['The', 'the', '<unk>', 'N', '1,000', 'é', 'e\u0301']);
});

test('a text that says <eos> itself shares the id of the line ends', () => {
  const vocabulary = new Vocabulary();
  expect(vocabulary.encode('a <eos>\n')).toEqual(Int32Array.of(0, 1, 1));
});

test('names of object members are ordinary words', () => {
  const vocabulary = new Vocabulary();
  const ids = vocabulary.encode('__proto__ constructor __proto__\n');
  expect(decode(vocabulary.words, ids)).toEqual(['__proto__', 'constructor', '__proto__', '<eos>']);
});

test('ids read back through the vocabulary are the words of the text, whatever parts them', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'B', 'é', '\ufeff', '<', '𝄞'), minLength: 1, maxLength: 4 });
  const gap = fc.string({ unit: fc.constantFrom(' ', '\t', '\u001f', '\u2028', '\u0085'), minLength: 1, maxLength: 3 });
  const line = fc.array(fc.tuple(gap, word), { maxLength: 5 });
  const ending = fc.constantFrom('\n', '\r\n', '\r');
  fc.assert(
    fc.property(fc.array(fc.tuple(line, ending), { maxLength: 6 }), (lines) => {
      // An empty line after \r would turn \r and \n into one ending.
      fc.pre(lines.every(([pairs, end], i) => !(pairs.length === 0 && end === '\n' && lines[i - 1]?.[1] === '\r')));
      const text = lines.map(([pairs, end]) => pairs.flat().join('') + end).join('');
      const expected = lines.flatMap(([pairs]) => [...pairs.map(([, written]) => written), endOfSentence]);
      const vocabulary = new Vocabulary();
      const ids = vocabulary.encode(text);
      expect(decode(vocabulary.words, ids)).toEqual(expected);
      expect(vocabulary.words).toEqual([...new Set(expected)]);
    }),
    { seed: 11 },
  );
});
