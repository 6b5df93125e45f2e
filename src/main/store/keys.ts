import { UserError } from '../../shared/errors.js';
import type { Connection } from './connection.js';

/**
 * The number that a run has in the tables.
 * @throws UserError where there is no such run
 */
export function keyOf(connection: Connection, id: string): number {
  const key = keyIfThere(connection, id);
  if (key === undefined) throw new UserError(`${id}: there is no such run in ${connection.path}`);
  return key;
}

export function keyIfThere(connection: Connection, id: string): number | undefined {
  return connection.query('SELECT key FROM runs WHERE id = ?').row(id)?.[0] as number | undefined;
}

export function isTrashed(connection: Connection, key: number): boolean {
  return connection.query('SELECT 1 FROM runs WHERE key = ? AND trashed IS NOT NULL').get(key) !== undefined;
}
