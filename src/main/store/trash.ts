import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { explained, UserError } from '../../shared/errors.js';
import type { RunWriter } from './store.js';

/**
 * Deletes a run that is in the trash for good: its folder and then its rows, so that one whose deletion was interrupted is
 * still in the trash and can be deleted again.
 * @returns the disk space that is free again, in bytes
 */
export function purgeRun(runs: RunWriter, id: string, folder: string): number {
  if (!runs.isTrashed(id)) throw new UserError(`${id} is not in the trash: move it there first`);
  const freed = spaceOf(folder);
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    throw explained(error);
  }
  return freed + runs.purge(id);
}

/** Disk space that a folder takes, in bytes; 0 where there is none. */
export function spaceOf(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? spaceOf(path) : (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0));
  }, 0);
}
