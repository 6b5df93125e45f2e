/** What a message may be: oRPC sends text, and bytes where a value holds some. */
export type Message = string | Uint8Array<ArrayBuffer>;

/**
 * One end of a connection over which the contract is spoken, whatever carries it: a socket, a message port, a
 * WebSocket. Messages arrive whole and in order or not at all; after the close nothing arrives any more.
 */
export interface Wire {
  /** @throws Error where the connection is closed */
  send(message: Message): void;
  /** One listener. */
  onMessage(listener: (message: Message) => void): void;
  /** Called once, also where the connection is closed already. */
  onClose(listener: () => void): void;
  close(): void;
}

/** What arrives, kept until somebody listens: for wires whose carrier does not wait. */
export class Inbox {
  #listener: ((message: Message) => void) | undefined;
  readonly #early: Message[] = [];

  add(message: Message): void {
    if (this.#listener === undefined) this.#early.push(message);
    else this.#listener(message);
  }

  onMessage(listener: (message: Message) => void): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener(message);
  }
}

/** The close of a wire whose carrier tells only one end of it, or tells it no more to who asks late. */
export class Closing {
  #done = false;
  readonly #listeners: (() => void)[] = [];

  get done(): boolean {
    return this.#done;
  }

  /** Tells all who wait; once. */
  conclude(): void {
    if (this.#done) return;
    this.#done = true;
    for (const listener of this.#listeners) listener();
  }

  onClose(listener: () => void): void {
    if (this.#done) queueMicrotask(listener);
    else this.#listeners.push(listener);
  }
}

/** A message as wires carry it. */
export function asMessage(data: string | ArrayBufferLike | Uint8Array): Message {
  if (typeof data === 'string') return data;
  return data instanceof Uint8Array ? Uint8Array.from(data) : new Uint8Array(data.slice(0) as ArrayBuffer);
}

/** Joins two wires end to end: what comes from one goes to the other, and when one closes so does the other. */
export function relay(one: Wire, other: Wire): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.onMessage((message) => {
      try {
        to.send(message);
      } catch {
        from.close(); // the other side is gone
      }
    });
    from.onClose(() => {
      to.close();
    });
  }
}
