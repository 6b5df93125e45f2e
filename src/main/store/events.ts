import { storedEventSchema, type StoredEvent } from '../../shared/run-records.js';
import type { Connection, WriteConnection } from './connection.js';
import { parseRow } from './errors.js';
import { RunIngest } from './ingest.js';
import { decode } from './json.js';
import { keyOf } from './keys.js';
import type { EventRange, EventReader, EventWriter, ToldEvent } from './store.js';

const columns = 'cursor, id AS run, sequence, time, body';

/** What a run tells again gets new cursors, too: within a run they ascend with the sequence. The index `new_events` has both columns. */
export const newOfRun = `SELECT ${columns} FROM events JOIN runs ON key = run WHERE run = ? AND cursor > ? ORDER BY cursor LIMIT ?`;

export class EventRows implements EventReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  after(cursor: number, { run, limit = 1000 }: { readonly run?: string; readonly limit?: number } = {}): StoredEvent[] {
    const from = `SELECT ${columns} FROM events JOIN runs ON key = run`;
    if (run === undefined) {
      const sql = `${from} WHERE cursor > ? ORDER BY cursor LIMIT ?`;
      return this.#connection.query(sql).all(cursor, limit).map(eventOf);
    }
    return this.#connection.query(newOfRun).all(keyOf(this.#connection, run), cursor, limit).map(eventOf);
  }

  of(run: string, { from = 0, limit = -1, types = [] }: EventRange = {}): StoredEvent[] {
    const ofTypes = types.length === 0 ? '' : `AND type IN (${types.map(() => '?').join()})`;
    const sql = `SELECT ${columns} FROM events JOIN runs ON key = run
      WHERE run = ? AND sequence >= ? ${ofTypes} ORDER BY sequence LIMIT ?`;
    return this.#connection
      .query(sql)
      .all(keyOf(this.#connection, run), from, ...types, limit)
      .map(eventOf);
  }

  lastCursor(): number {
    return lastCursorOf(this.#connection);
  }
}

/** Cursor of the newest event, 0 where there is none. */
export function lastCursorOf(connection: Connection): number {
  const [cursor] = connection.query('SELECT ifnull(max(cursor), 0) FROM events').row() as [number];
  return cursor;
}

export class EventLog extends EventRows implements EventWriter {
  readonly #connection: WriteConnection;
  readonly #now: () => number;

  constructor(connection: WriteConnection, now: () => number) {
    super(connection);
    this.#connection = connection;
    this.#now = now;
  }

  ingest(events: readonly ToldEvent[]): StoredEvent[] {
    return this.#connection.transaction(() => {
      const now = this.#now();
      const runs = new Map<string, RunIngest>();
      const stored = events.map((told) => {
        let run = runs.get(told.run);
        if (run === undefined) runs.set(told.run, (run = new RunIngest(this.#connection, told.run)));
        return run.take(told, told.time ?? now);
      });
      for (const run of runs.values()) run.flush();
      return stored;
    });
  }
}

function eventOf(row: unknown): StoredEvent {
  const { body, ...rest } = row as { run: unknown; sequence: unknown; body: unknown };
  const what = `event ${String(rest.sequence)} of run ${String(rest.run)}`;
  return parseRow(storedEventSchema, { ...rest, event: decode(body, what) }, what);
}
