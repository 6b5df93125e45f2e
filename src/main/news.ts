import { randomBytes } from 'node:crypto';
import type { News as Told } from '../shared/contract/contract.js';
import type { RunState, TrainerEnd } from '../shared/run-state.js';
import type { ReadableStore } from './store/store.js';

const longestWaitMs = 30_000;

/** What a caller wants to hear. */
export interface Wish {
  readonly runs?: readonly string[] | undefined;
  readonly after: number;
  readonly version: string;
  readonly limit: number;
  readonly waitMs: number;
}

/**
 * Answers callers that wait for events and changes of state. Events are read from the database, where they are before anybody
 * is told, so that a cursor means the same to every owner.
 */
export class News {
  readonly #store: ReadableStore;
  readonly #states: (ids: readonly string[] | undefined) => Record<string, RunState>;
  /** Tells the versions of one owner from those of the next. */
  readonly #owner = randomBytes(4).toString('hex');
  readonly #waiting = new Set<() => void>();
  /** How runs ended whose end could not be written: told until this owner ends. */
  readonly #ends = new Map<string, TrainerEnd>();
  #changes = 0;
  #closed = false;

  constructor(store: ReadableStore, states: (ids: readonly string[] | undefined) => Record<string, RunState>) {
    this.#store = store;
    this.#states = states;
  }

  /** Of the newest event. */
  get cursor(): number {
    return this.#store.events.lastCursor();
  }

  /** Something may be new. */
  changed(): void {
    this.#changes += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  /** A trainer is gone. */
  ended(id: string, end: TrainerEnd): void {
    this.#ends.set(id, end);
    this.changed();
  }

  async after(wish: Wish): Promise<Told> {
    const deadline = performance.now() + wish.waitMs;
    for (;;) {
      const told = this.#read(wish);
      const left = deadline - performance.now();
      const isNew = told.events.length > 0 || told.version !== wish.version;
      if (isNew || left <= 0 || this.#closed) return told;
      await this.#change(left);
    }
  }

  /** Resolves when something holds, which is looked at after each change; or when the owner ends. */
  async until(holds: () => boolean): Promise<void> {
    while (!this.#closed && !holds()) await this.#change(longestWaitMs);
  }

  /** Everybody is answered; nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.changed();
  }

  #read({ runs, after, limit }: Wish): Told {
    const version = `${this.#owner}-${this.#changes}`;
    const events =
      runs === undefined
        ? this.#store.events.after(after, { limit })
        : runs
            .flatMap((run) => this.#store.events.after(after, { run, limit }))
            .sort((a, b) => a.cursor - b.cursor)
            .slice(0, limit);
    const states = this.#states(runs);
    for (const [id, end] of this.#ends) {
      // A run that has begun again since is told as it is.
      if (Object.hasOwn(states, id) && states[id].state === 'interrupted') states[id] = end;
    }
    const more = events.length === limit;
    return { events, cursor: events.at(-1)?.cursor ?? after, version: more ? '' : version, states };
  }

  #change(boundMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, boundMs);
      this.#waiting.add(wake);
    });
  }
}
