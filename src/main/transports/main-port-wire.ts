import type { MessagePortMain } from 'electron';
import { Closing, type Message, type Wire } from '../../shared/contract/wire.js';

/** The main process's end of a message port to Electron's page. */
export function mainPortWire(port: MessagePortMain): Wire {
  const closing = new Closing();
  port.on('close', () => {
    closing.conclude();
  });
  return {
    send: (message) => {
      if (closing.done) throw new Error('the connection is closed');
      port.postMessage(message);
    },
    onMessage: (listener) => {
      port.on('message', ({ data }) => {
        listener(data as Message);
      });
      port.start(); // what came before has waited
    },
    onClose: (listener) => {
      closing.onClose(listener);
    },
    close: () => {
      port.close();
      closing.conclude(); // the port tells the other end only
    },
  };
}
