import type * as Fs from 'node:fs';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { prepareDataFolder } from '../../src/main/data-folder.js';
import { UserError } from '../../src/shared/errors.js';
import { ProcessLock } from '../../src/system/process-lock.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { writeFileAtomic } from '../../src/worker/storage/atomic-file.js';
import { MaskLog } from '../../src/worker/storage/masks.js';
import { newStore } from './support/store.js';
import { temporaryFolder } from './support/temp-folder.js';

/** Another command makes this folder just after somebody has seen that it is not there. */
const race = vi.hoisted(() => ({ folder: '' }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof Fs>();
  return {
    ...fs,
    existsSync: (path: string) => {
      const there = fs.existsSync(path);
      if (path === race.folder && !there) fs.mkdirSync(path, { mode: 0o700 });
      return there;
    },
  };
});

const home = (folder: string) => {
  vi.stubEnv('SPARROW_HOME', folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    race.folder = '';
  });
  return folder;
};
const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('the data folder', () => {
  test('is made with all above it, also by two first commands together', () => {
    const folder = home(join(temporaryFolder(), 'a', 'b'));
    race.folder = dirname(folder);
    prepareDataFolder();
    expect(existsSync(folder)).toBe(true);
    prepareDataFolder();
  });

  test('that is a file is refused', () => {
    const path = home(join(temporaryFolder(), 'file', 'home'));
    writeFileSync(dirname(path), '');
    expect(prepareDataFolder).toThrow('Set SPARROW_HOME to another folder');
  });

  test.skipIf(process.platform === 'win32')('is closed to others where it is empty or Sparrow’s', () => {
    const folder = home(join(temporaryFolder(), 'home'));
    prepareDataFolder();
    expect(modeOf(folder)).toBe(0o700);
    chmodSync(folder, 0o755);
    prepareDataFolder();
    expect(modeOf(folder)).toBe(0o700);
    mkdirSync(join(folder, 'runs'));
    writeFileSync(join(folder, 'notes'), '');
    chmodSync(folder, 0o775);
    prepareDataFolder();
    expect(modeOf(folder)).toBe(0o700);
  });

  test.skipIf(process.platform === 'win32')(
    'that others can enter and that holds other things is refused as it is',
    () => {
      const folder = home(join(temporaryFolder(), 'home'));
      mkdirSync(folder);
      writeFileSync(join(folder, 'thesis.tex'), '');
      chmodSync(folder, 0o755);
      expect(prepareDataFolder).toThrow(UserError);
      expect(prepareDataFolder).toThrow('set SPARROW_HOME to a folder of its own, or run "chmod 700"');
      expect(modeOf(folder)).toBe(0o755);
      chmodSync(folder, 0o700);
      prepareDataFolder();
    },
  );
});

test.skipIf(process.platform === 'win32')('what is written is for its owner alone', async () => {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  new ProcessLock(at('owner.lock'), 'the data folder');
  MaskLog.create(at('masks.bin'), ['lstm.0'], [Pattern.fromBits(2, 2, Uint8Array.of(3))]);
  writeFileAtomic(at('checkpoint.json'), '{}');
  const backup = await newStore({}, at('sparrow.db')).backUp();
  for (const file of [at('owner.lock'), at('masks.bin'), at('checkpoint.json'), at('sparrow.db'), backup]) {
    expect([file, modeOf(file)]).toEqual([file, 0o600]);
  }
});
