import type { MessagePortMain } from 'electron';
import type { Message, Wire } from '../../shared/contract/wire.js';

/** The main process's end of a message port to Electron's page. */
export function mainPortWire(port: MessagePortMain): Wire {
  let closed = false;
  const listeners: (() => void)[] = [];
  const conclude = () => {
    if (closed) return;
    closed = true;
    for (const listener of listeners) listener();
  };
  port.on('close', conclude);
  return {
    send: (message) => {
      if (closed) throw new Error('the connection is closed');
      port.postMessage(message);
    },
    onMessage: (listener) => {
      port.on('message', ({ data }) => {
        listener(data as Message);
      });
      port.start(); // what came before has waited
    },
    onClose: (listener) => {
      if (closed) queueMicrotask(listener);
      else listeners.push(listener);
    },
    close: () => {
      port.close();
      conclude(); // the port tells the other end only
    },
  };
}
