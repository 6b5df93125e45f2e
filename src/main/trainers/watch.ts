import type { Patience } from './trainer.js';

const tickMs = 250;
/** A tick so late says that this process itself has rested (Ctrl+Z, a laptop closed): silence then proves nothing. */
const lateMs = 5000;
/** A step may take so many times as long as the longest so far. */
const growth = 10;

/** Notices a trainer that has fallen silent, or does not end when it was asked to. */
export class Watch {
  readonly #patience: Patience;
  readonly #giveUp: (reason: string) => void;
  readonly #timer: NodeJS.Timeout;
  #lastTick = performance.now();
  #lastHeard = performance.now();
  #started = false;
  #longestMs = 0;
  #stopBy: number | undefined;

  constructor(patience: Patience, giveUp: (reason: string) => void) {
    this.#patience = patience;
    this.#giveUp = giveUp;
    this.#timer = setInterval(() => {
      this.#tick();
    }, tickMs);
  }

  heard(): void {
    const now = performance.now();
    if (this.#started) this.#longestMs = Math.max(this.#longestMs, now - this.#lastHeard);
    this.#lastHeard = now;
  }

  /** It is prepared, and answers between two steps from now on. */
  started(): void {
    this.#started = true;
  }

  /** It was asked to end. */
  stopBy(): void {
    this.#stopBy ??= performance.now() + this.#patience.stopMs;
  }

  /** It is gone. */
  end(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    const rested = now - this.#lastTick - tickMs;
    this.#lastTick = now;
    if (rested > lateMs) {
      this.#lastHeard = now;
      if (this.#stopBy !== undefined) this.#stopBy += rested;
      return;
    }
    const { startMs, silenceMs, stopMs } = this.#patience;
    const bound = this.#started ? Math.max(silenceMs, growth * this.#longestMs) : startMs;
    if (now - this.#lastHeard > bound) this.#giveUp(`the trainer did not answer for ${seconds(bound)} and was killed`);
    else if (this.#stopBy !== undefined && now > this.#stopBy) {
      this.#giveUp(`the trainer did not stop within ${seconds(stopMs)} and was killed`);
    }
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
