import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { explained, UserError } from '../../shared/errors.js';
import {
  trainerMessageSchema,
  type RunEvent,
  type TrainerCommand,
  type TrainerMessage,
} from '../../shared/run-events.js';
import { whenGone } from '../child.js';

/** How a trainer ended. */
export type TrainerEnd =
  | { readonly kind: 'finished' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string; readonly stack?: string | undefined }
  /** Nothing was started: configuration, corpus or machine do not fit. */
  | { readonly kind: 'refused'; readonly message: string; readonly stack?: string | undefined }
  /** The process died; what was checkpointed can be resumed. */
  | { readonly kind: 'interrupted'; readonly reason: string };

const keptLines = 4; // of standard error, from its beginning and from its end

/** A trainer process and its life. */
export class Trainer {
  /** Resolves when the process is gone. */
  readonly end: Promise<TrainerEnd>;
  readonly #child: ChildProcess;

  /** @param onEvent takes each event before the trainer may rely on it: what it throws ends the trainer */
  constructor(
    command: Omit<Extract<TrainerCommand, { type: 'train' }>, 'type'>,
    onEvent: (sequence: number, event: RunEvent) => void,
  ) {
    const child = fork(join(import.meta.dirname, 'trainer-process.js'), [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
    });
    this.#child = child;
    const said: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (line.trim() !== '') said.push(line);
      if (said.length > 2 * keptLines) said.splice(keptLines, 1);
    });
    let outcome: TrainerEnd | undefined;
    child.on('message', (raw) => {
      try {
        const message = trainerMessageSchema.parse(raw);
        outcome = outcomeOf(message) ?? outcome;
        if (!('event' in message)) return;
        onEvent(message.sequence, message.event);
        this.#send({ type: 'acknowledge', sequence: message.sequence });
      } catch (error) {
        const told = explained(error);
        outcome = { kind: 'failed', message: told.message, stack: told instanceof UserError ? undefined : told.stack };
        child.kill('SIGKILL');
      }
    });
    this.end = whenGone(child).then((how) => {
      const words = said.length === 0 ? '' : `, after saying: ${said.join(' | ')}`;
      return outcome ?? { kind: 'interrupted', reason: `the trainer ended with ${how}${words}` };
    });
    this.#send({ type: 'train', ...command });
  }

  /** Asks for a checkpoint and a rest, which begins with the event `paused`. */
  pause(): void {
    this.#send({ type: 'pause' });
  }

  /** Ends the rest. */
  continue(): void {
    this.#send({ type: 'continue' });
  }

  /** Asks for a checkpoint and an end. */
  stop(): void {
    this.#send({ type: 'stop' });
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(command: TrainerCommand): void {
    // A channel that has closed says so by the end of the process.
    if (this.#child.connected) this.#child.send(command, () => undefined);
  }
}

function outcomeOf(message: TrainerMessage): TrainerEnd | undefined {
  if ('refused' in message) return { kind: 'refused', ...message.refused };
  if (!('event' in message)) return undefined;
  const { event } = message;
  switch (event.type) {
    case 'finished':
      return { kind: 'finished' };
    case 'stopped':
      return { kind: 'stopped' };
    case 'failed':
      return { kind: 'failed', message: event.message, stack: event.stack };
    default:
      return undefined;
  }
}
