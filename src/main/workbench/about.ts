import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { About } from '../../shared/contract/about.js';
import { limitsInWords } from '../owner/limits.js';

/** @param database path of its file */
export function aboutOwner(version: string, database: string): About {
  const folder = dirname(database);
  const { bavail, bsize } = statfsSync(folder);
  const sizes = [database, `${database}-wal`].map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  return {
    ...{ version, pid: process.pid, folder },
    databaseBytes: sizes.reduce((sum, size) => sum + size, 0),
    freeBytes: bavail * bsize,
    limits: limitsInWords(),
  };
}
