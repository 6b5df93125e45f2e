import { z } from 'zod';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { gather, SparseParameter, type Layout, type Parameter } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { Comparison, type Kind } from './case.js';
import { denseSlot, parametersOf, patternOf } from './parameters.js';

const settingsSchema = z.object({
  steps: z.int().min(1),
  lr: z.number(),
  weightDecay: z.number(),
  lambd: z.literal(0).optional(),
  t0: z.literal(0),
});

/** Optimiser steps with given dense gradients and masks that change: weights and averages after each. */
export const sntAsgdCase: Kind = {
  layouts: ['packed', 'masked'],
  tolerance: 1e-5,
  describes: (entry) => !('model' in entry) && 'steps' in entry && 't0' in entry,
  compare({ entry, readTensors }, layout) {
    const comparison = new Comparison();
    const tensors = readTensors();
    const { steps, lr, weightDecay } = settingsSchema.parse(entry);
    // All of `init.weight` is active until the first mask, which is in force for step 0, removes what it does not have.
    const parameters = parametersOf(tensors, 'init.', layout as Layout);
    const optimizer = new SntAsgd(parseRunConfig({ optimizer: { learningRate: lr, weightDecay } }).optimizer);
    for (let step = 0; step < steps; step++) {
      for (const parameter of parameters) {
        if (!(parameter instanceof SparseParameter)) continue;
        const mask = tensors.floats(`step.${step}.mask`);
        parameter.changePattern(patternOf(mask, parameter.shape), optimizer.fills);
      }
      if (step === 0) optimizer.beginAveraging(parameters);
      tf.tidy(() => {
        const gradients = parameters.map((parameter) =>
          stored(parameter, tensors.floats(`step.${step}.grad.${parameter.name}`)),
        );
        optimizer.step(parameters, gradients, 1);
      });
      for (const parameter of parameters) {
        const { name } = parameter;
        comparison.add(`step.${step}.${name}`, denseSlot(parameter, 'values'), tensors.floats(`step.${step}.${name}`));
        const average = `step.${step}.average.${name}`;
        comparison.add(average, denseSlot(parameter, 'average'), tensors.floats(average));
      }
    }
    for (const parameter of parameters) parameter.dispose();
    tensors.requireAllAsked(/^(init|step)\./);
    return comparison;
  },
};

/** A dense gradient as the parameter stores its own. */
function stored(parameter: Parameter, dense: Float32Array): tf.Tensor {
  const packed = parameter instanceof SparseParameter && parameter.layout === 'packed';
  const numbers = packed ? gather(dense, parameter.pattern.positions()) : dense;
  return tf.tensor(numbers, parameter.storedShape);
}
