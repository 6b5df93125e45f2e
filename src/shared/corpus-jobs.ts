import { z } from 'zod';

/** What the workbench asks a corpus process for, and what it answers. Sizes are bytes; tokens count each `<eos>`. */

const fileInfo = z.object({ bytes: z.int(), lines: z.int(), tokens: z.int(), from: z.string() });

export const corpusInfoSchema = z.object({
  name: z.string(),
  origin: z.enum(['imported', 'fetched']),
  vocabulary: z.int(),
  files: z.object({ train: fileInfo, valid: fileInfo, test: fileInfo }),
});
export type CorpusInfo = z.output<typeof corpusInfoSchema>;

export const corpusJobSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('list'), folder: z.string() }),
  z.object({
    type: z.literal('import'),
    folder: z.string(),
    name: z.string(),
    files: z.object({ train: z.string(), valid: z.string(), test: z.string() }),
  }),
  z.object({
    type: z.literal('fetch'),
    folder: z.string(),
    name: z.string(),
    /** Another address with the same files. */
    from: z.string().optional(),
  }),
]);
export type CorpusJob = z.output<typeof corpusJobSchema>;

export const corpusReplySchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('progress'),
    file: z.string(),
    received: z.int(),
    /** Where the server says it. */
    total: z.int().optional(),
  }),
  /** The corpora that are there (after `list`) or the one that was added, and those that could be fetched. */
  z.object({
    type: z.literal('done'),
    corpora: z.array(corpusInfoSchema),
    fetchable: z.array(z.object({ name: z.string(), title: z.string() })),
  }),
  z.object({ type: z.literal('failed'), message: z.string(), stack: z.string().optional() }),
]);
export type CorpusReply = z.output<typeof corpusReplySchema>;
