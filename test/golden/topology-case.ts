import { z } from 'zod';
import { growByScore } from '../../src/worker/sparsity/growth.js';
import { removalCount, smallestMagnitude } from '../../src/worker/sparsity/removal.js';
import { difference } from '../../src/worker/sparsity/selection.js';
import { complement } from '../../src/worker/sparsity/pattern.js';
import { Comparison, type Kind } from './case.js';
import { patternOf } from './parameters.js';

const settingsSchema = z.object({ rates: z.array(z.number()).min(1) });

/** Magnitude removal over a fused matrix and gradient growth: which positions are kept, which grow. */
export const topologyCase: Kind = {
  layouts: ['none'],
  tolerance: 0,
  describes: (entry) => !('model' in entry) && 'rates' in entry,
  compare({ entry, readTensors }) {
    const comparison = new Comparison();
    const tensors = readTensors();
    for (const [index, rate] of settingsSchema.parse(entry).rates.entries()) {
      const name = (part: string) => `case.${index}.${part}`;
      const shape = tensors.shape(name('mask'));
      const weight = tensors.floats(name('weight'));
      const positions = patternOf(tensors.floats(name('mask')), shape).positions();
      const active = { positions, values: Float32Array.from(positions, (position) => weight[position]) };
      const count = removalCount(rate, positions.length);
      comparison.add(name('removed'), [count], tensors.integers(name('removed')));

      const kept = difference(positions, smallestMagnitude(active, count));
      const positionsIn = (part: string) => patternOf(tensors.floats(name(part)), shape).positions();
      comparison.addSets(name('kept'), kept, positionsIn('kept'));

      const candidates = complement(kept, weight.length);
      const grown = growByScore(tensors.floats(name('grad')))(candidates, count);
      comparison.addSets(name('gradient_grown'), [...kept, ...grown], positionsIn('gradient_grown'));
    }
    // What the official code's rule for SET keeps is in the file too, and is not our rule.
    tensors.requireAllAsked(/^case\.\d+\.(?!kept_set$)/);
    return comparison;
  },
};
