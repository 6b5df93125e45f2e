import { portMessage, type Bridge } from '../../shared/bridge.js';
import type { Message, Wire } from '../../shared/contract/wire.js';

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
  let closed = false;
  const listeners: (() => void)[] = [];
  const conclude = () => {
    if (closed) return;
    closed = true;
    for (const listener of listeners) listener();
  };
  port.addEventListener('close', conclude);
  return {
    send: (message) => {
      if (closed) throw new Error('the connection is closed');
      port.postMessage(message);
    },
    onMessage: (listener) => {
      port.addEventListener('message', ({ data }: MessageEvent<Message>) => {
        listener(data);
      });
      port.start();
    },
    onClose: (listener) => {
      if (closed) queueMicrotask(listener);
      else listeners.push(listener);
    },
    close: () => {
      port.close();
      conclude(); // only the other end is told by the port
    },
  };
}
