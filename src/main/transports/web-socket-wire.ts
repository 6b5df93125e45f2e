import type { RawData, WebSocket } from 'ws';
import { asMessage, Inbox, type Message, type Wire } from '../../shared/contract/wire.js';

/** One end of a WebSocket that is open. */
export function webSocketWire(socket: WebSocket): Wire {
  const inbox = new Inbox();
  socket.on('message', (data, isBinary) => {
    inbox.add(messageOf(data, isBinary));
  });
  socket.on('error', () => undefined); // 'close' follows
  return {
    send: (message) => {
      if (socket.readyState !== socket.OPEN) throw new Error('the connection is closed');
      socket.send(message);
    },
    onMessage: (listener) => {
      inbox.onMessage(listener);
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
