import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, UserError } from '../shared/errors.js';
import { isAlive, startOf } from './process-start.js';

const turnMs = 10_000; // a turn takes less than one: a file this old that names nobody was left by one that was killed
const pauseMs = 2;

/** What this process holds: a file that names its id and is not among these was left by one that had the same id before it. */
const held = new Set<string>();
let asides = 0;

/** Another process holds the lock. */
export class LockHeld extends UserError {}

/**
 * A file that says which process works on something: its id and, where that can be known, when it started, because ids are
 * given again. A lock whose process is gone counts for nothing.
 *
 * Processes look at the lock one at a time: otherwise two that start together would both find a stale one, or one that has
 * just been created and is still empty, and the second would delete what the first has written.
 */
export class ProcessLock {
  readonly #path: string;

  /**
   * @param what what is locked, for the error
   * @throws LockHeld while another process holds the lock
   */
  constructor(path: string, what: string) {
    this.#path = path;
    const turn = `${path}.turn`;
    takeTurn(turn, what);
    try {
      const holder = lockHolder(path);
      if (holder !== undefined) throw inUse(what, holder, path);
      writeFileSync(path, ourselves(), { mode: 0o600 });
      held.add(path);
    } finally {
      rmSync(turn, { force: true });
    }
  }

  /**
   * The same, but waits a while for the holder to let go.
   * @throws LockHeld when it has not
   */
  static async within(patienceMs: number, path: string, what: string): Promise<ProcessLock> {
    for (const deadline = Date.now() + patienceMs; ;) {
      try {
        return new ProcessLock(path, what);
      } catch (error) {
        if (!(error instanceof LockHeld) || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  release(): void {
    held.delete(this.#path);
    rmSync(this.#path, { force: true });
  }
}

/** Id of the living process that holds a lock; undefined where none does. */
export function lockHolder(path: string): number | undefined {
  const named = namedIn(path);
  if (named === undefined || !isAlive(named.pid, named.start)) return undefined;
  return named.pid === process.pid && !held.has(path) ? undefined : named.pid;
}

/** So that not two processes look at the lock at once: a second file, which is there as long as one of them does. */
function takeTurn(turn: string, what: string): void {
  for (let waited = 0; waited < 2 * turnMs; waited += pauseMs) {
    try {
      writeFileSync(turn, ourselves(), { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const seen = statSync(turn, { throwIfNoEntry: false });
    if (seen !== undefined && isStale(turn, seen.mtimeMs)) removeJudged(turn, seen);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
  }
  throw inUse(what, namedIn(turn)?.pid, turn);
}

/** Whether nobody is at it any more. One that has just been made, and does not say yet whose it is, gets some time. */
function isStale(turn: string, sinceMs: number): boolean {
  const named = namedIn(turn);
  return named === undefined ? Date.now() - sinceMs > turnMs : !isAlive(named.pid, named.start);
}

/**
 * Removes the file that was judged, and not one that another process has put in its place meanwhile: what is moved aside is
 * looked at again, and given back where it is another.
 */
export function removeJudged(path: string, judged: { readonly ino: number; readonly mtimeMs: number }): void {
  const aside = `${path}.${process.pid}.${asides++}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return; // another one was faster
    throw error;
  }
  const { ino, mtimeMs } = statSync(aside);
  try {
    if (ino !== judged.ino || mtimeMs !== judged.mtimeMs) linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(aside);
  }
}

function inUse(what: string, holder: number | undefined, file: string): LockHeld {
  const who = holder === undefined ? 'another process' : `process ${holder}`;
  return new LockHeld(`${what} is in use by ${who}: wait for it, or end it (if it is no Sparrow, delete ${file})`);
}

function ourselves(): string {
  const start = startOf(process.pid);
  return `${process.pid}\n${start === undefined ? '' : `${start}\n`}`;
}

function namedIn(path: string): { pid: number; start: string | undefined } | undefined {
  try {
    const match = /^([1-9]\d{0,8})\s*(?:\n(\d+)\n)?$/.exec(readFileSync(path, 'utf8'));
    return match === null ? undefined : { pid: Number(match[1]), start: match[2] };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
