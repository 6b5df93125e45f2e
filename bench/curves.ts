import Database from 'better-sqlite3';
import type { ToldEvent, WritableStore } from '../src/main/store/store.js';
import { parseRunConfig } from '../src/shared/run-config.js';
import type { RunEvent } from '../src/shared/run-events.js';

/** A run whose first attempt has begun. @returns its id */
export function begin(store: WritableStore, name: string): string {
  const [{ id }] = store.runs.create([parseRunConfig({ name })]);
  store.runs.beginAttempt(id);
  return id;
}

/** Steps of a run as a trainer tells them. @param from number of the first one */
export function told(run: string, from: number, count: number): ToldEvent[] {
  const eventAt = (sequence: number): RunEvent => ({
    type: 'step',
    step: sequence + 1,
    epoch: 1 + Math.floor(sequence / 1000),
    loss: 4 + 3 * Math.exp(-sequence / 3e4) + 0.1 * Math.sin(sequence * 12.9898),
    gradientNorm: 1 + Math.abs(Math.sin(sequence * 78.233)),
    learningRate: 20,
    removingRate: 0.8 * Math.cos(sequence / 1e5),
    tokensPerSecond: 9000 + 500 * Math.sin(sequence),
  });
  return Array.from({ length: count }, (_, i) => ({ run, sequence: from + i, event: eventAt(from + i) }));
}

/** Gives other runs the curves of one: rows are copied faster than they are told. */
export function copyCurves(path: string, from: string, to: readonly string[], metrics: readonly string[]): void {
  const database = new Database(path);
  const copy = database.transaction((run: string, metric: string) => {
    database
      .prepare(
        `INSERT INTO series (run, name, count, first_step, last_step)
         SELECT (SELECT key FROM runs WHERE id = ?), name, count, first_step, last_step
         FROM series WHERE name = ? AND run = (SELECT key FROM runs WHERE id = ?)`,
      )
      .run(run, metric, from);
    const source = 'SELECT s.key FROM series s JOIN runs r ON r.key = s.run WHERE s.name = ? AND r.id = ?';
    for (const [table, columns] of [
      ['metrics', 'step, sequence, value, kind'],
      [
        'summaries',
        'level, bucket, count, min, min_step, max, max_step, last, last_step, nan, plus_infinity, minus_infinity, mark_step',
      ],
    ]) {
      const sql = `INSERT INTO ${table} SELECT (${source}), ${columns} FROM ${table} WHERE series = (${source})`;
      database.prepare(sql).run(metric, run, metric, from);
    }
  });
  for (const run of to) for (const metric of metrics) copy(run, metric);
  database.close();
}
