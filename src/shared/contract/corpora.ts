import { oc } from '@orpc/contract';
import { z } from 'zod';
import { corpusInfoSchema } from '../corpus-jobs.js';

const name = z.string().min(1).max(64);
const path = z.string().min(1).max(4096);

/** Something that is being fetched or imported, or was since the owner began. */
const corpusWorkSchema = z.object({
  name,
  kind: z.enum(['fetch', 'import']),
  state: z.enum(['running', 'done', 'failed']),
  /** The file that is coming, and how much of it is there, in bytes. */
  progress: z.object({ file: z.string(), received: z.int(), total: z.int().optional() }).nullable(),
  error: z.string().nullable(),
});
export type CorpusWork = z.output<typeof corpusWorkSchema>;

/** The texts to train on. */
export const corporaContract = {
  list: oc.input(z.object({})).output(
    z.object({
      corpora: z.array(corpusInfoSchema),
      fetchable: z.array(z.object({ name: z.string(), title: z.string() })),
      work: z.array(corpusWorkSchema),
    }),
  ),
  /** How what is under way stands. */
  work: oc.input(z.object({})).output(z.object({ work: z.array(corpusWorkSchema) })),
  /** Begins to fetch a published corpus; `from` is the address of a folder that has the same files, in place of the published one. */
  fetch: oc.input(z.strictObject({ name, from: z.string().min(1).max(2000).optional() })).output(z.object({})),
  /** Begins to import three text files of this machine. */
  import: oc
    .input(z.strictObject({ name, files: z.strictObject({ train: path, valid: path, test: path }) }))
    .output(z.object({})),
  /** Deletes a corpus for good; runs that were trained on it stay, and cannot be resumed without it. */
  delete: oc.input(z.strictObject({ name })).output(z.object({ freedBytes: z.int().min(0) })),
};
