import { basename } from 'node:path';
import Database from 'better-sqlite3';
import type { z } from 'zod';
import { messageOf, UserError } from '../../shared/errors.js';
import { backupsOf } from './backups.js';

/** What SQLite says, as it is told: what the machine or the file refuses is not a defect of ours. */
export function explainedBy(path: string, error: unknown): Error {
  if (!(error instanceof Database.SqliteError)) return error instanceof Error ? error : new Error(messageOf(error));
  const { code, message } = error;
  const is = (...kinds: string[]) => kinds.some((kind) => code === kind || code.startsWith(`${kind}_`));
  if (is('SQLITE_NOTADB')) return new UserError(`${path} is not a database, or damaged: ${restoring(path)}`);
  if (is('SQLITE_CORRUPT')) return new UserError(`${path} is damaged (${message}): ${restoring(path)}`);
  if (is('SQLITE_FULL')) return new UserError(`cannot write ${path}, the disk is full: make room and try again`);
  if (is('SQLITE_READONLY', 'SQLITE_CANTOPEN', 'SQLITE_PERM')) {
    // Readers, too, make files beside a database with a write-ahead log.
    const remedy = 'it takes a folder that can be written: change its permissions, or set SPARROW_HOME to a copy of it';
    return new UserError(`cannot open or write ${path} (${message}), ${remedy}`);
  }
  if (is('SQLITE_IOERR')) {
    return new UserError(`the disk has refused ${path} (${code}): see that it has room and works, and try again`);
  }
  if (is('SQLITE_BUSY', 'SQLITE_LOCKED')) {
    return new UserError(`${path} is in use by another process: wait for it, or end it`);
  }
  return error;
}

/** How to get a database back. */
function restoring(path: string): string {
  const backup = backupsOf(path).at(-1);
  const aside = `move it and its companions (${basename(path)}-wal, ${basename(path)}-shm) away`;
  if (backup === undefined) return `there is no backup; ${aside} to begin with an empty one`;
  return `${aside} and copy the backup ${backup} to ${path}`;
}

/**
 * A row as its schema says.
 * @param what names the row, such as `run night-1`
 * @throws UserError where it is damaged
 */
export function parseRow<Schema extends z.ZodType>(schema: Schema, row: unknown, what: string): z.output<Schema> {
  const result = schema.safeParse(row);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  throw damagedRow(what, `${place}${issue.message}`);
}

export function damagedRow(what: string, problem: string): UserError {
  const words = problem.replaceAll(/\s+/g, ' ').slice(0, 200);
  return new UserError(`${what} is damaged in the database (${words}): delete the run, or go back to a backup`);
}
