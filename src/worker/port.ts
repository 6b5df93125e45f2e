import { jsonSafe } from '../shared/numbers.js';

/** The channel to the process that started this one. */
export interface Port {
  /** Resolves when the message is on its way, so that this process may end. */
  send(message: unknown): Promise<void>;
}

/** What Electron gives a utility process instead of `process.send`. */
interface ParentPort {
  once(event: 'message', listener: (message: { ports: MessagePort[] }) => void): void;
}

/** One end of a channel of Electron, a MessagePortMain. */
interface MessagePort {
  on(event: 'message', listener: (message: { data: unknown }) => void): void;
  on(event: 'close', listener: () => void): void;
  postMessage(message: unknown): void;
  start(): void;
}

/**
 * Opens the channel to the parent. A process without its parent has nobody to work for and no one to stop it, so it ends
 * when the channel closes.
 *
 * @param receive takes each message; what it throws ends the process
 */
export function openPort(receive: (message: unknown, port: Port) => void): Port {
  const parentPort = (process as { parentPort?: ParentPort }).parentPort;
  if (parentPort !== undefined) return utilityPort(parentPort, receive);
  if (process.send === undefined) {
    process.stderr.write('this is a part of Sparrow that other parts start: run "sparrow" instead\n');
    process.exit(2);
  }
  const port: Port = {
    send: (message) =>
      new Promise((resolve) => {
        // This channel carries JSON. It may close at any moment; the end of the process follows from that, not from this error.
        process.send?.(jsonSafe(message), undefined, undefined, () => {
          resolve();
        });
      }),
  };
  process.on('message', (message) => {
    receive(message, port);
  });
  process.on('disconnect', () => process.exit(1));
  return port;
}

/** A message is handed to another thread, of which nothing tells when it has passed it on; it does so at once. */
const onItsWayMs = 100;

/** The parent sends a port of its own first: `parentPort` would not tell when the parent is gone. */
function utilityPort(parentPort: ParentPort, receive: (message: unknown, port: Port) => void): Port {
  const channel = new Promise<MessagePort>((resolve) => {
    parentPort.once('message', ({ ports }) => {
      resolve(ports[0]);
    });
  });
  const port: Port = {
    send: async (message) => {
      (await channel).postMessage(message);
      await new Promise((resolve) => setTimeout(resolve, onItsWayMs));
    },
  };
  void channel.then((opened) => {
    opened.on('message', ({ data }) => {
      receive(data, port);
    });
    opened.on('close', () => process.exit(1));
    opened.start();
  });
  return port;
}
