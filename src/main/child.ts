import type { ChildProcess } from 'node:child_process';

/**
 * Resolves when a forked process is gone and every message it sent has been received (its end may be known before its last
 * words are), with how it ended: "exit status 1", "SIGKILL", or why it could not be started.
 */
export async function whenGone(child: ChildProcess): Promise<string> {
  const closed = new Promise<string>((resolve) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? `exit status ${code}`);
    });
  });
  const disconnected = new Promise<void>((resolve) => child.on('disconnect', resolve));
  const unstarted = new Promise<string>((resolve) => {
    child.on('error', ({ message }) => {
      if (child.pid === undefined) resolve(message);
    });
  });
  return Promise.race([Promise.all([closed, disconnected]).then(([how]) => how), unstarted]);
}
