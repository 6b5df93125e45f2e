import type Database from 'better-sqlite3';
import { explainedBy } from './errors.js';

/** Some milliseconds of copying. */
const pagesAtATime = 500;

/** What SQLite takes. */
type Value = string | number | null | Uint8Array;

/** A prepared statement that reads. Rows come as `unknown`: whoever asked parses them. */
export interface Query {
  get(...values: Value[]): unknown;
  all(...values: Value[]): unknown[];
  /** The first row as an array, undefined where there is none. */
  row(...values: Value[]): unknown[] | undefined;
  /** Rows as arrays, for long results. */
  rows(...values: Value[]): unknown[][];
}

/** A prepared statement that writes. */
export interface Command {
  run(...values: Value[]): { readonly changes: number; readonly lastInsertRowid: number | bigint };
}

/** A connection that cannot write. Statements are prepared once. */
export class Connection {
  readonly path: string;
  protected readonly database: Database.Database;
  readonly #queries = new Map<string, Query>();

  constructor(path: string, database: Database.Database) {
    this.path = path;
    this.database = database;
  }

  query(sql: string): Query {
    const known = this.#queries.get(sql);
    if (known !== undefined) return known;
    const statement = this.guarded(() => this.database.prepare<Value[]>(sql));
    const raw = this.guarded(() => this.database.prepare<Value[]>(sql).raw());
    const query: Query = {
      get: (...values) => this.guarded(() => statement.get(...values)),
      all: (...values) => this.guarded(() => statement.all(...values)),
      row: (...values) => this.guarded(() => raw.get(...values) as unknown[] | undefined),
      rows: (...values) => this.guarded(() => raw.all(...values) as unknown[][]),
    };
    this.#queries.set(sql, query);
    return query;
  }

  /** The value of a pragma. */
  pragma(name: string): unknown {
    return this.guarded(() => this.database.pragma(name, { simple: true }));
  }

  /** One state of the database for all that `work` reads, whoever writes meanwhile. */
  snapshot<T>(work: () => T): T {
    if (this.database.inTransaction) return work();
    return this.guarded(() => this.database.transaction(work).deferred());
  }

  close(): void {
    this.guarded(() => this.database.close());
  }

  protected guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explainedBy(this.path, error);
    }
  }
}

export class WriteConnection extends Connection {
  readonly #commands = new Map<string, Command>();

  command(sql: string): Command {
    const known = this.#commands.get(sql);
    if (known !== undefined) return known;
    const statement = this.guarded(() => this.database.prepare<Value[]>(sql));
    const command: Command = { run: (...values) => this.guarded(() => statement.run(...values)) };
    this.#commands.set(sql, command);
    return command;
  }

  /** Several statements without values. */
  execute(sql: string): void {
    this.guarded(() => this.database.exec(sql));
  }

  /** Copies the whole database into a file, some pages at a time; in between others may read and write. */
  async copyTo(file: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.database.backup(file, {
        progress: () => {
          signal?.throwIfAborted();
          return pagesAtATime;
        },
      });
    } catch (error) {
      throw explainedBy(this.path, error);
    }
  }

  /** All that `work` writes, or nothing if it throws. May be nested. */
  transaction<T>(work: () => T): T {
    return this.guarded(() => this.database.transaction(work).immediate());
  }
}
