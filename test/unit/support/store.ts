import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { onTestFinished } from 'vitest';
import { openWritable, type OpenOptions } from '../../../src/main/store/open.js';
import type { WritableStore } from '../../../src/main/store/store.js';
import { parseRunConfig, type PartialRunConfig } from '../../../src/shared/run-config.js';
import type { RunEvent, RunEventOf } from '../../../src/shared/run-events.js';
import { temporaryFolder } from './temp-folder.js';

/** A path for a database in a folder that goes when the test ends. */
export function databasePath(): string {
  return join(temporaryFolder(), 'sparrow.db');
}

/** A new store, closed when the test ends. */
export function newStore(options?: OpenOptions, path = databasePath()): WritableStore {
  const store = openWritable(path, options);
  onTestFinished(() => {
    store.close();
  });
  return store;
}

/** A run with an attempt. */
export function begin(store: WritableStore, config: PartialRunConfig = { name: 'night' }): string {
  const [{ id }] = store.runs.create([parseRunConfig(config)]);
  store.runs.beginAttempt(id);
  return id;
}

export function step(at: number, loss: number): RunEventOf<'step'> {
  const rest = { gradientNorm: 1, learningRate: 20, removingRate: 0.5, tokensPerSecond: 1000 };
  return { type: 'step', step: at, epoch: 1, loss, ...rest };
}

export function evaluation(at: number, loss: number): RunEventOf<'evaluation'> {
  const rest = { epoch: 1, best: true, averaged: false };
  return { type: 'evaluation', step: at, trainingLoss: loss - 0.1, loss, perplexity: Math.exp(loss), ...rest };
}

export function sparsity(at: number, update: number): RunEventOf<'sparsity'> {
  const gate = (name: string, active: number) => ({ name, size: 100, active, removed: update, grown: update });
  const gates = [gate('input', 30 + update), gate('forget', 40 - update)];
  const layer = { name: 'lstm.0', active: 70, removed: 2 * update, grown: 2 * update, gates };
  return { type: 'sparsity', step: at, epoch: 1, update, removingRate: 0.5, layers: [layer] };
}

export function checkpoint(at: number): RunEventOf<'checkpoint'> {
  return { type: 'checkpoint', step: at, epoch: 1, file: `step-${at}.json`, bytes: 10 + at };
}

export function started(stepsPerEpoch = 10, trainTokens = 1000): RunEventOf<'started'> {
  const reference = { unigram: 100, bigram: 50 };
  return {
    type: 'started',
    engine: { name: 'native', version: '1', threads: 1, features: [] },
    layout: 'packed',
    corpus: {
      ...{ name: 'built-in', vocabulary: 100, tokens: { train: trainTokens, valid: 100, test: 100 } },
      reference: { valid: reference, test: reference },
    },
    ...{ parameters: { total: 1000, active: 330 }, layers: [], stepsPerEpoch, epochs: 3, resumedFrom: null },
  };
}

export function finished(at: number): RunEventOf<'finished'> {
  const rest = { testLoss: 4, testPerplexity: 54.6, bestValidationPerplexity: 50, bestEpoch: 1, bigramPerplexity: 60 };
  return { type: 'finished', step: at, epoch: 1, trainingMs: 5, ...rest };
}

/** Tells events to a run, from a number on. */
export function tell(store: WritableStore, run: string, events: readonly RunEvent[], from = 0): void {
  store.events.ingest(events.map((event, i) => ({ run, sequence: from + i, event })));
}

/** What trainers tell, the steps mostly ascending, with values of every kind. */
export function eventLists(maxLength = 60): fc.Arbitrary<RunEvent[]> {
  const value = fc.oneof(
    { weight: 8, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, -1) }, // equal values
    { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity) },
  );
  const maker = fc.oneof(
    {
      weight: 6,
      arbitrary: value.map(
        (loss) =>
          (at: number): RunEvent =>
            step(at, loss),
      ),
    },
    {
      weight: 2,
      arbitrary: value.map(
        (loss) =>
          (at: number): RunEvent =>
            evaluation(at, loss),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.nat(5).map(
        (update) =>
          (at: number): RunEvent =>
            sparsity(at, update),
      ),
    },
    { weight: 1, arbitrary: fc.constant(checkpoint) },
    { weight: 1, arbitrary: fc.constant((): RunEvent => started()) },
  );
  const advance = fc.oneof(fc.nat(3), fc.nat(200), fc.constant(4096), fc.constant(-2));
  return fc.array(fc.tuple(maker, advance), { maxLength }).map((parts) => {
    let at = 0;
    return parts.map(([make, by]) => make((at = Math.max(0, at + by))));
  });
}

/** Everything that is stored of a run's events, in words that do not depend on how it came there. */
export function contentOf(path: string): Record<string, unknown[]> {
  const database = new Database(path, { readonly: true });
  try {
    const tables: Record<string, string> = {
      events: 'SELECT r.id, sequence, type, step, body FROM events JOIN runs r ON r.key = run ORDER BY 1, 2',
      series:
        "SELECT r.id, s.name, count, first_step, last_step FROM series s JOIN runs r ON r.key = run WHERE s.name <> 'elapsedMs' ORDER BY 1, 2",
      metrics:
        "SELECT r.id, s.name, step, sequence, value, kind FROM metrics JOIN series s ON s.key = series JOIN runs r ON r.key = run WHERE s.name <> 'elapsedMs' ORDER BY 1, 2, 3, 4",
      summaries:
        "SELECT r.id, s.name, x.level, x.bucket, x.count, min, min_step, max, max_step, last, x.last_step, nan, plus_infinity, minus_infinity, mark_step FROM summaries x JOIN series s ON s.key = series JOIN runs r ON r.key = run WHERE s.name <> 'elapsedMs' ORDER BY 1, 2, 3, 4",
      updates:
        'SELECT r.id, sequence, number, step, epoch, removing_rate FROM sparsity_updates JOIN runs r ON r.key = run ORDER BY 1, 2',
      sparsity:
        'SELECT r.id, sequence, position, layer, gate, size, active, removed, grown FROM sparsity JOIN runs r ON r.key = run ORDER BY 1, 2, 3',
      checkpoints:
        'SELECT r.id, sequence, step, epoch, file, bytes FROM checkpoints JOIN runs r ON r.key = run ORDER BY 1, 2',
    };
    return Object.fromEntries(Object.entries(tables).map(([name, sql]) => [name, database.prepare(sql).raw().all()]));
  } finally {
    database.close();
  }
}

/** How many cases a property of the store is tried with: `npm run test:faults -- --cases 10000` for more. */
export function fuzz(cases: number): { readonly cases: number; readonly timeoutMs: number } {
  const asked = Number(process.env['SPARROW_TEST_CASES'] ?? cases);
  return { cases: asked, timeoutMs: 60_000 + asked * 500 };
}
