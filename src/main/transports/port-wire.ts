import type { MessagePort } from 'node:worker_threads';
import type { Message, Wire } from '../../shared/contract/wire.js';

/** A message port: of Node here, of Electron between its processes. */
export function portWire(port: MessagePort): Wire {
  let closed = false;
  port.once('close', () => {
    closed = true;
  });
  return {
    send: (message) => {
      if (closed) throw new Error('the connection is closed');
      port.postMessage(message);
    },
    onMessage: (listener) => {
      port.on('message', (message: Message) => {
        listener(message);
      });
    },
    onClose: (listener) => {
      if (closed) queueMicrotask(listener);
      else port.once('close', listener);
    },
    close: () => {
      port.close();
    },
  };
}
