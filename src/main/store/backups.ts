import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { WriteConnection } from './connection.js';

/**
 * Whole copies of a database beside it: before each migration, and of one that is written every day. The newest ones are
 * kept. A copy has its version and time in its name, which it takes when it is complete, as in
 * `sparrow.db.backup-v1-2026-11-24T10-00-00-000Z`.
 */
const kept = 3;
const dayMs = 24 * 60 * 60 * 1000;

/** Backups of a database, the oldest first. */
export function backupsOf(path: string): string[] {
  const folder = dirname(path);
  const prefix = prefixOf(path);
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.startsWith(prefix) && !name.endsWith('.part'));
  return names.sort((a, b) => (stampIn(a) < stampIn(b) ? -1 : 1)).map((name) => join(folder, name));
}

/** Before anything else is done with the database, as in its opening. */
export function backUpAtOnce(connection: WriteConnection, version: number, time: number): string {
  const path = nameOf(connection.path, version, time);
  try {
    connection.command('VACUUM INTO ?').run(begin(path));
    return finish(connection.path, path);
  } catch (error) {
    giveUp(path);
    throw error;
  }
}

/** Piece by piece, while others write. @param signal ends it, with nothing left behind */
export async function backUp(
  connection: WriteConnection,
  version: number,
  time: number,
  signal?: AbortSignal,
): Promise<string> {
  const path = nameOf(connection.path, version, time);
  try {
    await connection.copyTo(begin(path), signal);
    return finish(connection.path, path);
  } catch (error) {
    giveUp(path);
    throw error;
  }
}

/**
 * Whether the newest backup is older than a day, and the database is another one since. Where there is hardly room for one it
 * is not: a backup must not be what fills the disk.
 */
export function isBackupDue(path: string, time: number): boolean {
  const newest = backupsOf(path).at(-1);
  const made = newest === undefined ? 0 : timeIn(newest);
  if (time - made < dayMs || changed(path) <= made) return false;
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize > 2 * (sizeOf(path) + sizeOf(`${path}-wal`));
}

/** When the database was last written: what is new stands in its log first. */
function changed(path: string): number {
  const log = `${path}-wal`;
  return Math.max(statSync(path).mtimeMs, sizeOf(log) > 0 ? statSync(log).mtimeMs : 0);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** SQLite would let others read it. @returns the file to copy into */
function begin(path: string): string {
  giveUp(path);
  closeSync(openSync(partOf(path), 'wx', 0o600));
  return partOf(path);
}

function finish(database: string, path: string): string {
  renameSync(partOf(path), path);
  for (const old of backupsOf(database).slice(0, -kept)) rmSync(old, { force: true });
  return path;
}

function giveUp(path: string): void {
  for (const companion of ['', '-journal', '-wal', '-shm']) rmSync(`${partOf(path)}${companion}`, { force: true });
}

function partOf(path: string): string {
  return `${path}.part`;
}

function prefixOf(database: string): string {
  return `${basename(database)}.backup-`;
}

function nameOf(database: string, version: number, time: number): string {
  const stamp = new Date(time).toISOString().replaceAll(/[:.]/g, '-');
  return join(dirname(database), `${prefixOf(database)}v${version}-${stamp}`);
}

/** The time in a backup's name, which comes last. */
function stampIn(path: string): string {
  return basename(path).replace(/^.*\.backup-v\d+-/, '');
}

/** 2026-11-24T10-00-00-000Z */
function timeIn(path: string): number {
  return Date.parse(stampIn(path).replace(/T(\d\d)-(\d\d)-(\d\d)-(\d+)Z$/, 'T$1:$2:$3.$4Z')) || 0;
}
