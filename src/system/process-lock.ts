import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, UserError } from '../shared/errors.js';

const turnMs = 10_000; // a turn takes less than one: a file this old was left by a process that was killed
const pauseMs = 2;

/** What this process holds: a file that names its id and is not among these was left by one that had the same id before it. */
const held = new Set<string>();

/**
 * A file that says which process works on something. A lock whose process is gone counts for nothing.
 *
 * Processes look at the lock one at a time: otherwise two that start together would both find a stale one, or one that has
 * just been created and is still empty, and the second would delete what the first has written.
 */
export class ProcessLock {
  readonly #path: string;

  /**
   * @param what what is locked, for the error
   * @throws UserError while another process holds the lock
   */
  constructor(path: string, what: string) {
    this.#path = path;
    const turn = `${path}.turn`;
    takeTurn(turn, what);
    try {
      const holder = holderOf(path);
      const ours = holder === process.pid && !held.has(path);
      if (holder !== undefined && !ours && isAlive(holder)) throw inUse(what, `process ${holder}`, path);
      writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
      held.add(path);
    } finally {
      rmSync(turn, { force: true });
    }
  }

  /**
   * The same, but waits a while for the holder to let go.
   * @throws UserError when it has not
   */
  static async within(patienceMs: number, path: string, what: string): Promise<ProcessLock> {
    for (const deadline = Date.now() + patienceMs; ;) {
      try {
        return new ProcessLock(path, what);
      } catch (error) {
        if (!(error instanceof UserError) || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  release(): void {
    held.delete(this.#path);
    rmSync(this.#path, { force: true });
  }
}

function takeTurn(turn: string, what: string): void {
  for (let waited = 0; waited < 2 * turnMs; waited += pauseMs) {
    try {
      writeFileSync(turn, '', { flag: 'wx', mode: 0o600 });
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const since = statSync(turn, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > turnMs) rmSync(turn, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
  }
  throw inUse(what, 'another process', turn);
}

function inUse(what: string, who: string, file: string): UserError {
  return new UserError(`${what} is in use by ${who}: wait for it, or end it (if it is no Sparrow, delete ${file})`);
}

function holderOf(path: string): number | undefined {
  try {
    const content = readFileSync(path, 'utf8');
    return /^[1-9]\d{0,8}\s*$/.test(content) ? Number(content) : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
