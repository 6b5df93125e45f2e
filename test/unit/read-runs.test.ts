import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readRuns, readRunsNamed } from '../../src/main/shells/cli/read-runs.js';
import { temporaryFolder } from './support/temp-folder.js';

test('a database that was never filled holds no runs yet, and reading does not change it', async () => {
  const folder = temporaryFolder();
  vi.stubEnv('SPARROW_HOME', folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const path = join(folder, 'sparrow.db');
  writeFileSync(path, ''); // its owner was killed when it had just made the file
  expect(await readRuns(false)).toEqual({ runs: [], damaged: [] });
  await expect(readRunsNamed(['owl-1'])).rejects.toThrow(`owl-1: there is no run in ${path} yet`);
  expect(statSync(path).size).toBe(0);
});
