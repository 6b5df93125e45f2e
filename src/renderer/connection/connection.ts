import type { ClientContext, ClientLink } from '@orpc/client';
import { clientOf, linkOver, type Client } from '../../shared/contract/client.js';
import { protocol } from '../../shared/contract/protocol.js';
import { ConnectionLost, OwnerLeaves } from '../../shared/contract/errors.js';
import { UserError } from '../../shared/errors.js';
import type { Wire } from '../../shared/contract/wire.js';

/** How the page stands with the workbench. */
export type ConnectionState =
  | { readonly state: 'connecting' }
  /** @property version of the Sparrow that answers */
  | { readonly state: 'connected'; readonly version: string }
  /** It tries again by itself. */
  | { readonly state: 'lost' }
  /** Trying again is of no use: the message says what a person can do. */
  | { readonly state: 'refused'; readonly message: string };

/** The other side is there and does not want this page. */
export class Refused extends UserError {
  override readonly name = 'Refused';
}

type Link = ClientLink<ClientContext>;

const pausesMs = [100, 250, 500, 1000, 2000];
/** An owner that is about to end waits for its trainers' last checkpoints. */
const leavingMs = 120_000;

/**
 * The page's connection with the workbench, which comes back by itself. Calls made while it is first being opened wait for
 * it; calls that are under way when it is lost, or made while it is, are rejected with `ConnectionLost`. What an owner that is
 * about to end has not done is asked of the next one.
 */
export class Connection {
  readonly client: Client;
  readonly #open: () => Promise<Wire>;
  readonly #pauses: readonly number[];
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  #state: ConnectionState = { state: 'connecting' };
  #link: Link | undefined;
  #wire: Wire | undefined;
  #closed = false;

  /** @param open makes a wire to the other side; throws `Refused` where it is of no use to try again */
  constructor(open: () => Promise<Wire>, pauses: readonly number[] = pausesMs) {
    this.#open = open;
    this.#pauses = pauses;
    this.client = clientOf({
      call: (path, input, options) => this.#call((link) => link.call(path, input, options)),
    });
    void this.#keep();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** @param listener is called after each change of state. @returns ends that */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the connection stands, at once where it does. @throws Refused where it never will */
  async connected(): Promise<void> {
    if (this.#state.state === 'connected') return;
    if (this.#state.state === 'refused') throw new Refused(this.#state.message);
    await this.#changed();
    await this.connected();
  }

  /** For good. */
  close(): void {
    this.#closed = true;
    this.#wire?.close();
  }

  async #call<T>(ask: (link: Link) => Promise<T>): Promise<T> {
    if (this.#state.state === 'connecting') await this.connected();
    for (const deadline = Date.now() + leavingMs; ;) {
      if (this.#state.state === 'refused') throw new Refused(this.#state.message);
      if (this.#link === undefined) throw new ConnectionLost();
      try {
        return await ask(this.#link);
      } catch (error) {
        if (!(error instanceof OwnerLeaves) || Date.now() > deadline) throw error;
      }
      // It is asked again when that one is gone: what is under way when a connection closes may or may not be done.
      if (this.#state.state === 'connected') await Promise.race([this.#changed(), pause(deadline - Date.now())]);
      await this.connected();
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const end = this.onState(() => {
        end();
        resolve();
      });
    });
  }

  async #keep(): Promise<void> {
    for (let attempts = 0; !this.#closed; attempts += 1) {
      try {
        await this.#openOnce(() => (attempts = 0));
      } catch (error) {
        if (error instanceof Refused) {
          this.#change({ state: 'refused', message: error.message });
          return;
        }
      }
      await pause(this.#pauses[Math.min(attempts, this.#pauses.length - 1)]);
    }
  }

  /** Resolves when a connection that stood is lost. */
  async #openOnce(onOpen: () => void): Promise<void> {
    const wire = await this.#open();
    const closed = new Promise<void>((resolve) => {
      wire.onClose(resolve);
    });
    const link = linkOver(wire, () => new UserError('Sparrow does not answer: if it rests (Ctrl+Z), let it go on'));
    try {
      const hello = await clientOf(link).hello({});
      if (hello.protocol !== protocol) {
        throw new Refused(
          `this page is of another version than the Sparrow ${hello.version} that answers: load it again`,
        );
      }
      this.#wire = wire;
      this.#link = link;
      onOpen();
      if (this.#closed) wire.close();
      else this.#change({ state: 'connected', version: hello.version });
    } catch (error) {
      wire.close();
      throw error;
    }
    await closed;
    this.#link = undefined;
    this.#wire = undefined;
    this.#change({ state: 'lost' });
  }

  #change(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
