import { z } from 'zod';
import { removingRate } from '../../src/worker/sparsity/schedule.js';
import { Comparison, type Kind } from './case.js';

const settingsSchema = z.object({
  initial: z.number(),
  T_max: z.int().min(1),
  eta_min: z.number(),
  values: z.array(z.number()).min(1),
});

/** The removing rate after 0, 1, 2, ... steps. */
export const cosineCase: Kind = {
  layouts: ['none'],
  tolerance: 1e-6,
  describes: (entry) => 'T_max' in entry && 'values' in entry,
  compare({ entry }) {
    const comparison = new Comparison();
    const { initial, T_max: duration, eta_min: final, values } = settingsSchema.parse(entry);
    const ours = values.map((_, step) => removingRate(initial, final, step, duration));
    comparison.add('values', ours, values);
    return comparison;
  },
};
