import { z } from 'zod';
import { UserError } from '../../src/shared/errors.js';
import { modelKindNames, modelSchema } from '../../src/shared/model-config.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { modelKinds } from '../../src/worker/models/build.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { noDropout, type State } from '../../src/worker/models/model.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { SntAsgd } from '../../src/worker/optimizers/snt-asgd.js';
import { SparseParameter, type Layout, type Parameter, type SlotFills } from '../../src/worker/sparsity/parameter.js';
import { removalCount, smallestMagnitude } from '../../src/worker/sparsity/removal.js';
import { removingRate } from '../../src/worker/sparsity/schedule.js';
import * as tf from '../../src/worker/tf.js';
import { Comparison, type Kind, type Tensors } from './case.js';
import { denseSlot, parametersOf, patternOf } from './parameters.js';

const settingsSchema = z.object({
  model: z.enum(modelKindNames),
  chunk: z.int().min(1).optional(),
  T: z.int().min(1),
  steps: z.int().min(1),
  lr: z.number(),
  clip: z.number(),
  weightDecay: z.number(),
  initialRate: z.number(),
  endRate: z.number(),
  scheduleSteps: z.int(),
  updatesAfterSteps: z.array(z.int()),
  averagingFromStep: z.int(),
  dropout: z.literal(0).optional(),
});

/** Training steps of a sparse model from end to end: clipping, weight decay, topology updates, averaging. */
export const trajectoryCase: Kind = {
  layouts: ['packed', 'masked'],
  tolerance: 1e-4,
  describes: (entry) => modelKindNames.some((kind) => kind === entry['model']) && 'steps' in entry,
  compare({ entry, readTensors }, layout) {
    const comparison = new Comparison();
    const tensors = readTensors();
    const settings = settingsSchema.parse(entry);
    const { model: kind, chunk, steps, T, lr, clip, weightDecay } = settings;
    const parameters = parametersOf(tensors, 'init.', layout as Layout, 'mask.0.');
    const model = modelKinds[kind].create(modelSchema.parse({ kind, chunk }), parameters);
    const optimizer = new SntAsgd(parseRunConfig({ optimizer: { learningRate: lr, weightDecay } }).optimizer);
    const tokens = tensors.integers('tokens');
    const batch = tensors.shape('tokens')[1];
    const points = tensors.numbersUnder('weights.');
    if (points.length === 0) throw new UserError('the case has no tensor weights.N.*: no weights to compare');
    const losses: number[] = [];
    const norms: number[] = [];
    let update = 0;
    let state: State = model.initialState(batch);

    for (let step = 0; step < steps; step++) {
      if (step === settings.averagingFromStep) optimizer.beginAveraging(parameters);
      const row = step * T * batch;
      const window = {
        inputs: tokens.slice(row, row + T * batch),
        targets: tokens.slice(row + batch, row + (T + 1) * batch),
        batch,
      };
      watchGradients(parameters, 'all', { seed: 0, step });
      const pass = lossAndGradients(model, window, state, noDropout);
      tf.dispose(state as tf.Tensor[]);
      state = pass.state;
      losses.push(pass.loss.dataSync()[0]);
      norms.push(gradientNorm(parameters, pass.gradients, 'all', { seed: 0, step }));
      optimizer.step(parameters, pass.gradients, clipScale(norms.at(-1)!, clip));
      tf.dispose([pass.loss, ...pass.gradients]);

      const done = step + 1;
      if (settings.updatesAfterSteps.includes(done)) {
        update += 1;
        const rate = removingRate(settings.initialRate, settings.endRate, done, settings.scheduleSteps);
        updateTopology(parameters, update, rate, optimizer.fills, tensors, comparison);
      }
      if (!points.includes(done)) continue;
      for (const parameter of parameters) {
        const name = `weights.${done}.${parameter.name}`;
        comparison.add(name, denseSlot(parameter, 'values'), tensors.floats(name));
      }
    }
    comparison.add('loss', losses, tensors.floats('loss'));
    comparison.add('grad_norm', norms, tensors.floats('grad_norm'));
    for (const parameter of parameters) {
      const name = `average.${parameter.name}`;
      comparison.add(name, denseSlot(parameter, 'average'), tensors.floats(name));
      parameter.dispose();
    }
    tf.dispose(state as tf.Tensor[]);
    tensors.requireAllAsked(/^(init|mask|dropped|weights|average)\./);
    return comparison;
  },
};

/** Removes by our rule, which must agree with the case, and grows what the case says. */
function updateTopology(
  parameters: readonly Parameter[],
  update: number,
  rate: number,
  fills: SlotFills,
  tensors: Tensors,
  comparison: Comparison,
): void {
  for (const parameter of parameters) {
    if (!(parameter instanceof SparseParameter)) continue;
    const name = `${update}.${parameter.name}`;
    const positions = parameter.pattern.positions();
    const active = { positions, values: parameter.read('values') };
    const dropped = smallestMagnitude(active, removalCount(rate, positions.length));
    comparison.addSets(`dropped.${name}`, dropped, tensors.integers(`dropped.${name}`));
    parameter.changePattern(patternOf(tensors.floats(`mask.${name}`), parameter.shape), fills);
  }
}
