import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { Streams, streamsOf } from '../../src/worker/corpus/batches.js';

/** A text whose words are their own positions. */
const positions = (length: number) => Int32Array.from({ length }, (_, i) => i);
const streams = (tokens: number, batch: number) => new Streams(positions(tokens), batch);

test('row r of stream b is word b * rows + r, and what fills no row is left off', () => {
  const cut = streams(11, 3);
  expect(cut.rows).toBe(3);
  expect(cut.window(0, 2)).toEqual({
    inputs: Int32Array.of(0, 3, 6, 1, 4, 7),
    targets: Int32Array.of(1, 4, 7, 2, 5, 8),
    batch: 3,
  });
});

test('windows begin every bptt rows and the last one ends with the last word but one', () => {
  expect(streams(20, 2).windows(4)).toEqual([
    { start: 0, length: 4 },
    { start: 4, length: 4 },
    { start: 8, length: 1 },
  ]);
  expect(streams(18, 2).windows(4)).toEqual([
    { start: 0, length: 4 },
    { start: 4, length: 4 },
  ]);
});

test.each([
  { text: 'PTB train', tokens: 929_589, batch: 20, rows: 46_479, windows: 1328, last: 33, predicted: 929_560 },
  { text: 'PTB valid', tokens: 73_760, batch: 20, rows: 3688, windows: 106, last: 12, predicted: 73_740 },
  { text: 'PTB test', tokens: 82_430, batch: 20, rows: 4121, windows: 118, last: 25, predicted: 82_400 },
])(
  '$text at batch $batch and 35 steps has the published shape',
  ({ tokens, batch, rows, windows, last, predicted }) => {
    const text = streams(tokens, batch);
    expect(text.rows).toBe(rows);
    expect(text.predicted).toBe(predicted);
    expect(text.windows(35)).toHaveLength(windows);
    expect(text.windows(35).at(-1)?.length).toBe(last);
  },
);

test.each([
  { text: 'PTB valid', tokens: 73_760, batch: 10, rows: 7376 },
  { text: 'PTB test', tokens: 82_430, batch: 1, rows: 82_430 },
  { text: 'WikiText-2 train', tokens: 2_088_628, batch: 15, rows: 139_241 },
  { text: 'WikiText-2 train', tokens: 2_088_628, batch: 80, rows: 26_107 },
])('$text at batch $batch has $rows rows', ({ tokens, batch, rows }) => {
  expect(streams(tokens, batch).rows).toBe(rows);
});

test('the 10 words of PTB test that fill no row are never read', () => {
  const text = streams(82_430, 20);
  const last = text.windows(35).at(-1)!;
  expect(text.window(last.start, last.length).targets.at(-1)).toBe(82_430 - 10 - 1);
});

const shape = fc.record({
  tokens: fc.integer({ min: 0, max: 400 }),
  batch: fc.integer({ min: 1, max: 9 }),
  bptt: fc.integer({ min: 1, max: 12 }),
});

test('over all windows every word but the first of its stream is a target exactly once', () => {
  fc.assert(
    fc.property(shape, ({ tokens, batch, bptt }) => {
      const text = streams(tokens, batch);
      const targets = text.windows(bptt).flatMap(({ start, length }) => [...text.window(start, length).targets]);
      const expected = [...positions(text.rows * batch)].filter((position) => position % text.rows !== 0);
      expect(targets.sort((a, b) => a - b)).toEqual(expected);
      expect(text.predicted).toBe(expected.length);
    }),
    { seed: 12 },
  );
});

test('the input of every target is the word before it', () => {
  fc.assert(
    fc.property(shape, ({ tokens, batch, bptt }) => {
      const text = streams(tokens, batch);
      for (const { start, length } of text.windows(bptt)) {
        const { inputs, targets } = text.window(start, length);
        expect(inputs).toEqual(targets.map((position) => position - 1));
        expect(inputs).toHaveLength(length * batch);
      }
    }),
    { seed: 13 },
  );
});

test('each stream is read in order, window after window', () => {
  fc.assert(
    fc.property(shape, ({ tokens, batch, bptt }) => {
      const text = streams(tokens, batch);
      const inputs = text.windows(bptt).flatMap(({ start, length }) => [...text.window(start, length).inputs]);
      for (let stream = 0; stream < batch; stream++) {
        const read = inputs.filter((_, i) => i % batch === stream);
        expect(read).toEqual(Array.from({ length: Math.max(0, text.rows - 1) }, (_, row) => stream * text.rows + row));
      }
    }),
    { seed: 14 },
  );
});

test('a text without two rows has no windows', () => {
  expect(streams(3, 3).windows(35)).toEqual([]);
  expect(streams(3, 3).predicted).toBe(0);
  expect(streams(2, 3).predicted).toBe(0);
});

const twenty = { field: 'training.evaluationBatch', streams: 20 };

test('a text of exactly one window is accepted', () => {
  const streamsOfText = streamsOf('the validation text', positions(720), twenty, 35);
  expect(streamsOfText.windows(35)).toEqual([{ start: 0, length: 35 }]);
});

test('a text shorter than one window is refused with its length, the one it needs and what to lower', () => {
  const short = () => streamsOf('the validation text', positions(719), twenty, 35);
  expect(short).toThrow(UserError);
  expect(short).toThrow(
    'the validation text is shorter than one window: it has 719 words, 20 streams of 35 steps and the next word need ' +
      '720; lower training.evaluationBatch to at most 19',
  );
  expect(() => streamsOf('the validation text', positions(719), { ...twenty, streams: 19 }, 35)).not.toThrow();
  expect(() => streamsOf('the validation text', positions(30), twenty, 35)).toThrow(
    'lower training.bptt to less than 30',
  );
});
