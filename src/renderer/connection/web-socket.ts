import { asMessage, Inbox, type Wire } from '../../shared/contract/wire.js';
import { admitted, closeCodes } from '../../shared/web-session.js';
import { Refused } from './connection.js';

const withinMs = 10_000;

/**
 * Shows the session's secret over a WebSocket to the web server that is being opened.
 * @throws Refused where the session is not, or no longer, one of the server's; Error where nobody answers
 */
export function openWebSocket(socket: WebSocket, secret: string): Promise<Wire> {
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      socket.close();
      reject(new Error('the server does not answer'));
    }, withinMs);
    const closed = ({ code }: { code: number }) => {
      clearTimeout(late);
      reject(code === closeCodes.refused ? new Refused(newLinkNeeded) : new Error('the server cannot be reached'));
    };
    socket.addEventListener('open', () => {
      socket.send(secret);
    });
    socket.addEventListener('close', closed);
    socket.addEventListener(
      'message',
      ({ data }) => {
        clearTimeout(late);
        socket.removeEventListener('close', closed);
        if (data === admitted) resolve(webSocketWire(socket));
        else reject(new Error('the server says what nobody expects'));
      },
      { once: true },
    );
  });
}

export const newLinkNeeded =
  'this link has been used, or is too old: "sparrow serve" prints a new one in its terminal whenever one has been used';

function webSocketWire(socket: WebSocket): Wire {
  const inbox = new Inbox();
  socket.addEventListener('message', ({ data }: { data: unknown }) => {
    inbox.add(asMessage(data as string | ArrayBuffer));
  });
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
      else
        socket.addEventListener(
          'close',
          () => {
            added();
          },
          { once: true },
        );
    },
    close: () => {
      socket.close();
    },
  };
}
