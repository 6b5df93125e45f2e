import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf, UserError } from '../../shared/errors.js';
import { readerReplySchema, type Arguments, type MethodOf, type Part, type Result } from './reader-calls.js';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads a database in a thread of its own, on a connection that cannot write: a long read holds up nobody. What is asked
 * while a read is under way waits its turn. The thread begins when it is first asked; should it die, the next question
 * begins another.
 */
export class StoreReader {
  readonly #path: string;
  readonly #thread: string;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #next = 0;
  #closed = false;

  /** @param thread the bundle of reader-thread.ts */
  constructor(path: string, thread = join(import.meta.dirname, 'store-reader.js')) {
    this.#path = path;
    this.#thread = thread;
  }

  /**
   * Asks a part of the store, as in `ask('metrics', 'series', request)`.
   * @throws what the store throws; or that the thread is gone, if it goes before it has answered
   */
  ask<P extends Part, M extends MethodOf<P>>(part: P, method: M, ...args: Arguments<P, M>): Promise<Result<P, M>> {
    if (this.#closed) return Promise.reject(closed());
    const worker = (this.#worker ??= this.#begin());
    const id = this.#next++;
    worker.ref(); // a process waits for the answer
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ id, part, method, args });
    });
  }

  /** Ends the thread; what was asked and not answered is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#end(closed());
    await this.#worker?.terminate();
  }

  #begin(): Worker {
    const worker = new Worker(this.#thread, { workerData: this.#path });
    worker.unref(); // it keeps no process alive
    worker.on('message', (raw) => {
      this.#take(raw);
    });
    let death = new Error('the thread that reads the database has ended');
    worker.on('error', (error) => {
      death = new Error(`the thread that reads the database has died: ${messageOf(error)}`);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#end(death);
    });
    return worker;
  }

  #take(raw: unknown): void {
    const reply = readerReplySchema.parse(raw);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker?.unref();
    if ('failed' in reply) pending?.reject(errorOf(reply.failed));
    else pending?.resolve(reply.result);
  }

  #end(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

function closed(): Error {
  return new Error('the reader of the database is closed');
}

function errorOf({ message, stack, user }: { message: string; stack?: string | undefined; user: boolean }): Error {
  if (user) return new UserError(message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
