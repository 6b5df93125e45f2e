import { oc } from '@orpc/contract';
import { z } from 'zod';
import { askedTableSchema } from './tables.js';

/**
 * Tables as CSV, the same that `sparrow export` and `sparrow compare` write: UTF-8, RFC 4180. They may be larger than a message
 * should be, so that they are read piece by piece.
 */
const runs = z.array(z.string().min(1).max(200)).max(10_000);

const exportRequestSchema = z.discriminatedUnion('table', [
  /** The table of runs, in the given order. */
  z.strictObject({ table: z.literal('runs'), runs }),
  z.strictObject({
    table: z.literal('curves'),
    runs,
    metrics: z.array(z.string()).max(100).default(['validationPerplexity', 'trainingLoss', 'loss']),
    /** A line for each value; or one for each step, with a column for each run and metric. */
    form: z.enum(['long', 'wide']),
  }),
  z.strictObject({ table: z.literal('sparsity'), runs }),
  z.strictObject({ table: z.literal('comparison'), runs, baseline: z.string().optional() }),
  /** A published table with the runs that were made for it. */
  z.strictObject({ table: z.literal('published'), asked: askedTableSchema }),
]);
export type ExportRequest = z.input<typeof exportRequestSchema>;
export type Export = z.output<typeof exportRequestSchema>;

export const exportsContract = {
  /** Begins a table. One that nobody reads on for a minute is forgotten. */
  open: oc.input(exportRequestSchema).output(z.object({ id: z.string() })),
  /** The next piece of it. */
  read: oc.input(z.strictObject({ id: z.string() })).output(z.object({ text: z.string(), done: z.boolean() })),
};
