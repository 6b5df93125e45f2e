import { portMessage, type Bridge } from '../../shared/bridge.js';
import { Closing, type Message, type Wire } from '../../shared/contract/wire.js';

const withinMs = 10_000;

/** Asks Electron's main process, by way of the preload, for a port to the workbench. */
export function openPort(bridge: Bridge): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      window.removeEventListener('message', receive);
      reject(new Error('the main process does not answer'));
    }, withinMs);
    const receive = ({ data, source, ports }: MessageEvent) => {
      if (source !== window || data !== portMessage || ports.length !== 1) return;
      clearTimeout(late);
      window.removeEventListener('message', receive);
      resolve(portWire(ports[0]));
    };
    window.addEventListener('message', receive);
    bridge.askForPort();
  });
}

function portWire(port: MessagePort): Wire {
  const closing = new Closing();
  port.addEventListener('close', () => {
    closing.conclude();
  });
  return {
    send: (message) => {
      if (closing.done) throw new Error('the connection is closed');
      port.postMessage(message);
    },
    onMessage: (listener) => {
      port.addEventListener('message', ({ data }: MessageEvent<Message>) => {
        listener(data);
      });
      port.start();
    },
    onClose: (listener) => {
      closing.onClose(listener);
    },
    close: () => {
      port.close();
      closing.conclude(); // only the other end is told by the port
    },
  };
}
