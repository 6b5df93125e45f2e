import type { Command, WriteConnection } from './connection.js';
import { Summaries } from './summary.js';
import { kindOf } from './told.js';

/** One metric of one run, while events are written. */
export class SeriesWriter {
  readonly #connection: WriteConnection;
  readonly #insert: Command;
  readonly #key: number;
  readonly #summaries = new Summaries();
  #added = 0;
  #first = Infinity;
  #last = -Infinity;

  constructor(connection: WriteConnection, run: number, name: string) {
    this.#connection = connection;
    connection.command('INSERT OR IGNORE INTO series (run, name) VALUES (?, ?)').run(run, name);
    const [key] = connection.query('SELECT key FROM series WHERE run = ? AND name = ?').row(run, name) as [number];
    this.#key = key;
    this.#insert = connection.command(
      'INSERT INTO metrics (series, step, sequence, value, kind) VALUES (?, ?, ?, ?, ?)',
    );
  }

  add(step: number, sequence: number, value: number): void {
    const kind = kindOf(value);
    this.#insert.run(this.#key, step, sequence, kind === 0 ? value : null, kind);
    this.#summaries.add(step, value);
    this.#added += 1;
    if (step < this.#first) this.#first = step;
    if (step > this.#last) this.#last = step;
  }

  /** Writes down the summaries of what was added. */
  flush(): void {
    if (this.#added === 0) return;
    this.#summaries.write(this.#connection, this.#key, () => true);
    this.#connection
      .command(
        `UPDATE series SET count = count + ?,
           first_step = CASE WHEN count = 0 THEN ? ELSE min(first_step, ?) END,
           last_step = CASE WHEN count = 0 THEN ? ELSE max(last_step, ?) END
         WHERE key = ?`,
      )
      .run(this.#added, this.#first, this.#first, this.#last, this.#last, this.#key);
    this.#added = 0;
    this.#first = Infinity;
    this.#last = -Infinity;
  }
}
