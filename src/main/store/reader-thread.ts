import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, UserError } from '../../shared/errors.js';
import { openReadable } from './open.js';
import { readerParts, readerRequestSchema, type Part, type ReaderReply, type ReaderRequest } from './reader-calls.js';
import type { ReadableStore } from './store.js';

/** The thread that long reads run in (`reader.ts` is its other side). It opens the database when it is first asked. */
const path = String(workerData);
const port = parentPort!;
let store: ReadableStore | undefined;

port.on('message', (raw: unknown) => {
  const request = readerRequestSchema.parse(raw);
  port.postMessage(answer(request));
});

function answer({ id, part, method, args }: ReaderRequest): ReaderReply {
  try {
    store ??= openReadable(path);
    return { id, result: functionOf(store, part, method)(...args) };
  } catch (error) {
    const user = error instanceof UserError;
    const stack = error instanceof Error ? error.stack : undefined;
    return { id, failed: { message: messageOf(error), user, ...(stack === undefined ? {} : { stack }) } };
  }
}

function functionOf(from: ReadableStore, part: string, method: string): (...args: unknown[]) => unknown {
  const known = Object.hasOwn(readerParts, part) ? (readerParts[part as Part] as readonly string[]) : [];
  if (!known.includes(method)) throw new Error(`a reader cannot be asked ${part}.${method}`);
  const owner = from[part as Part] as unknown as Record<string, (...args: unknown[]) => unknown>;
  return (...args) => owner[method](...args);
}
