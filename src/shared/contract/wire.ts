/** What a message may be: oRPC sends text, and bytes where a value holds some. */
export type Message = string | Uint8Array;

/**
 * One end of a connection over which the contract is spoken, whatever carries it: a socket, a message port, later a
 * WebSocket. Messages arrive whole and in order or not at all; after the close nothing arrives any more.
 */
export interface Wire {
  /** @throws Error where the connection is closed */
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
  /** Called once, also where the connection is closed already. */
  onClose(listener: () => void): void;
  close(): void;
}

/**
 * A wire as the message port that oRPC's adapters speak to. Real ports swallow what is sent after their close, so that the
 * request would wait for ever; this one refuses it. What an adapter cannot read is no reason for this process to end, but one
 * to end the connection.
 */
export function portOf(wire: Wire): {
  addEventListener(type: string, listener: (event: { data: unknown }) => unknown): void;
  postMessage(data: unknown): void;
} {
  return {
    addEventListener: (type, listener) => {
      if (type === 'message') {
        wire.onMessage((data) => {
          void Promise.resolve(data)
            .then((received) => listener({ data: received }))
            .catch(() => {
              wire.close();
            });
        });
      } else if (type === 'close') {
        wire.onClose(() => {
          listener({ data: undefined });
        });
      }
    },
    postMessage: (data) => {
      wire.send(asMessage(data));
    },
  };
}

function asMessage(data: unknown): Message {
  if (typeof data === 'string' || data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new Error('a message of the contract is neither text nor bytes');
}
