import { z } from 'zod';

/** What decides a model: part of a run's configuration (run-config.ts). */

const probability = z.number().min(0).max(0.99);
const factor = z.number().min(0).max(1000).default(0);

export const modelKindNames = [
  'stacked-lstm',
  'rhn',
  'on-lstm',
  'awd-lstm',
  'awd-lstm-mos',
  'elman-rnn',
  'gru',
] as const;

export const modelSchema = z.strictObject({
  kind: z.enum(modelKindNames).default('stacked-lstm').describe('The recurrent network.'),
  embedding: z.int().min(1).max(100_000).default(200).describe('Size of a word vector.'),
  hidden: z.int().min(1).max(100_000).default(200).describe('Hidden units of each recurrent layer.'),
  hiddenLast: z
    .int()
    .min(0)
    .max(100_000)
    .default(0)
    .describe(
      'Units of the last layer of on-lstm, awd-lstm and awd-lstm-mos; 0 for model.embedding where the model is tied, else model.hidden.',
    ),
  layers: z
    .int()
    .min(1)
    .max(100)
    .default(2)
    .describe('Recurrent layers, one above the other (an rhn has one, and depth instead).'),
  depth: z.int().min(1).max(100).default(10).describe('Highway layers inside each time step of an rhn.'),
  coupled: z.boolean().default(true).describe('Whether the carry gate of an rhn is 1 minus its transform gate.'),
  transformBias: z
    .number()
    .min(-100)
    .max(100)
    .default(0)
    .describe(
      'Added to the first bias of the transform gate at each depth of an rhn: below 0 it carries more at first.',
    ),
  initialRange: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .describe('Weights begin uniform between minus this and this; 0 for the range that is usual for each matrix.'),
  chunk: z
    .int()
    .min(1)
    .max(100_000)
    .default(10)
    .describe('Units that share a master gate of an on-lstm; the size of each layer is a multiple of it.'),
  experts: z.int().min(1).max(1000).default(10).describe('Softmaxes that an awd-lstm-mos mixes.'),
  controlDensity: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'For a small dense control: all sizes shrink until the model has as many parameters as it would at this density; 1 leaves them.',
    ),
  tied: z.boolean().default(false).describe('Whether decoder and embedding are one matrix with one mask.'),
  dropout: z
    .strictObject({
      input: probability
        .default(0)
        .describe('Share of embedding outputs dropped: anew at every time step, or one mask a window (not in stacks).'),
      hidden: probability.default(0).describe('Share dropped between recurrent layers.'),
      output: probability.default(0).describe('Share dropped before the decoder.'),
      embedding: probability
        .default(0)
        .describe('Share of words whose vectors are dropped wherever they occur in a window.'),
      recurrent: probability
        .default(0)
        .describe('Share of the state of an rhn that its matrices do not see, one mask a window.'),
      weight: probability
        .default(0)
        .describe('Share of hidden-to-hidden weights dropped, one mask a window (on-lstm and the awd-lstm family).'),
      latent: probability.default(0).describe('Share of the latent vectors of an awd-lstm-mos dropped.'),
    })
    .prefault({}),
  activationReg: factor.describe(
    'Activation regularisation (alpha): penalty on the mean square of the last layer (on-lstm and the awd-lstm family).',
  ),
  temporalActivationReg: factor.describe(
    'Temporal activation regularisation (beta): penalty on the mean square of its change from step to step.',
  ),
});

export type ModelConfig = z.output<typeof modelSchema>;
export type ModelKindName = ModelConfig['kind'];

/** What each kind drops and penalises; the other shares must be 0, since they would do nothing. */
const dropsOf: Readonly<Record<ModelKindName, readonly (keyof ModelConfig['dropout'])[]>> = {
  'stacked-lstm': ['input', 'hidden', 'output'],
  'elman-rnn': ['input', 'hidden', 'output'],
  gru: ['input', 'hidden', 'output'],
  rhn: ['embedding', 'input', 'recurrent', 'output'],
  'on-lstm': ['embedding', 'input', 'hidden', 'output', 'weight'],
  'awd-lstm': ['embedding', 'input', 'hidden', 'output', 'weight'],
  'awd-lstm-mos': ['embedding', 'input', 'hidden', 'output', 'weight', 'latent'],
};

/** Kinds whose last layer has a size of its own, and which penalise its activations. */
const withLastLayer: readonly ModelKindName[] = ['on-lstm', 'awd-lstm', 'awd-lstm-mos'];

/** Fields that a kind of model has, as paths inside `model`: what a form should show for it. */
export function modelFields(kind: ModelKindName): string[] {
  const last = withLastLayer.includes(kind);
  return [
    ...['kind', 'embedding', 'hidden', 'controlDensity', 'initialRange', 'tied'],
    ...(last ? ['hiddenLast', 'activationReg', 'temporalActivationReg'] : []),
    ...(kind === 'rhn' ? ['depth', 'coupled', 'transformBias'] : ['layers']),
    ...(kind === 'on-lstm' ? ['chunk'] : []),
    ...(kind === 'awd-lstm-mos' ? ['experts'] : []),
    ...dropsOf[kind].map((site) => `dropout.${site}`),
  ];
}

/** Units of each recurrent layer. */
export function layerSizes({ kind, embedding, hidden, hiddenLast, layers, tied }: ModelConfig): number[] {
  if (kind === 'rhn') return [hidden];
  if (!withLastLayer.includes(kind)) return new Array<number>(layers).fill(hidden);
  const last = hiddenLast > 0 ? hiddenLast : tied ? embedding : hidden;
  return [...new Array<number>(layers - 1).fill(hidden), last];
}

/** What is wrong with a model whose fields are all in their ranges: field, value and rule. */
export function refusedModelFields(model: ModelConfig): { field: string[]; value: unknown; rule: string }[] {
  const refused: { field: string[]; value: unknown; rule: string }[] = [];
  const refuse = (field: string, value: unknown, rule: string) =>
    refused.push({ field: field.split('.'), value, rule });
  const { kind, embedding, hidden, hiddenLast, tied, chunk } = model;

  const fields = modelFields(kind);
  const off = [
    ...Object.entries(model.dropout).map(([site, p]) => [`dropout.${site}`, p] as const),
    ...(['hiddenLast', 'activationReg', 'temporalActivationReg', 'transformBias'] as const).map(
      (name) => [name, model[name]] as const,
    ),
  ];
  for (const [field, value] of off) {
    if (value !== 0 && !fields.includes(field)) refuse(field, value, `must be 0 where model.kind is "${kind}"`);
  }

  // The decoder of a mixture of softmaxes reads latent vectors of the embedding's size, whatever the layers have.
  if (tied && kind !== 'awd-lstm-mos') {
    const why = 'where model.tied is true: the decoder is the embedding';
    if (!withLastLayer.includes(kind)) {
      if (embedding !== hidden) refuse('embedding', embedding, `must equal model.hidden (${hidden}) ${why}`);
    } else if (hiddenLast !== 0 && hiddenLast !== embedding) {
      refuse('hiddenLast', hiddenLast, `must be 0 or equal model.embedding (${embedding}) ${why}`);
    }
  }
  if (kind === 'on-lstm') {
    const uneven = layerSizes(model).find((size) => size % chunk !== 0);
    if (uneven !== undefined)
      refuse('chunk', chunk, `must divide the size of every layer, and one has ${uneven} units`);
  }
  return refused;
}
