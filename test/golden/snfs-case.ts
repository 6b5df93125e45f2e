import { z } from 'zod';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { initialMethodState, updateTopology } from '../../src/worker/sparsity/topology.js';
import { Comparison, type Kind } from './case.js';
import { patternOf } from './parameters.js';

const settingsSchema = z.object({ layers: z.int().min(1), rate: z.number().gt(0).max(1) });

/** The first update of sparse momentum over several layers: removal, redistribution, growth. */
export const snfsCase: Kind = {
  layouts: ['none'],
  tolerance: 0,
  describes: (entry) => !('model' in entry) && 'layers' in entry && 'rate' in entry,
  compare({ entry, readTensors }) {
    const comparison = new Comparison();
    const tensors = readTensors();
    const { layers: count, rate } = settingsSchema.parse(entry);
    const layers = Array.from({ length: count }, (_, index) => {
      const name = `layer${index}`;
      const shape = tensors.shape(`${name}.mask`);
      const pattern = patternOf(tensors.floats(`${name}.mask`), shape);
      const weight = tensors.floats(`${name}.weight`);
      return {
        ...{ name, pattern, gates: [{ name: 'all', rows: shape[0] }], budgets: [pattern.count] },
        values: Float32Array.from(pattern.positions(), (position) => weight[position]),
        scores: { momentum: tensors.floats(`${name}.momentum`) },
      };
    });
    const { method } = parseRunConfig({ method: { kind: 'snfs' } });
    const { sampling } = method;
    const context = { sampling, seed: 1, update: 1, rate, state: initialMethodState(method) };
    for (const { name, pattern } of updateTopology(layers, rulesOf(method)!, context).changes) {
      const after = patternOf(tensors.floats(`${name}.mask_after`), [pattern.rows, pattern.columns]);
      comparison.addSets(`${name}.mask_after`, pattern.positions(), after.positions());
    }
    tensors.requireAllAsked(/^layer/);
    return comparison;
  },
};
