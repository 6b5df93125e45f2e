import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { whyNoNative } from '../../src/worker/engines/native/start.js';
import { temporaryFolder } from '../unit/support/temp-folder.js';
import { readCases } from './case.js';
import { runCase } from './run-case.js';

/** A Python with PyTorch, as for `npm run bench`. */
const python = process.env['SPARROW_PYTHON'];

test('cases of every model that PyTorch makes, of other sizes, depths and numbers of layers, pass on every engine', async (context) => {
  if (python === undefined) return context.skip('SPARROW_PYTHON names no Python with PyTorch');
  const folder = temporaryFolder();
  const script = join(import.meta.dirname, 'generate.py');
  const { status, stderr } = spawnSync(python, [script, folder, '--seed', '11', '--count', '2'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const cases = readCases(folder);
  expect(cases).toHaveLength(34);
  for (const engine of whyNoNative() === undefined ? (['wasm', 'native'] as const) : (['wasm'] as const)) {
    await startEngine({ engine, threads: 0 });
    const verdicts = cases.flatMap((golden) => [...runCase(golden)]);
    expect(verdicts.filter(({ status }) => status !== 'pass')).toEqual([]);
  }
});
