import { constants } from 'node:os';
import { UserError } from '../../../shared/errors.js';
import { ConnectionLost } from '../../../shared/contract/errors.js';
import type { Session } from './session.js';
import { tell } from './tell.js';

/** What shells report of a command that a signal has ended: 128 and the signal's number. */
export function exitStatusOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

const leaveMs = 5000;

/**
 * Ctrl+C and its kin checkpoint and stop the runs of this command; the same once more ends them at once. Ctrl+Z checkpoints
 * before it rests; `fg` or `bg` goes on.
 */
export class Signals {
  readonly #session: Session;
  readonly #runs: () => readonly string[];
  #first: NodeJS.Signals | undefined;
  #last: { signal: NodeJS.Signals; at: number } | undefined;
  #resting = false;
  #atOnce = false;
  #othersRest: Promise<void> = Promise.resolve();

  /**
   * @param runs those that are not done yet, the one that is being watched first
   * @param onStop is called before they are asked to stop
   */
  constructor(session: Session, runs: () => readonly string[], onStop: () => void) {
    this.#session = session;
    this.#runs = runs;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        this.#stop(signal, onStop);
      });
    }
    session.onRejoin(() => {
      if (this.#first !== undefined) this.#stopAll(this.#atOnce);
    });
    if (process.platform === 'win32') return;
    process.on('SIGTSTP', () => {
      this.#pause();
    });
    process.on('SIGCONT', () => {
      this.#continue();
    });
  }

  /** The signal that came first, if any did. */
  get first(): NodeJS.Signals | undefined {
    return this.#first;
  }

  /** The run that is being watched has a checkpoint and rests. */
  paused(): void {
    this.#restSoon();
  }

  #restSoon(): void {
    this.#othersRest.then(() => {
      if (this.#resting) rest();
    }, tell);
  }

  #stop(signal: NodeJS.Signals, onStop: () => void): void {
    const now = performance.now();
    if (this.#first === undefined) {
      this.#first = signal;
      onStop();
      this.#session.hold();
      this.#stopAll(false);
    }
    if (this.#last?.signal !== signal) this.#last = { signal, at: now };
    // One key press can arrive twice, from the terminal and from the script that started us.
    else if (now - this.#last.at > 500) {
      this.#atOnce = true;
      this.#stopAll(true);
      // An owner that does not answer must not keep this command.
      setTimeout(() => process.exit(exitStatusOf(signal)), leaveMs).unref();
    }
  }

  #stopAll(now: boolean): void {
    for (const id of [...this.#runs()].reverse())
      // the end of one lets the next begin
      this.#ask(() => this.#session.client.runs.stop({ id, now }));
  }

  #pause(): void {
    this.#resting = true;
    const id = this.#runs().at(0);
    this.#othersRest = this.#session.restOthers(id);
    const restSoon = () => {
      this.#restSoon();
    };
    if (id === undefined) restSoon();
    else this.#ask(() => this.#session.client.runs.pause({ id }), restSoon);
  }

  #continue(): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.#session.wakeOthers();
    const id = this.#runs().at(0);
    if (id !== undefined) this.#ask(() => this.#session.client.runs.continue({ id }));
  }

  /** @param otherwise what to do where the run is not under way */
  #ask(question: () => Promise<unknown>, otherwise: () => void = () => undefined): void {
    question().catch((error: unknown) => {
      // Of the next owner it is asked again.
      if (error instanceof ConnectionLost) return;
      // It has ended just now, or waits: whoever follows it says so.
      if (error instanceof UserError) otherwise();
      else tell(error);
    });
  }
}

/** Only now, with a checkpoint on disk, does this process rest as Ctrl+Z has asked; the shell gets its cursor back. */
function rest(): void {
  if (process.stderr.isTTY) process.stderr.write('\u001B[?25h\n');
  process.kill(process.pid, 'SIGSTOP');
}
