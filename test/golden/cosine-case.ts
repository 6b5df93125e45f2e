import { z } from 'zod';
import { removingRate } from '../../src/worker/sparsity/schedule.js';
import { Comparison, type Kind } from './case.js';

export const cosineEntry = z.object({
  initial: z.number(),
  T_max: z.int(),
  eta_min: z.number(),
  values: z.array(z.number()),
});

/** The removing rate after 0, 1, 2, ... steps. */
export const cosineCase: Kind = {
  layouts: ['none'],
  tolerance: 1e-6,
  compare({ entry }) {
    const comparison = new Comparison();
    const { initial, T_max: duration, eta_min: final, values } = cosineEntry.parse(entry);
    const ours = values.map((_, step) => removingRate(initial, final, step, duration));
    comparison.add('values', ours, values);
    return comparison;
  },
};
