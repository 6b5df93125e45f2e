import { oc } from '@orpc/contract';
import { z } from 'zod';
import { tableReportSchema } from '../tables/report.js';
import { scales } from '../tables/table.js';

/** A table of the field, at a scale, with so many seeds of each row: as usual where that is not said. */
export const askedTableSchema = z.strictObject({
  table: z.string().max(100),
  scale: z.enum(scales),
  seeds: z.int().min(1).max(1000).optional(),
});
export type AskedTable = z.output<typeof askedTableSchema>;

const reproducedRunSchema = z.object({
  id: z.string(),
  row: z.string(),
  seed: z.int(),
  done: z.enum(['queued', 'resumed', 'nothing', 'refused']),
  /** In which it was found. */
  state: z.string(),
  /** Why it could not be resumed. */
  problem: z.string().nullable(),
});
export type ReproducedRun = z.output<typeof reproducedRunSchema>;

/** The published tables. */
export const tablesContract = {
  /** What one has come to. */
  report: oc.input(askedTableSchema).output(tableReportSchema),
  /** Queues what is not there yet, and has what has ended before its time go on. */
  reproduce: oc
    .input(askedTableSchema.extend({ threads: z.int().min(0).max(1024).optional() }))
    .output(z.object({ runs: z.array(reproducedRunSchema) })),
};
