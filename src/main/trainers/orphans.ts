import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../shared/errors.js';
import { lockHolder } from '../../system/process-lock.js';
import type { ReadableStore } from '../store/store.js';

/** One that was killed is gone within this, unless its disk does not answer. */
const goneMs = 10_000;

/**
 * Ends the trainers that the last owner has left. They end by themselves when it is gone, unless they hang or were stopped:
 * such a one would hold its run for ever.
 * @returns when they are gone, or do not go
 */
export async function endOrphans(store: ReadableStore, runsFolder: string): Promise<void> {
  if (!existsSync(runsFolder)) return;
  const orphans = readdirSync(runsFolder).filter((id) => {
    const pid = trainerOf(join(runsFolder, id));
    return pid !== undefined && pid === openAttemptOf(store, id) && isTrainer(pid);
  });
  await Promise.all(orphans.map((id) => end(join(runsFolder, id))));
}

/** @throws UserError while a trainer is at work in the folder of a run */
export function refuseWhileTrained(id: string, folder: string): void {
  const pid = trainerOf(folder);
  if (pid === undefined) return;
  throw new UserError(`${id} is still in use by its trainer (process ${pid}): wait for it, or end it, and try again`);
}

async function end(folder: string): Promise<void> {
  const pid = trainerOf(folder);
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // it has just ended, or is another user's: its lock says what is to be said
  }
  for (const deadline = Date.now() + goneMs; trainerOf(folder) === pid && Date.now() < deadline;) await sleep(20);
}

/** Id of the living process that holds the lock of a run. */
function trainerOf(folder: string): number | undefined {
  return lockHolder(join(folder, 'trainer.lock'));
}

function openAttemptOf(store: ReadableStore, id: string): number | undefined {
  try {
    if (!store.runs.has(id)) return undefined;
    const last = store.runs.get(id).attempts.at(-1);
    return last?.end === null ? (last.pid ?? undefined) : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined; // damaged: nothing says whose the process is
    throw error;
  }
}

/** On Linux the lock says when its process started, which is proof; elsewhere an id may have been given to another program. */
function isTrainer(pid: number): boolean {
  if (process.platform === 'linux') return true;
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 });
  return typeof stdout === 'string' && stdout.includes('trainer-process');
}
