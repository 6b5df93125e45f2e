import { UserError } from '../../shared/errors.js';
import type { QueueEntry } from '../../shared/run-records.js';
import type { Connection, WriteConnection } from './connection.js';
import { isTrashed, keyIfThere, keyOf } from './keys.js';
import { queueEntriesOf, queueEntryOf } from './runs.js';
import type { QueueReader, QueueWriter } from './store.js';

export class QueueRows implements QueueReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  entries(): QueueEntry[] {
    return queueEntriesOf(this.#connection);
  }
}

export class QueueTable extends QueueRows implements QueueWriter {
  readonly #connection: WriteConnection;
  readonly #now: () => number;

  constructor(connection: WriteConnection, now: () => number) {
    super(connection);
    this.#connection = connection;
    this.#now = now;
  }

  add(run: string, options: { readonly device?: string; readonly threads?: number } = {}): QueueEntry {
    return this.#connection.transaction(() => {
      const key = keyOf(this.#connection, run);
      if (isTrashed(this.#connection, key)) throw new UserError(`${run} is in the trash: restore it first`);
      if (queueEntryOf(this.#connection, key) !== undefined) throw new UserError(`${run} is in the queue already`);
      this.#connection
        .command(
          `INSERT INTO queue (run, position, device, threads, queued)
           VALUES (?, (SELECT ifnull(max(position), 0) + 1 FROM queue), ?, ?, ?)`,
        )
        .run(key, options.device ?? null, options.threads ?? null, this.#now());
      return queueEntryOf(this.#connection, key)!;
    });
  }

  remove(run: string): boolean {
    const key = keyIfThere(this.#connection, run);
    if (key === undefined) return false;
    return this.#connection.command('DELETE FROM queue WHERE run = ?').run(key).changes > 0;
  }

  reorder(runs: readonly string[]): void {
    this.#connection.transaction(() => {
      const waiting = this.entries().map(({ run }) => run);
      for (const run of runs) if (!waiting.includes(run)) throw new UserError(`${run} is not in the queue`);
      const place = this.#connection.command('UPDATE queue SET position = ? WHERE run = ?');
      [...new Set([...runs, ...waiting])].forEach((run, index) => {
        place.run(index + 1, keyOf(this.#connection, run));
      });
    });
  }
}
