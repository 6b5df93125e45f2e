import { z } from 'zod';
import type { ReadableStore } from './store.js';

/**
 * What a reading thread can be asked: the parts of a store, and of each the methods whose arguments and results can pass
 * between threads.
 */
export const readerParts = {
  runs: ['list', 'get', 'standings', 'has', 'isTrashed', 'checkpoints', 'started'],
  events: ['after', 'of', 'lastCursor'],
  metrics: ['names', 'series'],
  sparsity: ['rows'],
  topology: ['connections', 'distance'],
  queue: ['entries'],
  corpora: ['list'],
} as const satisfies { [Part in keyof ReadableStore]?: readonly (keyof ReadableStore[Part])[] };

type Parts = typeof readerParts;
export type Part = keyof Parts;
export type MethodOf<P extends Part> = Parts[P][number] & keyof ReadableStore[P];
type FunctionOf<P extends Part, M extends MethodOf<P>> = ReadableStore[P][M] extends (...args: infer A) => infer R
  ? { args: A; result: R }
  : never;
export type Arguments<P extends Part, M extends MethodOf<P>> = FunctionOf<P, M>['args'];
export type Result<P extends Part, M extends MethodOf<P>> = FunctionOf<P, M>['result'];

export const readerRequestSchema = z.object({
  id: z.int(),
  part: z.string(),
  method: z.string(),
  args: z.array(z.unknown()),
});
export type ReaderRequest = z.output<typeof readerRequestSchema>;

export const readerReplySchema = z.union([
  z.object({ id: z.int(), result: z.unknown() }),
  z.object({ id: z.int(), failed: z.object({ message: z.string(), stack: z.string().optional(), user: z.boolean() }) }),
]);
export type ReaderReply = z.output<typeof readerReplySchema>;
