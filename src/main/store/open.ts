import { closeSync, existsSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { explained, UserError } from '../../shared/errors.js';
import { backUp, isBackupDue } from './backups.js';
import { Connection, WriteConnection } from './connection.js';
import { migrate, migrations, versionOf } from './migrate.js';
import { explainedBy } from './errors.js';
import { CorpusRows, CorpusTable } from './corpora.js';
import { EventLog, EventRows } from './events.js';
import { MetricRows } from './metrics.js';
import { QueueRows, QueueTable } from './queue.js';
import { RunRows } from './runs.js';
import { RunTable } from './run-writer.js';
import { SettingRows, SettingTable } from './settings.js';
import { SparsityRows } from './sparsity.js';
import type { ReadableStore, WritableStore } from './store.js';
import { TopologyRows } from './topology.js';

/** How long to wait for whoever is writing at the moment. */
const busyTimeoutMs = 5000;

export interface OpenOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** In place of the migrations of this program. */
  readonly migrations?: readonly string[];
}

/**
 * Opens the database of a data folder to write it: makes one that is not there, and brings an older one to the version of
 * this program, after a copy. Only the owner of the folder may.
 * @throws UserError where it cannot be opened; then nothing was changed
 */
export function openWritable(path: string, options: OpenOptions = {}): WritableStore {
  const now = options.now ?? Date.now;
  const steps = options.migrations ?? migrations;
  makeFile(path);
  const connection = connect(path, (database) => new WriteConnection(path, database), { timeout: busyTimeoutMs });
  try {
    versionOf(connection, steps.length); // before anything is written into a file that may not be ours
    connection.execute('PRAGMA foreign_keys = ON');
    migrate(connection, steps, now);
    if (connection.pragma('journal_mode = WAL') !== 'wal') {
      const remedy = 'set SPARROW_HOME to a folder on a local disk';
      throw new UserError(`the file system of ${path} cannot hold a write-ahead log: ${remedy}`);
    }
    // An event is on disk, also after a power cut, before anybody sees it.
    connection.execute('PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
  } catch (error) {
    connection.close();
    throw error;
  }
  return {
    path,
    runs: new RunTable(connection, now),
    events: new EventLog(connection, now),
    metrics: new MetricRows(connection),
    sparsity: new SparsityRows(connection),
    topology: new TopologyRows(connection),
    queue: new QueueTable(connection, now),
    corpora: new CorpusTable(connection, now),
    settings: new SettingTable(connection),
    transaction: (work) => connection.transaction(work),
    backUp: () => backUp(connection, steps.length, now()),
    backUpIfDue: async (signal) =>
      isBackupDue(connection, now()) ? backUp(connection, steps.length, now(), signal) : undefined,
    problems: () => problemsOf(connection),
    close: () => {
      connection.close();
    },
  };
}

/**
 * Opens a database that is there, to read it, while its owner may be writing.
 * @throws UserError where there is none, or this program cannot read it
 */
export function openReadable(path: string, options: OpenOptions = {}): ReadableStore {
  const store = openIfThere(path, options);
  if (store === undefined) throw new UserError(`there is no database ${path} yet: it is made when the first run is`);
  return store;
}

/**
 * The same where there may be none yet: no file, or an empty one that an owner was killed over, or is about to fill.
 * @throws UserError where this program cannot read it
 */
export function openIfThere(
  path: string,
  { migrations: steps = migrations }: OpenOptions = {},
): ReadableStore | undefined {
  if (!existsSync(path)) return undefined;
  const options = { timeout: busyTimeoutMs, readonly: true, fileMustExist: true };
  const connection = connect(path, (database) => new Connection(path, database), options);
  try {
    const version = versionOf(connection, steps.length);
    if (version === 0) {
      connection.close();
      return undefined;
    }
    if (version < steps.length) {
      throw new UserError(
        `${path} was written by an older Sparrow: start a run, or the window, to bring it up to date`,
      );
    }
  } catch (error) {
    connection.close();
    throw error;
  }
  return {
    path,
    runs: new RunRows(connection),
    events: new EventRows(connection),
    metrics: new MetricRows(connection),
    sparsity: new SparsityRows(connection),
    topology: new TopologyRows(connection),
    queue: new QueueRows(connection),
    corpora: new CorpusRows(connection),
    settings: new SettingRows(connection),
    problems: () => problemsOf(connection),
    close: () => {
      connection.close();
    },
  };
}

/** SQLite would make the file readable for all; its companions take over these permissions. */
function makeFile(path: string): void {
  if (existsSync(path)) return;
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw explained(error);
  }
}

function connect<C>(path: string, make: (database: Database.Database) => C, options: Database.Options): C {
  try {
    return make(new Database(path, options));
  } catch (error) {
    throw explainedBy(path, error);
  }
}

function problemsOf(connection: Connection): string[] {
  try {
    return complaintsOf(connection);
  } catch (error) {
    if (error instanceof UserError) return [error.message]; // too damaged to be checked
    throw error;
  }
}

function complaintsOf(connection: Connection): string[] {
  const integrity = connection
    .query('PRAGMA integrity_check')
    .rows()
    .map(([text]) => String(text));
  const orphans = connection.query('PRAGMA foreign_key_check').rows();
  return [
    ...integrity.filter((text) => text !== 'ok'),
    ...orphans.map(([table, , parent]) => `a row of ${String(table)} has no row of ${String(parent)}`),
  ];
}
