import { z } from 'zod';
import { UserError } from '../../src/shared/errors.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { dropoutSites, type Dropout } from '../../src/worker/models/model.js';
import { StackedLstm } from '../../src/worker/models/stacked-lstm.js';
import { gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { Comparison, type Kind, type Tensors } from './case.js';
import { parametersOf } from './parameters.js';

/** What the manifest says of sizes, where it does: the file has them all. */
const settingsSchema = z.object({
  layers: z.int().min(1).optional(),
  tied: z.boolean().optional(),
  dropout: z.union([z.number(), z.record(z.string(), z.number().nullable())]).optional(),
});

/** One pass of a stacked LSTM: logits, loss, state, every gradient and their norm, with the dropout masks of the case. */
export const stackedLstmCase: Kind = {
  layouts: ['packed', 'masked'],
  tolerance: 1e-5,
  describes: (entry) => entry['model'] === 'stacked-lstm' && !('steps' in entry),
  compare({ entry, readTensors }, layout) {
    const comparison = new Comparison();
    const settings = settingsSchema.parse(entry);
    const tensors = readTensors();
    const parameters = parametersOf(tensors, 'param.', layout as Layout);
    // Any rate will do: the case brings the masks.
    const model = new StackedLstm(parameters, { input: 0.5, hidden: 0.5, output: 0.5 });
    const dropout = givenMasks(tensors);
    const window = {
      inputs: tensors.integers('input'),
      targets: tensors.integers('target'),
      batch: tensors.shape('input')[1],
    };
    tf.tidy(() => {
      const state = tensors
        .numbersUnder('state_in.')
        .map((index) => tf.tensor(tensors.floats(`state_in.${index}`), [...tensors.shape(`state_in.${index}`)]));
      const { logits } = model.logits(window, state as tf.Tensor2D[], dropout);
      comparison.add('output', logits.dataSync(), tensors.floats('output'));

      watchGradients(parameters, 'all', { seed: 0, step: 0 });
      const pass = lossAndGradients(model, window, state as tf.Tensor2D[], dropout);
      comparison.add('loss', pass.loss.dataSync(), tensors.floats('loss'));
      parameters.forEach(({ name }, i) => {
        comparison.add(`grad.${name}`, pass.gradients[i].dataSync(), tensors.floats(`grad.${name}`));
      });
      pass.state.forEach((tensor, i) => {
        comparison.add(`state_out.${i}`, tensor.dataSync(), tensors.floats(`state_out.${i}`));
        tensor.dispose();
      });
      const norm = gradientNorm(parameters, pass.gradients, 'all', { seed: 0, step: 0 });
      comparison.add('grad_norm', [norm], tensors.floats('grad_norm'));
    });
    for (const parameter of parameters) parameter.dispose();
    requireAgreement(settings, tensors);
    tensors.requireAllAsked(/^(param|grad|state_in|state_out|mask)\./);
    return comparison;
  },
};

/** A file that lacks a layer or the masks would be computed without, and agree with itself. */
function requireAgreement({ layers, tied, dropout }: z.output<typeof settingsSchema>, tensors: Tensors): void {
  const inFile = {
    layers: tensors.numbersUnder('param.lstm.').length,
    tied: !tensors.has('param.decoder.weight'),
    dropped: tensors.under('mask.drop.').length > 0,
  };
  const rates = typeof dropout === 'number' ? [dropout] : Object.values(dropout ?? {});
  const dropped = dropout === undefined ? inFile.dropped : rates.some((rate) => rate !== null && rate > 0);
  const said = { layers: layers ?? inFile.layers, tied: tied ?? inFile.tied, dropped };
  for (const key of ['layers', 'tied', 'dropped'] as const) {
    if (said[key] === inFile[key]) continue;
    throw new UserError(`the manifest has ${key} = ${said[key]}, the tensors of the case ${key} = ${inFile[key]}`);
  }
  if (typeof dropout !== 'number' || dropout === 0) return;
  const hidden = Array.from({ length: inFile.layers - 1 }, (_, layer) => `hidden.${layer}`);
  for (const site of ['input', 'output', ...hidden]) tensors.shape(`mask.drop.${site}`); // throws where it is missing
}

function givenMasks(tensors: Tensors): Dropout {
  const names = new Map<number, string>([
    [dropoutSites.input, 'input'],
    [dropoutSites.output, 'output'],
  ]);
  for (const name of tensors.under('mask.drop.hidden.')) names.set(dropoutSites.hidden(Number(name)), `hidden.${name}`);
  return (site, _p, shape) => {
    const name = `mask.drop.${names.get(site) ?? 'nowhere'}`;
    return tensors.has(name) ? tf.tensor(tensors.floats(name), [...shape]) : undefined;
  };
}
