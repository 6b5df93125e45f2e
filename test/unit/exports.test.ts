import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { writeCsv } from '../../src/main/store/csv.js';
import { longCurves } from '../../src/main/store/exports.js';
import { openWritable } from '../../src/main/store/open.js';
import { Exports } from '../../src/main/workbench/exports.js';
import type { States } from '../../src/main/workbench/states.js';
import { parseRunConfig } from '../../src/shared/run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'sparrow-exports-'));
const store = openWritable(join(folder, 'sparrow.db'));
const states = { of: () => ({ state: 'stopped' }) } as unknown as States;
const exports = new Exports(store, states, () => Promise.reject(new Error('no tables here')));
afterAll(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

const [{ id }] = store.runs.create([parseRunConfig({ name: '=a "run", to export' })]);
store.runs.beginAttempt(id);
const steps = 20_000;
store.events.ingest(
  Array.from({ length: steps }, (_, sequence) => ({
    run: id,
    sequence,
    event: {
      type: 'step',
      step: sequence + 1,
      epoch: 1,
      loss: sequence === 7 ? NaN : -sequence / 3,
      gradientNorm: 1,
      learningRate: 1,
      removingRate: 0,
      tokensPerSecond: 1,
    },
  })),
);

test('a table in pieces is the table as the command line writes it', async () => {
  const opened = await exports.open({ table: 'curves', runs: [id], metrics: ['loss'], form: 'long' });
  const pieces: string[] = [];
  for (;;) {
    const { text, done } = exports.read(opened);
    pieces.push(text);
    if (done) break;
  }
  let written = '';
  const sink = new Writable({
    write: (chunk: Buffer, _, next) => {
      written += chunk.toString();
      next();
    },
  });
  await writeCsv(longCurves(store, [id], ['loss']), sink);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(written);
  expect(written.split('\r\n').length).toBe(steps + 2);
});

test('what is written to its end, and what is not there, is refused with the remedy', async () => {
  const opened = await exports.open({ table: 'runs', runs: [id] });
  expect(exports.read(opened).done).toBe(true);
  expect(() => exports.read(opened)).toThrow(/export it again/);
  await expect(exports.open({ table: 'sparsity', runs: ['nobody'] })).rejects.toThrow(/nobody/);
  await expect(exports.open({ table: 'comparison', runs: [] })).rejects.toThrow(/name a run/);
});
