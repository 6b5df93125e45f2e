import { z } from 'zod';
import file from '../../resources/published.json';

/** Results that others have published, to be drawn beside one's own. Perplexities; null where none is published. */
const perplexity = z.number().gt(1).nullable();
export const publishedResultSchema = z.strictObject({
  /** That of its recipe, where there is a preset. */
  name: z.string(),
  corpus: z.string(),
  /** What it is called beside its line. */
  word: z.string(),
  model: z.string(),
  density: z.number().gt(0).max(1),
  validation: perplexity,
  test: perplexity,
  /** Standard deviations over several seeds. */
  spread: z.strictObject({ validation: z.number().gt(0), test: z.number().gt(0) }).optional(),
  source: z.string(),
});

export const published: readonly z.output<typeof publishedResultSchema>[] = z.array(publishedResultSchema).parse(file);
