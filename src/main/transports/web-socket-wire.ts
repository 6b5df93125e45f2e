import type { RawData, WebSocket } from 'ws';
import { asMessage, type Message, type Wire } from '../../shared/contract/wire.js';

/** One end of a WebSocket that is open. */
export function webSocketWire(socket: WebSocket): Wire {
  let listener: ((message: Message) => void) | undefined;
  const early: Message[] = [];
  socket.on('message', (data, isBinary) => {
    const message = messageOf(data, isBinary);
    if (listener === undefined) early.push(message);
    else listener(message);
  });
  socket.on('error', () => undefined); // 'close' follows
  return {
    send: (message) => {
      if (socket.readyState !== socket.OPEN) throw new Error('the connection is closed');
      socket.send(message);
    },
    onMessage: (added) => {
      listener = added;
      for (const message of early.splice(0)) added(message);
    },
    onClose: (added) => {
      if (socket.readyState === socket.CLOSED) queueMicrotask(added);
      else socket.once('close', added);
    },
    close: () => {
      socket.close();
    },
  };
}

function messageOf(data: RawData, isBinary: boolean): Message {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data;
  if (isBinary) return asMessage(bytes);
  return bytes instanceof ArrayBuffer ? Buffer.from(bytes).toString() : bytes.toString();
}
