import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../shared/contract/client.js';
import { ConnectionLost } from '../../shared/contract/errors.js';
import { relay, type Wire } from '../../shared/contract/wire.js';
import type { RunRecord } from '../../shared/run-records.js';
import { isLive } from '../../shared/run-state.js';
import { join, type Seat } from '../owner/join.js';
import type { OwnerOptions } from '../owner/owner.js';

const pauseMs = 1000;

/**
 * What the window and the web server share: they stay, and have any number of pages speak with the owner of the data folder.
 * That is this process where nobody else is; when an owner elsewhere ends, this one becomes the owner or attaches to the next,
 * and the pages, whose connections have closed, come back by themselves.
 */
export class Host {
  readonly #onDefect: (error: unknown) => void;
  readonly #options: OwnerOptions;
  readonly #closing = new AbortController();
  #seat: Promise<Seat>;

  /**
   * @param onDefect takes what goes wrong where nobody asked
   * @param options for when this process is the owner
   * @throws UserError where there is an owner that does not answer
   */
  static async open(onDefect: (error: unknown) => void, options: OwnerOptions = {}): Promise<Host> {
    return new Host(await join(options), onDefect, options);
  }

  private constructor(seat: Seat, onDefect: (error: unknown) => void, options: OwnerOptions) {
    this.#options = options;
    this.#onDefect = onDefect;
    this.#seat = Promise.resolve(seat);
    this.#take(seat);
  }

  /** Calls as a page's. */
  async client(): Promise<Client> {
    return (await this.#seat).client;
  }

  /** Has a page speak with the owner. Where there is none at the moment the wire is closed: the page tries again. */
  admit(wire: Wire): void {
    this.#admit(wire).catch((error: unknown) => {
      wire.close();
      if (!(error instanceof ConnectionLost)) this.#onDefect(error);
    });
  }

  /**
   * Lets go. What is under way here has a checkpoint then and waits at the head of the queue for the next owner.
   * @returns those runs
   */
  async close(): Promise<string[]> {
    this.#closing.abort();
    const seat = await this.#seat.catch(() => undefined);
    if (seat?.kind === 'guest') seat.leave();
    if (seat?.kind !== 'owner') return [];
    const busy = await underWay(seat);
    await seat.owner.close(() => true);
    return busy.map(({ id }) => id);
  }

  /** The runs that are being trained by this process, and would be interrupted by its end. */
  async underWay(): Promise<RunRecord[]> {
    return underWay(await this.#seat);
  }

  async #admit(wire: Wire): Promise<void> {
    const seat = await this.#seat;
    if (this.#closing.signal.aborted) throw new ConnectionLost();
    if (seat.kind === 'owner') {
      seat.owner.admit(wire);
      return;
    }
    const owner = await seat.another();
    if (owner === undefined) throw new ConnectionLost();
    relay(wire, owner);
  }

  #take(seat: Seat): void {
    if (seat.kind === 'owner') {
      if (!this.#closing.signal.aborted) seat.owner.workbench.scheduler.start(this.#onDefect);
      return;
    }
    void seat.lost.then(() => {
      if (this.#closing.signal.aborted) return;
      this.#seat = this.#next();
      this.#seat.then(
        (next) => {
          this.#take(next);
        },
        () => undefined, // only where this process is closing
      );
    });
  }

  async #next(): Promise<Seat> {
    for (let told = false; ;) {
      try {
        return await join(this.#options);
      } catch (error) {
        if (!told) this.#onDefect(error);
        told = true;
      }
      await sleep(pauseMs, undefined, { signal: this.#closing.signal });
    }
  }
}

async function underWay(seat: Seat): Promise<RunRecord[]> {
  if (seat.kind !== 'owner') return [];
  const { runs } = await seat.owner.workbench.views.list();
  return runs.filter(({ state }) => isLive(state) && state.state !== 'paused').map(({ record }) => record);
}
