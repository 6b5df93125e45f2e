import { readFileSync } from 'node:fs';
import { codeOf } from '../shared/errors.js';

/**
 * When a process started, in ticks since the machine did: with its id that names it for good, an id alone is given again.
 * Undefined where it is gone, or where the system does not tell (only Linux does without another program being run).
 */
export function startOf(pid: number): string | undefined {
  return statOf(pid)?.start;
}

/**
 * Whether a process lives. One that has ended and whose parent has not asked about it yet does not.
 * @param start when it started, if that is known
 */
export function isAlive(pid: number, start?: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  const stat = statOf(pid);
  if (stat === undefined) return true; // not Linux: its id must do
  return stat.state !== 'Z' && stat.state !== 'X' && (start === undefined || start === stat.start);
}

function statOf(pid: number): { state: string; start: string } | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets and may hold anything; fields 3 and 22 of proc(5) come after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], start: fields[19] };
  } catch {
    return undefined; // it has just ended, or /proc is hidden
  }
}
