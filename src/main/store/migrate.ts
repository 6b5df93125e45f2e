import { UserError } from '../../shared/errors.js';
import { backUpAtOnce } from './backups.js';
import type { Connection, WriteConnection } from './connection.js';
import { runs } from './migrations/0001-runs.js';
import { paused } from './migrations/0002-paused.js';

/** Migrations in order: the n-th makes version n of the database. What was released is never changed, only added to. */
export const migrations: readonly string[] = [runs, paused];

/** Marks the file as ours: the letters SPRW. */
const applicationId = 0x53_50_52_57;

/**
 * Which version a database has; 0 is an empty one.
 * @throws UserError where it is of another program, or of a Sparrow newer than this
 */
export function versionOf(connection: Connection, known: number): number {
  const version = Number(connection.pragma('user_version'));
  const owner = connection.pragma('application_id');
  const tables = connection.query('SELECT count(*) AS tables FROM sqlite_schema').row()?.[0];
  if (owner === 0 && version === 0 && tables === 0) return 0;
  if (owner !== applicationId) {
    throw new UserError(`${connection.path} is a database of another program: set SPARROW_HOME to another folder`);
  }
  if (version > known) {
    const versions = `it has version ${version}, this one knows ${known}`;
    const remedy = 'update Sparrow, or set SPARROW_HOME to another folder';
    throw new UserError(`${connection.path} was written by a newer Sparrow (${versions}): ${remedy}`);
  }
  return version;
}

/**
 * Brings a database to the newest version, all the way or not at all. One that holds something is copied first.
 * @returns the path of the copy, if one was made
 */
export function migrate(connection: WriteConnection, steps: readonly string[], now: () => number): string | undefined {
  const version = versionOf(connection, steps.length);
  if (version === steps.length) return undefined;
  // Before the first table, or never: space of a purged run goes back to the disk.
  if (version === 0) connection.execute('PRAGMA auto_vacuum = INCREMENTAL');
  const copy = version === 0 ? undefined : backUpAtOnce(connection, version, now());
  connection.transaction(() => {
    for (const step of steps.slice(version)) connection.execute(step);
    connection.execute(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}`);
  });
  return copy;
}
