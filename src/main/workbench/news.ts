import { randomBytes } from 'node:crypto';
import type { News as Told } from '../../shared/contract/contract.js';
import type { StoredEvent } from '../../shared/run-records.js';
import type { StoreReader } from '../store/reader.js';
import type { ReadableStore } from '../store/store.js';
import type { Changes } from './changes.js';
import type { Views } from './views.js';

/** What a caller wants to hear. */
export interface Wish {
  readonly runs?: readonly string[] | undefined;
  readonly after: number;
  readonly version: string;
  readonly limit: number;
  readonly waitMs: number;
}

/** Somebody so far behind has a long read before them, which is another thread's. */
const longRead = 100;

/**
 * Answers callers that wait for events and changes of state. Events are read from the database, where they are before anybody
 * is told, so that a cursor means the same to every owner.
 */
export class News {
  readonly #store: ReadableStore;
  readonly #reader: StoreReader;
  readonly #views: Views;
  readonly #changes: Changes;
  /** Tells the versions of one owner from those of the next. */
  readonly #owner = randomBytes(4).toString('hex');
  readonly #asked = new Set<Promise<Told>>();

  constructor(store: ReadableStore, reader: StoreReader, views: Views, changes: Changes) {
    this.#store = store;
    this.#reader = reader;
    this.#views = views;
    this.#changes = changes;
  }

  /** Of the newest event. */
  get cursor(): number {
    return this.#store.events.lastCursor();
  }

  async after(wish: Wish): Promise<Told> {
    const answer = this.#answer(wish);
    this.#asked.add(answer);
    try {
      return await answer;
    } finally {
      this.#asked.delete(answer);
    }
  }

  /** Resolves when everybody who waited is answered. */
  async close(): Promise<void> {
    this.#changes.close();
    await Promise.allSettled(this.#asked);
  }

  async #answer(wish: Wish): Promise<Told> {
    const deadline = performance.now() + wish.waitMs;
    for (;;) {
      const { moment } = this.#changes;
      const told = await this.#read(wish);
      const left = deadline - performance.now();
      const isNew = told.events.length > 0 || told.version !== wish.version;
      if (isNew || left <= 0 || this.#changes.closed) return told;
      await this.#changes.next(wish.runs, left, moment);
    }
  }

  /** An event is read before the states that are told with it, and those before the events that came meanwhile. */
  async #read({ runs, after, version, limit }: Wish): Promise<Told> {
    const first = await this.#events(runs, after, limit);
    const before = { states: {}, gone: [], version };
    const cursor = first.at(-1)?.cursor ?? after;
    if (first.length === limit) return { events: first, cursor, more: true, ...before };
    const now = await this.#changed(runs, version);
    // Who hears of a run's end has heard all its events.
    const rest = await this.#events(runs, cursor, limit - first.length);
    const events = [...first, ...rest];
    const more = events.length === limit;
    return { events, cursor: events.at(-1)?.cursor ?? after, more, ...(more ? before : now) };
  }

  /** What has changed since a version; everything where that is none of this owner's. */
  async #changed(
    runs: readonly string[] | undefined,
    version: string,
  ): Promise<Omit<Told, 'events' | 'cursor' | 'more'>> {
    const { number } = this.#changes;
    const [owner, known] = version.split('-');
    const since = owner === this.#owner ? Number(known) : undefined;
    const changed =
      since === undefined
        ? runs
        : (runs ?? this.#changes.since(since)).filter((id) => this.#changes.isNewer(id, since));
    const isQuiet = changed?.length === 0 && since !== undefined;
    const states = isQuiet ? {} : await this.#views.states(changed);
    const gone = (changed ?? []).filter((id) => !this.#store.runs.has(id));
    return { version: isQuiet ? version : `${this.#owner}-${number}`, states, gone };
  }

  async #events(runs: readonly string[] | undefined, after: number, limit: number): Promise<StoredEvent[]> {
    const which = runs?.filter((id) => this.#store.runs.has(id)).map((run) => ({ run, limit })) ?? [{ limit }];
    const isLong = this.cursor - after > longRead;
    const parts = await Promise.all(
      which.map(async (options) =>
        isLong ? this.#reader.ask('events', 'after', after, options) : this.#store.events.after(after, options),
      ),
    );
    return parts.length === 1
      ? parts[0]
      : parts
          .flat()
          .sort((a, b) => a.cursor - b.cursor)
          .slice(0, limit);
  }
}
