import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeFileAtomic } from '../../src/worker/storage/atomic-file.js';
import { temporaryFolder } from './support/temp-folder.js';

test('a file gets exactly the bytes or the text, and no neighbour is left', () => {
  const folder = temporaryFolder();
  writeFileAtomic(join(folder, 'bytes'), Uint8Array.of(0, 255, 10));
  writeFileAtomic(join(folder, 'text'), 'ε = 0.5\n');
  writeFileAtomic(join(folder, 'nothing'), '');
  expect([...readFileSync(join(folder, 'bytes'))]).toEqual([0, 255, 10]);
  expect(readFileSync(join(folder, 'text'), 'utf8')).toBe('ε = 0.5\n');
  expect(readFileSync(join(folder, 'nothing'))).toHaveLength(0);
  expect(readdirSync(folder).sort()).toEqual(['bytes', 'nothing', 'text']);
});

test('a file that is there is replaced, also by a shorter one', () => {
  const path = join(temporaryFolder(), 'file');
  writeFileAtomic(path, 'the old content');
  writeFileAtomic(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
});

test('who has the old file open goes on reading the old content', () => {
  const path = join(temporaryFolder(), 'file');
  writeFileAtomic(path, 'old');
  const handle = openSync(path, 'r');
  writeFileAtomic(path, 'new');
  expect(readFileSync(handle, 'utf8')).toBe('old');
  closeSync(handle);
});

test('a write that cannot take the name fails and leaves neither a neighbour nor a change', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  mkdirSync(path);
  writeFileSync(join(path, 'inside'), 'old');
  expect(() => {
    writeFileAtomic(path, 'new');
  }).toThrow();
  expect(readdirSync(folder)).toEqual(['file']);
  expect(readFileSync(join(path, 'inside'), 'utf8')).toBe('old');
});

test('a write into a folder that has become a file fails and leaves that file as it is', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'run'), 'old');
  expect(() => {
    writeFileAtomic(join(folder, 'run', 'file'), 'new');
  }).toThrow();
  expect(readFileSync(join(folder, 'run'), 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['run']);
});

test('a write into a folder that is not there fails with its code', () => {
  const path = join(temporaryFolder(), 'gone', 'file');
  expect(() => {
    writeFileAtomic(path, 'new');
  }).toThrow('ENOENT');
});
