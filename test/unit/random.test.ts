import fc from 'fast-check';
import { expect, test } from 'vitest';
import { philox4x32 } from '../../src/worker/random/philox.js';
import { dropThreshold, RandomStream, RandomWords, type Purpose } from '../../src/worker/random/random.js';
import { holds } from './support/property.js';

const ones = 0xffff_ffff;
const uint32 = fc.nat({ max: ones });
const purpose = fc.constantFrom<Purpose>('initialisation', 'topology', 'growth', 'dropout', 'clipSketch', 'language');

function philox(counter: readonly number[], key: readonly number[]): number[] {
  const out = new Uint32Array(4);
  philox4x32(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out, 0);
  return [...out];
}

// kat_vectors of the Random123 distribution.
const knownAnswers = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  { counter: [ones, ones, ones, ones], key: [ones, ones], words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd] },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
];
for (const { counter, key, words } of knownAnswers) {
  test(`philox4x32-10 of counter ${counter.join(' ')} and key ${key.join(' ')} is the published vector`, () => {
    expect(philox(counter, key)).toEqual(words);
  });
}

test('philox writes four words where it is told and nothing beside them', () => {
  const out = new Uint32Array(8).fill(7);
  philox4x32(0, 0, 0, 0, 0, 0, out, 2);
  expect([...out]).toEqual([7, 7, ...knownAnswers[0].words, 7, 7]);
});

for (const [name, number] of [
  ['initialisation', 1],
  ['topology', 2],
  ['growth', 3],
  ['dropout', 4],
  ['clipSketch', 5],
  ['language', 6],
] as const) {
  test(`words for ${name} have the counter (block, a, b, 0) and the key (seed, ${number})`, () => {
    const words = new RandomWords(1111, name, 17, 5).words(8);
    expect([...words]).toEqual([...philox([0, 17, 5, 0], [1111, number]), ...philox([1, 17, 5, 0], [1111, number])]);
  });
}

test('words beyond block 2^32 carry into the fourth word of the counter', () => {
  const start = 4 * (2 ** 32 + 1);
  expect([...new RandomWords(9, 'topology', 1, 2).words(4, start)]).toEqual(philox([1, 1, 2, 1], [9, 2]));
});

test('words asked for in parts are the words of one long draw', () => {
  const whole = new RandomWords(5, 'dropout', 3, 1).words(300);
  holds(
    fc.property(fc.nat(200), fc.nat(100), (start, count) => {
      const part = new RandomWords(5, 'dropout', 3, 1).words(count, start);
      expect([...part]).toEqual([...whole.subarray(start, start + count)]);
    }),
  );
});

test('draws that differ in seed, purpose or a counter have different words', () => {
  const draw = fc.tuple(uint32, purpose, uint32, uint32);
  const other = fc.tuple(draw, draw, fc.nat(3)).map(([first, second, part]) => {
    // The same draw but for one part.
    const changed: typeof first = [...first];
    changed.splice(part, 1, second[part]);
    return [first, changed] as const;
  });
  holds(
    fc.property(other, ([first, second]) => {
      fc.pre(first.join() !== second.join());
      expect([...new RandomWords(...first).words(4)]).not.toEqual([...new RandomWords(...second).words(4)]);
    }),
    1000,
  );
});

test('each bit of the words is set half of the time', () => {
  const count = 100_000;
  const words = new RandomWords(1, 'growth', 2, 3).words(count);
  for (let bit = 0; bit < 32; bit++) {
    const set = words.reduce((sum, word) => sum + ((word >>> bit) & 1), 0);
    expect(Math.abs(set / count - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / count));
  }
});

test('uniform numbers stay within the bound, on both sides of 0', () => {
  holds(
    fc.property(uint32, fc.float({ min: Math.fround(0.001), max: 10, noNaN: true }), (seed, bound) => {
      const numbers = new RandomWords(seed, 'initialisation').uniform(200, bound);
      expect(numbers.every((number) => Math.abs(number) <= bound)).toBe(true);
      expect(Math.min(...numbers)).toBeLessThan(-0.8 * bound);
      expect(Math.max(...numbers)).toBeGreaterThan(0.8 * bound);
    }),
  );
});

test('uniform numbers have mean 0 and variance bound^2 / 3', () => {
  const count = 200_000;
  const bound = 0.1;
  const numbers = new RandomWords(42, 'initialisation', 1).uniform(count, bound);
  const mean = numbers.reduce((sum, number) => sum + number, 0) / count;
  const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / count;
  expect(Math.abs(mean)).toBeLessThan(4 * Math.sqrt(bound ** 2 / 3 / count));
  expect(Math.abs(variance - bound ** 2 / 3)).toBeLessThan(4 * Math.sqrt(((4 / 45) * bound ** 4) / count));
});

test('a stream reads the words of its draw one after the other, as numbers below 1', () => {
  const stream = new RandomStream(3, 'language', 8, 9);
  const numbers = Array.from({ length: 1000 }, () => stream.next());
  const words = new RandomWords(3, 'language', 8, 9).words(1000);
  expect(numbers).toEqual([...words].map((word) => word / 2 ** 32));
});

test('the threshold of a dropout is p of all words: none for 0, half for 0.5', () => {
  expect(dropThreshold(0)).toBe(0);
  expect(dropThreshold(0.5)).toBe(2 ** 31);
  expect(dropThreshold(0.65)).toBe(Math.floor(0.65 * 2 ** 32));
});

test('a share p of the words lies below the threshold of p', () => {
  const count = 100_000;
  const words = new RandomWords(7, 'dropout', 1, 1).words(count);
  for (const p of [0.2, 0.65, 0.99]) {
    const dropped = words.filter((word) => word < dropThreshold(p)).length;
    expect(Math.abs(dropped / count - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / count));
  }
});
