import { z } from 'zod';
import corpora from '../../../resources/corpora.json';
import { UserError } from '../../shared/errors.js';

/** What must hold of a file for it to be the published one. */
const checksSchema = z.strictObject({
  sha256: z.hex().length(64).optional(),
  md5: z.hex().length(32).optional(),
  /** SHA-1 over `blob <size>\0` and the content, as git names a file. */
  gitBlob: z.hex().length(40).optional(),
});

const fileSchema = z.strictObject({
  /** Below the base address. */
  path: z.string(),
  checks: checksSchema,
  lines: z.int(),
  /** Words and `<eos>`. */
  tokens: z.int(),
});

const entrySchema = z.strictObject({
  title: z.string(),
  base: z.url(),
  /** Different words of all files together. */
  vocabulary: z.int(),
  files: z.strictObject({ train: fileSchema, valid: fileSchema, test: fileSchema }),
});

export type Checks = z.output<typeof checksSchema>;
/** A corpus that can be fetched. */
export type CatalogueEntry = z.output<typeof entrySchema>;

/** The corpora that can be fetched, by name. */
export const catalogue: Readonly<Record<string, CatalogueEntry>> = z.record(z.string(), entrySchema).parse(corpora);

/** @throws UserError where there is none of that name */
export function catalogueEntry(name: string): CatalogueEntry {
  const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (entry !== undefined) return entry;
  const names = Object.keys(catalogue).join(', ');
  throw new UserError(
    `${name}: no such corpus can be fetched; there are ${names} (import your own with "sparrow data import")`,
  );
}
