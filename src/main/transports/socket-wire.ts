import type { Socket } from 'node:net';
import { Inbox, type Message, type Wire } from '../../shared/contract/wire.js';

/**
 * Messages over a stream of bytes: length of what follows (uint32, little-endian), kind (0 text in UTF-8, 1 bytes),
 * content.
 */
const headLength = 4;
const kinds = { text: 0, bytes: 1 };
/** Nothing in the contract comes near; a length beyond is not ours, and must not make us wait for gigabytes. */
const longest = 256 * 1024 * 1024;

export function socketWire(socket: Socket): Wire {
  const frames = new Frames();
  const inbox = new Inbox();
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of frames.add(chunk)) inbox.add(message);
    } catch {
      socket.destroy(); // not the contract: the other side is told by the close
    }
  });
  socket.on('error', () => undefined); // 'close' follows
  return {
    send: (message) => {
      if (socket.destroyed || !socket.writable) throw new Error('the connection is closed');
      socket.write(frame(message));
    },
    onMessage: (listener) => {
      inbox.onMessage(listener);
    },
    onClose: (added) => {
      if (socket.destroyed) queueMicrotask(added);
      else socket.once('close', added);
    },
    close: () => {
      socket.destroySoon();
    },
  };
}

function frame(message: Message): Buffer {
  const content = typeof message === 'string' ? Buffer.from(message) : message;
  const head = Buffer.alloc(headLength + 1);
  head.writeUInt32LE(content.length + 1, 0);
  head[headLength] = typeof message === 'string' ? kinds.text : kinds.bytes;
  return Buffer.concat([head, content]);
}

/** Puts messages together from pieces of any size. */
class Frames {
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes without which nothing can be done. */
  #needed = headLength;

  *add(chunk: Buffer): Generator<Message> {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#needed) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
      const length = bytes.readUInt32LE(0);
      if (length < 1 || length > longest) throw new Error(`a message of ${length} bytes is none of the contract`);
      const end = headLength + length;
      this.#needed = end;
      this.#pieces = [bytes];
      if (bytes.length < end) return;
      const content = bytes.subarray(headLength + 1, end);
      const text = bytes[headLength] === kinds.text;
      if (!text && bytes[headLength] !== kinds.bytes) throw new Error('a message of no known kind');
      this.#pieces = [bytes.subarray(end)];
      this.#length = bytes.length - end;
      this.#needed = headLength;
      yield text ? content.toString() : new Uint8Array(content);
    }
  }
}
