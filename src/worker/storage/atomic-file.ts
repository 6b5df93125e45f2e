import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file so that, whatever is killed and whenever, its name has either the old content or the whole new one: the
 * bytes go to a neighbour, are forced to disk and then take the name.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  const neighbour = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeThrough(neighbour, content);
    renameSync(neighbour, path);
  } catch (error) {
    rmSync(neighbour, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

function writeThrough(path: string, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const file = openSync(path, 'wx', 0o600);
  try {
    for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Forces the names in a folder to disk. Windows cannot open folders, and keeps the order of renames by itself. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
