import { fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TrainerCommand } from '../../shared/run-events.js';
import { whenGone } from '../child.js';

/**
 * A trainer process as the workbench sees it: `child_process.fork` here, a utility process under Electron, both spoken to in
 * the same way (the other side is src/worker/port.ts). When this process ends, however it ends, the channel closes and the
 * trainer with it.
 */
export interface TrainerProcess {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  /** Resolves when it is gone and every message it sent was received, with how it ended. */
  readonly gone: Promise<string>;
  /** Takes every message; one listener. */
  onMessage(listener: (message: unknown) => void): void;
  send(command: TrainerCommand): void;
  kill(): void;
  /** Its last words on standard error, or ''. */
  lastWords(): string;
}

/** Starts a trainer process. */
export type Spawn = () => TrainerProcess;

const keptLines = 4; // of standard error, from its beginning and from its end
const keptLength = 500; // of each

/** A plain Node child process. */
export const forkTrainer: Spawn = () => {
  const child = fork(join(import.meta.dirname, 'trainer-process.js'), [], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json',
  });
  const lastWords = keepLastWords(child.stderr);
  return {
    pid: child.pid,
    gone: whenGone(child),
    onMessage: (listener) => {
      child.on('message', listener);
    },
    send: (command) => {
      // A channel that has closed says so by the end of the process.
      if (child.connected) child.send(command, () => undefined);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
    lastWords,
  };
};

/** @returns tells what a process has said on standard error, in few lines: the first and the last ones */
export function keepLastWords(stderr: NodeJS.ReadableStream | null): () => string {
  const said: string[] = [];
  if (stderr !== null) {
    createInterface({ input: stderr }).on('line', (line) => {
      if (line.trim() !== '') said.push(line.slice(0, keptLength));
      if (said.length > 2 * keptLines) said.splice(keptLines, 1);
    });
  }
  return () => said.join(' | ');
}
