import { z } from 'zod';
import { UserError } from '../../src/shared/errors.js';
import { modelKindNames, modelSchema, type ModelConfig } from '../../src/shared/model-config.js';
import { modelKinds } from '../../src/worker/models/build.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { dropoutSites, type Dropout, type State } from '../../src/worker/models/model.js';
import { gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { Comparison, type CaseEntry, type Kind, type Tensors } from './case.js';
import { parametersOf } from './parameters.js';

const share = z.number().min(0).lt(1).nullable();
const count = z.int().min(1);

/** What the manifest says of a model; sizes stand in the file, too, and it alone is believed. */
const settingsSchema = z.object({
  model: z.enum(modelKindNames),
  layers: count.nullish(),
  depth: count.nullish(),
  experts: count.nullish(),
  chunk: count.nullish(),
  tied: z.boolean().nullish(),
  coupled: z.boolean().nullish(),
  weightDrop: share.optional(),
  activationReg: z.number().nullish(),
  temporalActivationReg: z.number().nullish(),
  dropout: z.union([z.number(), z.record(z.string(), share)]).optional(),
});
type Settings = z.output<typeof settingsSchema>;

/**
 * One pass of a model: scores, loss, state, every gradient and their norm, with the dropout masks of the case. The loss of a case is
 * what is differentiated, penalties included.
 */
export const modelCase: Kind = {
  layouts: ['packed', 'masked'],
  tolerance: 1e-5,
  describes: (entry) => isModel(entry) && !('steps' in entry),
  compare({ entry, readTensors }, layout) {
    const comparison = new Comparison();
    const settings = settingsSchema.parse(entry);
    const tensors = readTensors();
    const parameters = parametersOf(tensors, 'param.', layout as Layout);
    const model = modelKinds[settings.model].create(configOf(settings, tensors), parameters);
    const dropout = givenMasks(tensors);
    const window = {
      inputs: tensors.integers('input'),
      targets: tensors.integers('target'),
      batch: tensors.shape('input')[1],
    };
    tf.tidy(() => {
      const state: State = tensors.numbersUnder('state_in.').map((index) => {
        const name = `state_in.${index}`;
        return tf.tensor2d(tensors.floats(name), [window.batch, tensors.floats(name).length / window.batch]);
      });
      const { logits } = model.logits(window, state, dropout);
      comparison.add('output', logits.dataSync(), tensors.floats('output'));
      const { loss, penalty } = model.loss(window, state, dropout);
      const objective = penalty === undefined ? loss : loss.add(penalty());
      comparison.add('loss', objective.dataSync(), tensors.floats('loss'));

      watchGradients(parameters, 'all', { seed: 0, step: 0 });
      const pass = lossAndGradients(model, window, state, dropout);
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

function isModel(entry: CaseEntry): boolean {
  return modelKindNames.some((kind) => kind === entry['model']);
}

/** The model's configuration as far as its file does not have it: shares dropped, penalties, chunks. */
function configOf(settings: Settings, tensors: Tensors): ModelConfig {
  const { model: kind, chunk, weightDrop, activationReg, temporalActivationReg, dropout } = settings;
  const shares =
    typeof dropout === 'number' ? { input: dropout, hidden: dropout, output: dropout } : withoutNull(dropout ?? {});
  if (kind === 'on-lstm' && (chunk ?? 0) === 0) throw new UserError('the manifest has no chunk of an ON-LSTM');
  const given = Object.fromEntries(sitesIn(tensors).map((site) => [site, 0.5])); // any share will do: the case brings the masks
  return modelSchema.parse({
    kind,
    ...withoutNull({ chunk, activationReg, temporalActivationReg }),
    dropout: { ...given, ...shares, ...withoutNull({ weight: weightDrop }) },
  });
}

function withoutNull<Value>(record: Readonly<Record<string, Value | null | undefined>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(record).filter((pair): pair is [string, Value] => pair[1] !== null && pair[1] !== undefined),
  );
}

/** The kinds of site that the case has masks of. */
function sitesIn(tensors: Tensors): (keyof ModelConfig['dropout'])[] {
  const sites = Object.keys(modelSchema.parse({}).dropout) as (keyof ModelConfig['dropout'])[];
  const names = tensors.under('mask.drop.');
  return sites.filter((site) => names.some((name) => name === site || name.startsWith(`${site}.`)));
}

/** The first part of the names of a model's layers, or depths. */
const prefixes: Readonly<Record<Settings['model'], string>> = {
  ...{ 'stacked-lstm': 'lstm', 'awd-lstm': 'lstm', 'awd-lstm-mos': 'lstm', 'on-lstm': 'onlstm' },
  ...{ 'elman-rnn': 'elman', gru: 'gru', rhn: 'rhn' },
};

/** A file that lacks a layer or the masks would be computed without, and agree with itself. */
function requireAgreement(settings: Settings, tensors: Tensors): void {
  const { model, layers, depth, tied, coupled, experts, weightDrop, dropout } = settings;
  const inFile = {
    [model === 'rhn' ? 'depth' : 'layers']: tensors.numbersUnder(`param.${prefixes[model]}.`).length,
    tied: !tensors.has('param.decoder.weight'),
    dropped: tensors.under('mask.drop.').length > 0,
    ...(model === 'rhn' ? { coupled: !tensors.has('param.rhn.0.recurrent_carry.weight') } : {}),
    ...(model === 'awd-lstm-mos' ? { experts: tensors.shape('param.mos.prior.weight')[0] } : {}),
  };
  const rates = typeof dropout === 'number' ? [dropout] : Object.values(dropout ?? {});
  const some = rates.some((rate) => rate !== null && rate > 0);
  // Weights alone may be dropped; the same share is in a case of evaluation, which has no masks.
  const open = dropout === undefined || (!some && (weightDrop ?? 0) > 0);
  const dropped = open ? inFile.dropped : some;
  const said: Record<string, unknown> = { layers, depth, tied, coupled, experts, dropped };
  for (const [key, value] of Object.entries(inFile)) {
    if (said[key] === undefined || said[key] === null || said[key] === value) continue;
    throw new UserError(
      `the manifest has ${key} = ${JSON.stringify(said[key])}, the tensors of the case ${key} = ${value}`,
    );
  }
  if (!dropped || (typeof dropout === 'number' && model === 'rhn')) return;
  const sites = typeof dropout === 'number' ? ['input', 'hidden', 'output'] : namesOfShares(settings);
  const count = tensors.numbersUnder(`param.${prefixes[model]}.`).length;
  for (const site of sites) {
    const last = site === 'weight' ? count : count - 1;
    const names =
      site === 'weight' || site === 'hidden' ? Array.from({ length: last }, (_, i) => `${site}.${i}`) : [site];
    for (const name of names) tensors.shape(`mask.drop.${name}`); // throws where it is missing
  }
}

/** The sites that the manifest says something is dropped at. */
function namesOfShares({ dropout, weightDrop }: Settings): string[] {
  const named = typeof dropout === 'object' ? Object.entries(dropout) : [];
  return [...named, ['weight', weightDrop ?? 0] as const].flatMap(([site, p]) => (p !== null && p > 0 ? [site] : []));
}

function givenMasks(tensors: Tensors): Dropout {
  const names = new Map<number, string>(
    (['input', 'output', 'embedding', 'recurrent', 'latent'] as const).map((site) => [dropoutSites[site], site]),
  );
  for (const site of ['hidden', 'weight'] as const) {
    for (const layer of tensors.numbersUnder(`mask.drop.${site}.`))
      names.set(dropoutSites[site](layer), `${site}.${layer}`);
  }
  return (site, _p, shape) => {
    const name = `mask.drop.${names.get(site) ?? 'nowhere'}`;
    return tensors.has(name) ? tf.tensor(tensors.floats(name), [...shape]) : undefined;
  };
}
