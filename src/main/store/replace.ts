import type { WriteConnection } from './connection.js';
import { Summaries, summaryLevels } from './summary.js';
import { valueOf } from './told.js';

/**
 * Takes back what a run has told from an event on, with everything that came from it: afterwards the database is as if it
 * had never been told.
 */
export function takeBack(connection: WriteConnection, run: number, sequence: number): void {
  const [step] = connection
    .query('SELECT min(step) FROM events WHERE run = ? AND sequence >= ?')
    .row(run, sequence) as [number | null];
  // Sparsity and checkpoints go with their events.
  connection.command('DELETE FROM events WHERE run = ? AND sequence >= ?').run(run, sequence);
  if (step === null) return; // metrics have steps
  for (const [series] of connection.query('SELECT key FROM series WHERE run = ?').rows(run) as [number][]) {
    takeBackValues(connection, series, step, sequence);
  }
}

/** @param step the first one that a value to take back can have */
function takeBackValues(connection: WriteConnection, series: number, step: number, sequence: number): void {
  const { changes } = connection
    .command('DELETE FROM metrics WHERE series = ? AND step >= ? AND sequence >= ?')
    .run(series, step, sequence);
  if (changes === 0) return;
  const [count, first, last] = connection
    .query(
      `SELECT count - ?, (SELECT min(step) FROM metrics WHERE series = key),
         (SELECT max(step) FROM metrics WHERE series = key) FROM series WHERE key = ?`,
    )
    .row(changes, series) as [number, number | null, number | null];
  if (first === null || last === null) {
    connection.command('DELETE FROM series WHERE key = ?').run(series);
    return;
  }
  const sql = 'UPDATE series SET count = ?, first_step = ?, last_step = ? WHERE key = ?';
  connection.command(sql).run(count, first, last, series);
  sumUpAgain(connection, series, step);
}

/** Makes the summaries from that of a step on anew. */
function sumUpAgain(connection: WriteConnection, series: number, step: number): void {
  const from = (level: number) => Math.floor(step / level);
  for (const level of summaryLevels) {
    const sql = 'DELETE FROM summaries WHERE series = ? AND level = ? AND bucket >= ?';
    connection.command(sql).run(series, level, from(level));
  }
  const start = Math.min(...summaryLevels.map((level) => from(level) * level));
  const summaries = new Summaries();
  const left = 'SELECT step, value, kind FROM metrics WHERE series = ? AND step >= ? ORDER BY step, sequence';
  for (const [at, value, kind] of connection.query(left).rows(series, start)) {
    summaries.add(Number(at), valueOf(value, kind));
  }
  summaries.write(connection, series, (level, bucket) => bucket >= from(level));
}
