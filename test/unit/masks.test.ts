import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { MaskLog, readMasks } from '../../src/worker/storage/masks.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { holds } from './support/property.js';
import { temporaryFolder } from './support/temp-folder.js';

const names = ['encoder', 'hidden'];

/** Masks of two layers whose sizes are no multiple of eight. */
const masks = (first: readonly number[], second: readonly number[]) => [
  Pattern.fromPositions(3, 5, Int32Array.from(first)),
  Pattern.fromPositions(7, 1, Int32Array.from(second)),
];

const history = [masks([0, 7, 14], [6]), masks([1, 7, 13], [0, 6]), masks([], [0, 1, 2, 3, 4, 5, 6]), masks([2], [])];

const patternsOf = (path: string) => [...readMasks(path)].map((masks) => masks.map(({ pattern }) => pattern));

function write(path: string, all: readonly (readonly Pattern[])[]): MaskLog {
  const log = MaskLog.create(path, names, all[0]);
  for (const patterns of all.slice(1)) log.append(patterns);
  return log;
}

/** Where the records of a file end: the magic, the layers, then one record for each of the masks. */
function recordEnds(bytes: Buffer): number[] {
  const ends = [8];
  while (ends.at(-1)! < bytes.length) ends.push(ends.at(-1)! + 8 + bytes.readUInt32LE(ends.at(-1)));
  return ends;
}

test('every mask that was appended is read again, layer by layer', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  const shape = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }));
  const run = fc
    .array(shape, { minLength: 1, maxLength: 3 })
    .chain((shapes) =>
      fc.array(
        fc.tuple(
          ...shapes.map(([rows, columns]) =>
            fc
              .subarray([...Array(rows * columns).keys()])
              .map((positions) => Pattern.fromPositions(rows, columns, Int32Array.from(positions))),
          ),
        ),
        { minLength: 1, maxLength: 5 },
      ),
    );
  holds(
    fc.property(run, (all) => {
      const log = MaskLog.create(
        path,
        all[0].map((_, i) => `layer ${i}`),
        all[0],
      );
      for (const patterns of all.slice(1)) log.append(patterns);
      expect(patternsOf(path)).toEqual(all);
      expect(log.length).toBe(readFileSync(path).length);
    }),
    100,
  );
});

test('masks come with the name and the shape of their layer', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  write(path, history);
  for (const masks of readMasks(path)) {
    expect(masks.map(({ layer }) => layer)).toEqual([
      { name: 'encoder', rows: 3, columns: 5 },
      { name: 'hidden', rows: 7, columns: 1 },
    ]);
  }
});

test('masks that did not change take fewer bytes than the first ones', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  const positions = Int32Array.from({ length: 400 }, (_, i) => i * 3 + (i % 2));
  const log = MaskLog.create(path, ['hidden'], [Pattern.fromPositions(40, 40, positions)]);
  const first = log.length;
  log.append([Pattern.fromPositions(40, 40, positions)]);
  expect(log.length - first).toBeLessThan(20);
});

test('a file that is there is replaced', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  write(path, history);
  write(path, history.slice(2));
  expect(patternsOf(path)).toEqual(history.slice(2));
});

test('a record cut at any byte counts for nothing, and those before it stay', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  write(path, history);
  const bytes = readFileSync(path);
  const [, layersEnd, ...ends] = recordEnds(bytes);
  expect(ends).toHaveLength(history.length);
  for (let length = bytes.length; length >= layersEnd; length--) {
    truncateSync(path, length);
    const whole = ends.filter((end) => end <= length).length;
    expect(patternsOf(path)).toEqual(history.slice(0, whole));
  }
});

test('a file cut before its first masks has none', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  write(path, history);
  const [magicEnd, layersEnd] = recordEnds(readFileSync(path));
  for (let length = layersEnd - 1; length >= magicEnd; length--) {
    truncateSync(path, length);
    expect(patternsOf(path)).toEqual([]);
  }
});

test('a file of another kind, or one without a whole magic, is an error that names it', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  for (const content of ['', 'SPARMSK', 'SPARMSK2', '{"a": 1234567}']) {
    writeFileSync(path, content);
    expect(() => patternsOf(path)).toThrow(new UserError(`${path} is damaged`));
  }
});

test('a flipped byte anywhere is an error that names the file', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  write(path, history);
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [0, 4, 7]) {
      const flipped = Buffer.from(bytes);
      flipped[at] ^= 1 << bit;
      writeFileSync(path, flipped);
      expect(() => patternsOf(path)).toThrow(new UserError(`${path} is damaged`));
    }
  }
});

test('a log that is reopened goes on where it was', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  const { length } = write(path, history.slice(0, 2));
  const log = MaskLog.reopen(path, length, history[1]);
  for (const patterns of history.slice(2)) log.append(patterns);
  expect(patternsOf(path)).toEqual(history);
});

test('reopening cuts off what was written later', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'masks.bin');
  const { length } = write(path, history.slice(0, 2));
  write(path, history);
  const log = MaskLog.reopen(path, length, history[1]);
  expect(log.length).toBe(length);
  expect(patternsOf(path)).toEqual(history.slice(0, 2));
  log.append(history[3]);
  expect(patternsOf(path)).toEqual([...history.slice(0, 2), history[3]]);
  const straight = join(folder, 'straight.bin');
  write(straight, [...history.slice(0, 2), history[3]]);
  expect(readFileSync(path)).toEqual(readFileSync(straight));
});

test('reopening cuts off a record that was being written', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  const { length } = write(path, history.slice(0, 2));
  write(path, history.slice(0, 3));
  truncateSync(path, length + 5);
  MaskLog.reopen(path, length, history[1]).append(history[2]);
  expect(patternsOf(path)).toEqual(history.slice(0, 3));
});

test('a file shorter than the checkpoint needs is refused and left as it is', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  const { length } = write(path, history);
  truncateSync(path, length - 1);
  const reopen = () => MaskLog.reopen(path, length, history[3]);
  expect(reopen).toThrow(UserError);
  expect(reopen).toThrow(`${path} has ${length - 1} bytes, the checkpoint goes on from ${length}`);
  expect(readFileSync(path)).toHaveLength(length - 1);
});

test('a file that is gone is refused and not made anew', () => {
  const path = join(temporaryFolder(), 'masks.bin');
  expect(() => MaskLog.reopen(path, 100, history[0])).toThrow(`${path} has 0 bytes, the checkpoint goes on from 100`);
  expect(existsSync(path)).toBe(false);
});
