import { assertNever, explained, UserError } from '../../shared/errors.js';
import {
  eventWindow,
  trainerMessageSchema,
  type RunEvent,
  type TrainerCommand,
  type TrainerMessage,
} from '../../shared/run-events.js';
import type { TrainerEnd, TrainerState } from '../../shared/run-state.js';
import type { TrainerProcess } from './trainer-process.js';
import { Watch } from './watch.js';

/** An event with its number in the run. */
export interface NumberedEvent {
  readonly sequence: number;
  readonly event: RunEvent;
}

export interface TrainerOptions {
  /** Writes events down for good before the trainer may rely on them: what it throws ends the trainer. */
  readonly write: (events: readonly NumberedEvent[]) => void;
  /** Called after each change of state but the last, which is `end`. */
  readonly onState: (state: TrainerState) => void;
  readonly spawn: () => TrainerProcess;
  readonly patience: Patience;
}

/** How long a trainer may leave its parent without an answer, in milliseconds, before it is killed. */
export interface Patience {
  /** While corpus and engine are prepared. */
  readonly startMs: number;
  /** Between two signs of life; it grows with the longest step seen. */
  readonly silenceMs: number;
  /** Between being asked to stop and being gone. */
  readonly stopMs: number;
}

/** Events come in bursts of far less than this delay, and each transaction costs a flush of the disk. */
const batchMs = 25;
/** A trainer waits when `eventWindow` events are unacknowledged. One that goes on, so far beyond, is no trainer of ours. */
const floodLimit = 2 * eventWindow;

/** A trainer process and its life. */
export class Trainer {
  /** Resolves when the process is gone and all it told is written. */
  readonly end: Promise<TrainerEnd>;
  readonly #process: TrainerProcess;
  readonly #options: TrainerOptions;
  readonly #watch: Watch;
  #state: TrainerState = { state: 'starting' };
  #outcome: TrainerEnd | undefined;
  #unwritten: NumberedEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** Whether it has told anything. */
  #begun = false;
  /** What it told could not be written: nothing that comes after may be. */
  #broken = false;

  constructor(command: Omit<Extract<TrainerCommand, { type: 'train' }>, 'type'>, options: TrainerOptions) {
    this.#options = options;
    this.#process = options.spawn();
    this.#watch = new Watch(options.patience, (reason) => {
      this.kill(reason);
    });
    this.#process.onMessage((raw) => {
      this.#guard(() => {
        this.#receive(trainerMessageSchema.parse(raw));
      });
    });
    this.end = this.#process.gone.then((how) => this.#conclude(how));
    this.#process.send({ type: 'train', ...command });
  }

  get state(): TrainerState {
    return this.#state;
  }

  /** Undefined while it is being started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves when there is a process, or none any more. */
  get spawned(): Promise<void> {
    return this.#process.spawned;
  }

  /** Asks for a checkpoint and a rest, which begins with the event `paused`. */
  pause(): void {
    if (this.#state.state === 'starting' || this.#state.state === 'running') this.#change({ state: 'pausing' });
    this.#process.send({ type: 'pause' });
  }

  /** Ends the rest. */
  continue(): void {
    if (this.#state.state === 'pausing' || this.#state.state === 'paused') this.#change({ state: 'running' });
    this.#process.send({ type: 'continue' });
  }

  /** Asks for a checkpoint and an end; kills it if that takes too long. */
  stop(): void {
    if (this.#state.state === 'stopping') return;
    this.#change({ state: 'stopping' });
    this.#watch.stopBy();
    this.#process.send({ type: 'stop' });
  }

  /** Ends it at once. */
  kill(reason?: string): void {
    if (reason !== undefined) this.#outcome ??= { state: 'interrupted', reason };
    this.#process.kill();
  }

  #receive(message: TrainerMessage): void {
    this.#watch.heard();
    if (this.#broken) return;
    if ('refused' in message) this.#outcome = failed(message.refused, this.#begun);
    if (!('event' in message)) return;
    this.#unwritten.push(message);
    if (this.#unwritten.length > floodLimit) {
      throw new UserError(`the trainer does not wait for its events to be written: ${floodLimit} are outstanding`);
    }
    this.#begun = true;
    this.#notice(message.event);
    this.#writeSoon(message.event.type === 'step' ? batchMs : 0);
  }

  /** A trainer waits for all but its reports, before a checkpoint; what it tells at once is still one transaction. */
  #writeSoon(delayMs: number): void {
    const write = () => {
      this.#guard(() => {
        this.#write();
      });
    };
    if (delayMs > 0) this.#timer ??= setTimeout(write, delayMs);
    else this.#immediate ??= setImmediate(write);
  }

  #notice(event: RunEvent): void {
    switch (event.type) {
      case 'started':
        this.#watch.started();
        if (this.#state.state === 'starting') this.#change({ state: 'running' });
        return;
      case 'paused':
        if (this.#state.state === 'pausing') this.#change({ state: 'paused' });
        return;
      case 'finished':
      case 'stopped':
        this.#outcome = { state: event.type };
        return;
      case 'failed':
        this.#outcome = failed(event, this.#begun);
        return;
      case 'step':
      case 'evaluation':
      case 'averaging':
      case 'sparsity':
      case 'checkpoint':
        return;
      default:
        assertNever(event);
    }
  }

  #write(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    const events = this.#unwritten;
    if (events.length === 0) return;
    this.#unwritten = [];
    this.#options.write(events);
    this.#process.send({ type: 'acknowledge', sequence: events.at(-1)!.sequence });
  }

  /** What goes wrong here ends the trainer: it must not go on with events that nobody has. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#broken = true;
      this.#unwritten = [];
      const told = explained(error);
      const stack = told instanceof UserError ? {} : { stack: told.stack };
      this.#outcome = failed({ message: told.message, ...stack }, this.#begun);
      this.#process.kill();
    }
  }

  #conclude(how: string): TrainerEnd {
    this.#watch.end();
    this.#guard(() => {
      this.#write();
    });
    const words = this.#process.lastWords();
    const after = words === '' ? '' : `, after saying: ${words}`;
    // The state stays as it was until whoever waits for the end has decided what becomes of the run.
    return this.#outcome ?? { state: 'interrupted', reason: `the trainer ended with ${how}${after}` };
  }

  #change(state: TrainerState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

function failed({ message, stack }: { message: string; stack?: string | undefined }, begun: boolean): TrainerEnd {
  return { state: 'failed', error: message, begun, ...(stack === undefined || stack === '' ? {} : { stack }) };
}
