import { z } from 'zod';
import type { Standing } from '../../shared/derived-state.js';
import { UserError } from '../../shared/errors.js';
import { runEventSchema, type RunEventOf } from '../../shared/run-events.js';
import {
  attemptSchema,
  checkpointRowSchema,
  queueEntrySchema,
  runRecordSchema,
  type Attempt,
  type CheckpointRow,
  type DamagedRun,
  type QueueEntry,
  type RunRecord,
} from '../../shared/run-records.js';
import type { Connection } from './connection.js';
import { parseRow } from './errors.js';
import { decode } from './json.js';
import { isTrashed, keyIfThere, keyOf } from './keys.js';
import { lastEventOf, progressOf, startedOf } from './progress.js';
import type { ListOptions, RunList, RunReader } from './store.js';

const columns = 'key, id, name, config, colour, created, pinned, note, trashed, paused';
/** The columns of which nothing is asked but that SQLite gives them. */
const keySchema = z.object({ key: z.int(), id: z.string(), config: z.string() }).loose();

export class RunRows implements RunReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list({ trash = false, ids, most, before }: ListOptions = {}): RunList {
    return this.#connection.snapshot(() => {
      const which = trash ? 'IS NOT NULL' : 'IS NULL';
      const named = ids === undefined ? '' : 'AND id IN (SELECT value FROM json_each(?))';
      const sql = `SELECT ${columns} FROM runs WHERE trashed ${which} AND key < ? ${named} ORDER BY key DESC LIMIT ?`;
      const values = [before ?? Number.MAX_SAFE_INTEGER, ...(ids === undefined ? [] : [JSON.stringify(ids)])];
      const rows = this.#connection
        .query(sql)
        .all(...values, most ?? -1)
        .reverse();
      const runs: RunRecord[] = [];
      const damaged: DamagedRun[] = [];
      for (const row of rows) {
        try {
          runs.push(this.#recordOf(row));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          damaged.push({ id: parseRow(keySchema, row, 'a run').id, problem: error.message });
        }
      }
      const next = rows.length === most ? parseRow(keySchema, rows[0], 'a run').key : null;
      return { runs, damaged, next };
    });
  }

  get(id: string): RunRecord {
    return this.#connection.snapshot(() => {
      const row = this.#connection.query(`SELECT ${columns} FROM runs WHERE key = ?`).get(keyOf(this.#connection, id));
      return this.#recordOf(row);
    });
  }

  standings(ids?: readonly string[]): Standing[] {
    return this.#connection.snapshot(() => {
      const all = this.#connection.query('SELECT id FROM runs ORDER BY key');
      const there = ids?.filter((id) => this.has(id)) ?? all.rows().map(([id]) => String(id));
      return there.flatMap((id) => {
        try {
          return [this.standing(id)];
        } catch (error) {
          if (error instanceof UserError) return [];
          throw error;
        }
      });
    });
  }

  standing(id: string): Standing {
    const key = keyOf(this.#connection, id);
    const what = `run ${id}`;
    const [paused] = this.#connection.query('SELECT paused FROM runs WHERE key = ?').row(key) as [number | null];
    return {
      id,
      paused,
      queued: queueEntryOf(this.#connection, key) ?? null,
      attempts: attemptsOf(this.#connection, key, what, 1),
      progress: lastEventOf(this.#connection, key, what),
    };
  }

  has(id: string): boolean {
    return keyIfThere(this.#connection, id) !== undefined;
  }

  isTrashed(id: string): boolean {
    return isTrashed(this.#connection, keyOf(this.#connection, id));
  }

  checkpoints(id: string): CheckpointRow[] {
    return this.#connection
      .query('SELECT step, epoch, file, bytes, time FROM checkpoints WHERE run = ? ORDER BY sequence')
      .all(keyOf(this.#connection, id))
      .map((row) => parseRow(checkpointRowSchema, row, `a checkpoint of run ${id}`));
  }

  started(id: string): RunEventOf<'started'> | null {
    const body = startedOf(this.#connection, keyOf(this.#connection, id));
    if (body === undefined) return null;
    const what = `run ${id}`;
    const event = parseRow(runEventSchema, decode(body, what), what);
    return event.type === 'started' ? event : null;
  }

  #recordOf(row: unknown): RunRecord {
    const { key, ...stored } = parseRow(keySchema, row, 'a run');
    const what = `run ${stored.id}`;
    const tags = this.#connection.query('SELECT tag FROM tags WHERE run = ? ORDER BY tag').rows(key);
    const record = {
      ...stored,
      config: decode(stored.config, what),
      tags: tags.map(([tag]) => tag),
      queued: queueEntryOf(this.#connection, key) ?? null,
      attempts: attemptsOf(this.#connection, key, what),
      progress: progressOf(this.#connection, key, what),
    };
    return parseRow(runRecordSchema, record, what);
  }
}

/** A run's attempts, the first one first; only so many of the last ones if that is said. */
export function attemptsOf(connection: Connection, key: number, what: string, last = -1): Attempt[] {
  const rows = connection
    .query(
      `SELECT number, started, last, ended, paused_ms AS pausedMs, pid, device, first_sequence AS "from", end
       FROM attempts WHERE run = ? ORDER BY number DESC LIMIT ?`,
    )
    .all(key, last)
    .reverse();
  return rows.map((row) => {
    const { end, ...rest } = row as { end: unknown };
    return parseRow(attemptSchema, { ...rest, end: end === null ? null : decode(end, what) }, `an attempt of ${what}`);
  });
}

const queueColumns = 'SELECT id AS run, position, device, threads, queued FROM queue JOIN runs ON key = run';

/** Who waits, the first one first. A damaged place is left out: the list of runs tells it, as damage of its run. */
export function queueEntriesOf(connection: Connection): QueueEntry[] {
  const rows = connection.query(`${queueColumns} ORDER BY position, queued, key`).all();
  return rows.flatMap((row) => {
    const result = queueEntrySchema.safeParse(row);
    return result.success ? [result.data] : [];
  });
}

/**
 * A run's place in the queue, if it has one.
 * @throws UserError where that is damaged
 */
export function queueEntryOf(connection: Connection, key: number): QueueEntry | undefined {
  const row = connection.query(`${queueColumns} WHERE key = ?`).get(key);
  return row === undefined ? undefined : parseRow(queueEntrySchema, row, 'a place in the queue');
}
