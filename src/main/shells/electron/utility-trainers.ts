import { join } from 'node:path';
import type { utilityProcess } from 'electron';
import { keepLastWords, type Spawn } from '../../trainers/trainer-process.js';

/**
 * Trainers as utility processes of Electron, which ends them with the main process. A message that a process has sent just
 * before its end may be lost here; a trainer waits until its last events are acknowledged.
 */
export function utilityTrainers(electron: Pick<typeof utilityProcess, 'fork'>): Spawn {
  return () => {
    const child = electron.fork(join(import.meta.dirname, 'trainer-process.js'), [], {
      stdio: ['ignore', 'ignore', 'pipe'],
      serviceName: 'Sparrow trainer',
    });
    const spawned = new Promise<void>((resolve) => child.once('spawn', resolve));
    return {
      get pid() {
        return child.pid;
      },
      gone: new Promise((resolve) => {
        child.once('exit', (code) => {
          resolve(`exit status ${code}`);
        });
      }),
      onMessage: (listener) => {
        child.on('message', listener);
      },
      send: (command) => {
        child.postMessage(command);
      },
      kill: () => {
        // Its own kill is SIGTERM, upon which a trainer would write a checkpoint first. Where it never begins it is gone anyway.
        void spawned.then(() => {
          if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
        });
      },
      lastWords: keepLastWords(child.stderr),
    };
  };
}
