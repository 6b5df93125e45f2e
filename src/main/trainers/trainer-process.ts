import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { RunConfig } from '../../shared/run-config.js';
import type { TrainerCommand } from '../../shared/run-events.js';
import { whenGone } from '../child.js';
import { LastWords } from './last-words.js';
import { plainNode } from './plain-node.js';

/**
 * A trainer process as the workbench sees it: a child process of Node here, under Electron a utility process
 * (`utility-trainers.ts`), both spoken to in the same way (the other side is src/worker/port.ts). When this process ends,
 * however it ends, the channel closes and the trainer with it.
 */
export interface TrainerProcess {
  /** Undefined while it is being started, and where it could not be. */
  readonly pid: number | undefined;
  /** Resolves when it is there, or gone. */
  readonly spawned: Promise<void>;
  /** Resolves when it is gone and every message it sent was received, with how it ended. */
  readonly gone: Promise<string>;
  /** Takes every message; one listener. */
  onMessage(listener: (message: unknown) => void): void;
  send(command: TrainerCommand): void;
  /** Ends it at once. */
  kill(): void;
  /** Its last words on standard error, or ''. */
  lastWords(): string;
}

/** Starts a trainer process for the engine that is asked for. */
export type Spawn = (engine: RunConfig['device']['engine']) => TrainerProcess;

/** The bundle, which lies beside this one. */
export const trainerModule = join(import.meta.dirname, 'trainer-process.js');

/** Trainers as plain Node child processes. */
export function nodeTrainers(module = trainerModule): Spawn {
  return () => {
    const child = fork(module, [], {
      execPath: plainNode() ?? process.execPath,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
    });
    const words = new LastWords();
    child.stderr!.on('data', (chunk: Buffer) => {
      words.add(chunk);
    });
    return {
      pid: child.pid,
      spawned: Promise.resolve(),
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
      lastWords: () => words.text,
    };
  };
}
