import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { codeOf, UserError } from '../../shared/errors.js';

/**
 * A file that says which process works on something. A lock whose process is gone counts for nothing.
 */
export class ProcessLock {
  readonly #path: string;

  /**
   * @param what what is locked, for the error
   * @throws UserError while another process holds the lock
   */
  constructor(path: string, what: string) {
    this.#path = path;
    for (let attempt = 0; ; attempt++) {
      try {
        writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
        return;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      const holder = holderOf(path);
      if (attempt > 0 || (holder !== undefined && isAlive(holder))) {
        const who = holder === undefined ? 'another process' : `process ${holder}`;
        throw new UserError(
          `${what} is in use by ${who}: wait for it, or end it (if it is no Sparrow, delete ${path})`,
        );
      }
      rmSync(path, { force: true });
    }
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }
}

function holderOf(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // it has just been released
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
