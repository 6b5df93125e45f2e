import { oc } from '@orpc/contract';
import { z } from 'zod';

const aboutSchema = z.object({
  version: z.string(),
  pid: z.int(),
  /** The data folder. */
  folder: z.string(),
  databaseBytes: z.int(),
  /** On the disk of the data folder. */
  freeBytes: z.int(),
  limits: z.array(
    z.object({ variable: z.string(), sentence: z.string(), value: z.int(), unit: z.enum(['seconds', 'runs']) }),
  ),
});
export type About = z.output<typeof aboutSchema>;

/** What the owner is, where its data lie, and what bounds hold. */
export const aboutContract = oc.input(z.object({})).output(aboutSchema);
