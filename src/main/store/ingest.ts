import { UserError } from '../../shared/errors.js';
import type { RunEvent, RunEventOf } from '../../shared/run-events.js';
import type { StoredEvent } from '../../shared/run-records.js';
import type { WriteConnection } from './connection.js';
import { encode } from './json.js';
import { keyOf } from './keys.js';
import { takeBack } from './replace.js';
import { SeriesWriter } from './series-writer.js';
import type { ToldEvent } from './store.js';
import { metricsOf, stepOf } from './told.js';

/** Writes the events of one run inside a transaction; what is gathered is written down by `flush`. */
export class RunIngest {
  readonly #connection: WriteConnection;
  readonly #id: string;
  readonly #key: number;
  readonly #series = new Map<string, SeriesWriter>();
  readonly #clock: AttemptClock;
  #next: number;

  constructor(connection: WriteConnection, id: string) {
    this.#connection = connection;
    this.#id = id;
    this.#key = keyOf(connection, id);
    this.#clock = new AttemptClock(connection, this.#key, id);
    const [last] = connection.query('SELECT max(sequence) FROM events WHERE run = ?').row(this.#key) as [number | null];
    this.#next = last === null ? 0 : last + 1;
  }

  take({ sequence, event }: ToldEvent, time: number): StoredEvent {
    if (sequence > this.#next) {
      const numbers = `ends with event ${this.#next - 1} in ${this.#connection.path}, and goes on with ${sequence}`;
      throw new UserError(`${this.#id} ${numbers}: what is between is lost; start a new run`);
    }
    if (sequence < this.#next) {
      this.flush();
      this.#series.clear();
      takeBack(this.#connection, this.#key, sequence);
    }
    this.#next = sequence + 1;
    const step = stepOf(event);
    const elapsedMs = this.#clock.tick(sequence, event, time);
    const { lastInsertRowid } = this.#connection
      .command('INSERT INTO events (run, sequence, attempt, time, type, step, body) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(this.#key, sequence, this.#clock.attempt, time, event.type, step, encode(event));
    const metrics = metricsOf(event);
    if (step !== null && metrics.length > 0) {
      for (const [name, value] of metrics) this.#seriesNamed(name).add(step, sequence, value);
      this.#seriesNamed('elapsedMs').add(step, sequence, elapsedMs);
    }
    if (event.type === 'sparsity') this.#takeSparsity(sequence, event);
    if (event.type === 'checkpoint') this.#takeCheckpoint(sequence, event, time);
    return { cursor: Number(lastInsertRowid), run: this.#id, sequence, time, event };
  }

  flush(): void {
    for (const series of this.#series.values()) series.flush();
    this.#clock.flush();
  }

  #seriesNamed(name: string): SeriesWriter {
    let series = this.#series.get(name);
    if (series === undefined) this.#series.set(name, (series = new SeriesWriter(this.#connection, this.#key, name)));
    return series;
  }

  #takeSparsity(sequence: number, { update, step, epoch, removingRate, layers }: RunEventOf<'sparsity'>): void {
    this.#connection
      .command(
        'INSERT INTO sparsity_updates (run, sequence, number, step, epoch, removing_rate) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(this.#key, sequence, update, step, epoch, removingRate);
    const insert = this.#connection.command(
      `INSERT INTO sparsity (run, sequence, position, layer, gate, size, active, removed, grown)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    let position = 0;
    for (const { name, gates, ...whole } of layers) {
      const size = gates.reduce((sum, gate) => sum + gate.size, 0);
      for (const row of [{ ...whole, size, name: null }, ...gates]) {
        const { active, removed, grown } = row;
        insert.run(this.#key, sequence, position++, name, row.name, row.size, active, removed, grown);
      }
    }
  }

  #takeCheckpoint(sequence: number, { step, epoch, file, bytes }: RunEventOf<'checkpoint'>, time: number): void {
    this.#connection
      .command('INSERT INTO checkpoints (run, sequence, step, epoch, file, bytes, time) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(this.#key, sequence, step, epoch, file, bytes, time);
  }
}

interface AttemptRow {
  readonly number: number;
  readonly started: number;
  last: number;
  paused_ms: number;
  paused_since: number | null;
  first_sequence: number | null;
}

/** Training time of a run: over all its attempts, without pauses. */
class AttemptClock {
  readonly #connection: WriteConnection;
  readonly #run: number;
  readonly #row: AttemptRow;
  readonly #earlierMs: number;

  constructor(connection: WriteConnection, run: number, id: string) {
    this.#connection = connection;
    this.#run = run;
    const row = connection
      .query(
        `SELECT number, started, last, paused_ms, paused_since, first_sequence FROM attempts
         WHERE run = ? ORDER BY number DESC LIMIT 1`,
      )
      .get(run);
    if (row === undefined) throw new Error(`events of ${id}, of which no attempt has begun`);
    this.#row = row as AttemptRow;
    const [earlier] = connection
      .query('SELECT ifnull(sum(max(0, last - started - paused_ms)), 0) FROM attempts WHERE run = ? AND number < ?')
      .row(run, this.#row.number) as [number];
    this.#earlierMs = earlier;
  }

  get attempt(): number {
    return this.#row.number;
  }

  /** @returns training time until the event */
  tick(sequence: number, event: RunEvent, time: number): number {
    const row = this.#row;
    row.last = Math.max(row.last, time); // clocks of machines are set back now and then
    row.first_sequence ??= sequence;
    if (row.paused_since !== null) row.paused_ms += Math.max(0, row.last - row.paused_since);
    row.paused_since = event.type === 'paused' ? row.last : null;
    return this.#earlierMs + Math.max(0, row.last - row.started - row.paused_ms);
  }

  flush(): void {
    const { last, paused_ms, paused_since, first_sequence, number } = this.#row;
    this.#connection
      .command(
        `UPDATE attempts SET last = ?, paused_ms = ?, paused_since = ?, first_sequence = ?
         WHERE run = ? AND number = ?`,
      )
      .run(last, paused_ms, paused_since, first_sequence, this.#run, number);
  }
}
