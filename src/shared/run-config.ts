import { z } from 'zod';
import { UserError } from './errors.js';
import { methodKinds, methods } from './methods.js';

/**
 * Everything that decides a run, in one value: parsed once, saved with the run, the same plain object in every process.
 * Each field has its default, its range and one sentence; forms, `--set` and the documentation are made from this schema.
 */

/** Seeds and other 32-bit counters. */
const uint32 = z.int().min(0).max(0xffff_ffff);
const probability = z.number().min(0).max(0.99);

const modelSchema = z.strictObject({
  kind: z.enum(['stacked-lstm']).default('stacked-lstm').describe('The recurrent network.'),
  embedding: z.int().min(1).max(100_000).default(200).describe('Size of a word vector.'),
  hidden: z.int().min(1).max(100_000).default(200).describe('Hidden units of each recurrent layer.'),
  layers: z.int().min(1).max(100).default(2).describe('Recurrent layers, one above the other.'),
  tied: z.boolean().default(false).describe('Whether decoder and embedding are one matrix with one mask.'),
  dropout: z
    .strictObject({
      input: probability.default(0).describe('Share of embedding outputs dropped, drawn anew at every time step.'),
      hidden: probability.default(0).describe('Share dropped between recurrent layers.'),
      output: probability.default(0).describe('Share dropped before the decoder.'),
    })
    .prefault({}),
});

const methodSchema = z.strictObject({
  kind: z
    .enum(methodKinds)
    .default('selfish')
    .describe('How the weights are sparse: not at all, with fixed masks, or with masks that a published rule rewires.'),
  density: z.number().gt(0).max(1).default(0.33).describe('Share of weights that is active (1 for a dense run).'),
  initialiser: z
    .enum(['uniform', 'er'])
    .default('uniform')
    .describe('Density of each layer: the same everywhere, or Erdős-Rényi, larger for smaller matrices.'),
  sampling: z
    .enum(['exact', 'bernoulli'])
    .default('exact')
    .describe('Whether masks and growth draw exact counts, or each position on its own as the published code does.'),
  gateMode: z
    .enum(['auto', 'fused', 'fused-equal', 'per-gate'])
    .default('auto')
    .describe(
      'Whether the gates of a matrix compete for its weights, regrow equal shares, or keep their own; auto: as the method does.',
    ),
  removal: z
    .enum(['auto', 'magnitude', 'signed', 'threshold', 'global-magnitude'])
    .default('auto')
    .describe(
      'What goes: the smallest of a layer, of its positive and its negative weights, of the network, or what a threshold says.',
    ),
  growth: z
    .enum(['auto', 'random', 'gradient', 'momentum'])
    .default('auto')
    .describe('What grows: random positions, or those with the largest gradient, or running mean of it.'),
  redistribution: z
    .enum(['auto', 'none', 'nonzeros', 'magnitude', 'momentum'])
    .default('auto')
    .describe(
      'How weights move between layers: not, or by what each has left, by its mean weight, or by its mean momentum.',
    ),
  removingRate: z.number().min(0).max(1).default(0.8).describe('Share of active weights removed by the first update.'),
  finalRemovingRate: z.number().min(0).max(1).default(0.005).describe('The same at the end of training (cosine).'),
  rateSchedule: z
    .enum(['cosine', 'constant'])
    .default('cosine')
    .describe('Whether the removing rate falls along a cosine, or stays what it is at first.'),
  interval: z.int().min(1).max(1_000_000_000).default(1).describe('Epochs or steps from one update to the next.'),
  intervalUnit: z
    .enum(['epochs', 'steps'])
    .default('epochs')
    .describe('What the interval counts; updates after an epoch come after its validation.'),
  endStep: z
    .int()
    .min(0)
    .max(1_000_000_000)
    .default(0)
    .describe('Optimiser step after which masks stay, and at which the cosine ends; 0 for the end of training.'),
  skipStep: z
    .boolean()
    .default(false)
    .describe('Whether the weights rest in a step that an update follows, as the published RigL has it.'),
  excludeJustRemoved: z.boolean().default(false).describe('Whether a weight just removed may not grow back at once.'),
  reinitialiseRegrown: z
    .boolean()
    .default(false)
    .describe('Whether a weight that is removed and grows back at once starts anew, at 0 and with no average.'),
  threshold: z
    .number()
    .gt(0)
    .max(1000)
    .default(1e-3)
    .describe('Magnitude below which an update removes, where removal is by threshold (l1); of DSR the first.'),
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe('Decay of the running mean of the gradient that growth and redistribution go by (SNFS).'),
  l1: z.number().min(0).max(1).default(1e-5).describe('L1 penalty on active weights (l1, DeepR).'),
  noise: z
    .number()
    .min(0)
    .max(1)
    .default(1e-3)
    .describe('Rate η of the noise on the gradient, of variance 2 η times the temperature (DeepR).'),
  temperature: z
    .number()
    .min(0)
    .max(1)
    .default(1e-5)
    .describe('Temperature of that noise in the first quarter of training; it falls with each of the next (DeepR).'),
  pruneFrom: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of training after which gradual pruning begins (GMP).'),
  pruneUntil: z
    .number()
    .min(0)
    .lt(1)
    .default(0.75)
    .describe('Share of training after which it has come to the density of the run (GMP).'),
  pruneAfter: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('Epoch after which the network is pruned (one-shot, lottery); 0 for half of all.'),
  updateOnTrigger: z
    .boolean()
    .default(false)
    .describe('Whether the topology is also updated in the epoch in which averaging begins.'),
});

const optimizerSchema = z.strictObject({
  kind: z
    .enum(['snt-asgd', 'nt-asgd', 'asgd', 'sgd', 'momentum', 'adam'])
    .default('snt-asgd')
    .describe(
      'SGD that averages each weight while it is active once validation stalls; that averages without masks, then or always; plain, or with momentum; or Adam.',
    ),
  learningRate: z.number().gt(0).max(1000).default(20).describe('Step size of all but adam, at first.'),
  momentum: z.number().gt(0).lt(1).default(0.9).describe('Share of the step before that momentum keeps.'),
  schedule: z
    .strictObject({
      kind: z
        .enum(['constant', 'decay', 'plateau'])
        .default('constant')
        .describe('Whether the step size stays, falls at set epochs, or falls when validation stalls.'),
      factor: z.number().gt(0).max(1).default(0.5).describe('Factor on the step size each time it falls.'),
      from: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(20)
        .describe('Epoch after which it falls for the first time (decay).'),
      every: z.int().min(1).max(1_000_000).default(1).describe('Epochs from one time to the next (decay).'),
      patience: z.int().min(0).max(100_000).default(2).describe('Epochs without a new best before it falls (plateau).'),
    })
    .prefault({}),
  weightDecay: z.number().min(0).max(1).default(1.2e-6).describe('L2 penalty, added to the gradient.'),
  clip: z.number().gt(0).max(1e9).default(0.25).describe('Largest norm of the whole gradient; a larger one is scaled.'),
  clipNorm: z
    .enum(['all', 'sketched', 'active'])
    .default('all')
    .describe(
      'Which gradient is measured: of all weights, active or not; an estimate of that; or of the active ones only.',
    ),
  nonmonotone: z
    .int()
    .min(0)
    .max(100_000)
    .default(5)
    .describe(
      'Epochs (n) of patience: averaging begins when validation is worse than the best of more than n epochs ago.',
    ),
  averagingFrom: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe('Epoch after which averaging begins even if the trigger has not fired; 0 leaves it to the trigger.'),
  adam: z
    .strictObject({
      learningRate: z.number().gt(0).max(1000).default(1e-3).describe('Step size of adam.'),
      beta1: z.number().min(0).lt(1).default(0).describe('Decay of the mean of the gradient.'),
      beta2: z.number().min(0).lt(1).default(0.999).describe('Decay of the mean of its square.'),
      epsilon: z.number().gt(0).max(1).default(1e-9).describe('Added to the root of the second moment.'),
      plateauFactor: z
        .number()
        .gt(0)
        .max(1)
        .default(0.5)
        .describe('Factor on the learning rate when validation stalls.'),
      plateauPatience: z.int().min(0).max(100_000).default(2).describe('Epochs without a new best before that.'),
    })
    .prefault({}),
});

const corpusSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,63}$/,
      'must be 1 to 64 of a-z, 0-9, ".", "_" and "-", and begin with a letter or digit',
    )
    .default('built-in')
    .describe('The corpus: built-in (synthetic, needs no download), or one that was fetched or imported.'),
  vocabulary: z.int().min(100).max(50_000).default(2000).describe('Words of the built-in language, <eos> included.'),
  tokens: z
    .int()
    .min(1000)
    .max(100_000_000)
    .default(400_000)
    .describe('Length of the built-in training text in words; validation and test text have a tenth of it each.'),
  seed: uint32.default(1).describe('Seed of the built-in text, apart from the seed of the run.'),
});

const trainingSchema = z.strictObject({
  epochs: z.int().min(1).max(1_000_000).default(100).describe('Passes over the training text.'),
  batch: z.int().min(1).max(10_000).default(20).describe('Streams of text read side by side.'),
  bptt: z.int().min(1).max(10_000).default(35).describe('Time steps of a window: how far gradients reach back.'),
  evaluationBatch: z.int().min(1).max(10_000).default(20).describe('Streams in validation and test.'),
  startFrom: z
    .string()
    .max(300)
    .regex(/^[A-Za-z0-9._-]*$/, 'must be the name of a run, such as quick-dense-1')
    .default('')
    .describe(
      'Run whose best weights and masks are where this one starts: fine-tuning, which averages from its first step on.',
    ),
  stop: z
    .enum(['never', 'nonmonotone'])
    .default('never')
    .describe(
      'Whether training ends when validation stalls, by the rule that begins averaging, or with the last epoch.',
    ),
  reportEvery: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10)
    .describe('Training steps summed up in one report of the loss; the first one is always reported.'),
});

const deviceSchema = z.strictObject({
  engine: z
    .enum(['auto', 'native', 'wasm'])
    .default('auto')
    .describe('What computes; auto takes the fastest that works here.'),
  threads: z
    .int()
    .min(0)
    .max(1024)
    .default(0)
    .describe('Most threads an engine may use; 0 for one per core (the wasm engine always uses one).'),
  layout: z
    .enum(['auto', 'packed', 'masked'])
    .default('auto')
    .describe(
      'How sparse weights are stored: active values only, or dense under a mask; auto suits engine and density.',
    ),
});

export const runConfigSchema = z
  .strictObject({
    name: z.string().max(200).default('').describe('What the run is called in lists and charts.'),
    seed: uint32.default(1).describe('Decides every random choice: same seed, same curve.'),
    model: modelSchema.prefault({}),
    method: methodSchema.prefault({}),
    optimizer: optimizerSchema.prefault({}),
    corpus: corpusSchema.prefault({}),
    training: trainingSchema.prefault({}),
    device: deviceSchema.prefault({}),
  })
  .superRefine(({ model, method, optimizer, training, device }, context) => {
    const refuse = (path: string[], input: unknown, message: string) => {
      context.addIssue({ code: 'custom', path, input, message });
    };
    if (model.tied && model.embedding !== model.hidden) {
      const rule = `must equal model.hidden (${model.hidden}) where model.tied is true: the decoder is the embedding`;
      refuse(['model', 'embedding'], model.embedding, rule);
    }
    for (const { field, rule } of broken(method, training.epochs)) refuse(['method', field], method[field], rule);
    if (method.finalRemovingRate > method.removingRate) {
      const rule = `must be at most method.removingRate (${method.removingRate}): the rate only falls`;
      refuse(['method', 'finalRemovingRate'], method.finalRemovingRate, rule);
    }
    if (methods[method.kind].masks === 'pruned') {
      const kind = `where method.kind is "${method.kind}"`;
      if (training.stop !== 'never') {
        refuse(['training', 'stop'], training.stop, `must be "never" ${kind}: training could end before pruning does`);
      }
      if (training.startFrom !== '') {
        refuse(['training', 'startFrom'], training.startFrom, `must be empty ${kind}: it begins with every weight`);
      }
    }
    if (optimizer.averagingFrom > 0 && optimizer.kind !== 'snt-asgd' && optimizer.kind !== 'nt-asgd') {
      const rule = 'must be 0 unless optimizer.kind is "snt-asgd" or "nt-asgd", which begin to average';
      refuse(['optimizer', 'averagingFrom'], optimizer.averagingFrom, rule);
    }
    if (optimizer.schedule.kind !== 'constant' && optimizer.kind === 'adam') {
      const rule = 'must be "constant" where optimizer.kind is "adam", which has optimizer.adam.plateauFactor';
      refuse(['optimizer', 'schedule', 'kind'], optimizer.schedule.kind, rule);
    }
    if (needsMaskedLayout(optimizer, method) && device.layout === 'packed') {
      const rule = `must be "auto" or "masked" where optimizer.kind is "${optimizer.kind}": it averages inactive weights, too`;
      refuse(['device', 'layout'], device.layout, rule);
    }
  });

/** The epoch after which a method that prunes once does. */
export function pruningEpoch({ pruneAfter }: Pick<RunConfig['method'], 'pruneAfter'>, epochs: number): number {
  return pruneAfter === 0 ? Math.max(1, Math.floor(epochs / 2)) : pruneAfter;
}

/** Whether a run keeps something of every weight, active or not, that only the masked layout has room for. */
export function needsMaskedLayout(
  { kind }: Pick<RunConfig['optimizer'], 'kind'>,
  method: Pick<RunConfig['method'], 'kind'>,
): boolean {
  return (kind === 'nt-asgd' || kind === 'asgd') && methods[method.kind].masks !== 'none';
}

/** Rules of a method that are about more than one field. */
function broken(method: z.output<typeof methodSchema>, epochs: number): { field: keyof typeof method; rule: string }[] {
  const rules: { field: keyof typeof method; rule: string }[] = [];
  const refuse = (field: keyof typeof method, rule: string) => rules.push({ field, rule });
  const row = methods[method.kind];
  const kind = `where method.kind is "${method.kind}"`;
  if (row.masks === 'none' && method.density !== 1) refuse('density', `must be 1 ${kind}`);
  if (row.masks === 'pruned') {
    if (row.schedule === 'interval') {
      if (method.density !== 1) refuse('density', `must be 1 ${kind}: its threshold decides what is left`);
    } else if (method.density === 1) refuse('density', `must be below 1 ${kind}: nothing would be pruned`);
    if (row.schedule === 'once' && pruningEpoch(method, epochs) >= epochs) {
      refuse('pruneAfter', `must be below training.epochs (${epochs}): what is left has to train on`);
    }
    if (row.schedule === 'gradual') {
      if (method.pruneFrom > method.pruneUntil) {
        refuse('pruneFrom', `must be at most method.pruneUntil (${method.pruneUntil})`);
      }
      const last = method.interval * Math.ceil((method.pruneUntil * epochs) / method.interval);
      if (method.intervalUnit === 'epochs' && last >= epochs) {
        const rule = `must end before training.epochs (${epochs}) does, counted in intervals of ${method.interval} epochs`;
        refuse('pruneUntil', rule);
      }
    }
  }
  if (row.masks !== 'rewired') {
    for (const field of ['removal', 'growth', 'redistribution'] as const) {
      if (method[field] !== 'auto')
        refuse(
          field,
          `must be "auto" ${kind}: ${row.masks === 'pruned' ? 'it has a rule of its own' : 'its masks never change'}`,
        );
    }
    return rules;
  }
  if (method.density === 1) refuse('density', `must be below 1 ${kind}: weights need free positions to grow`);
  if (row.schedule === 'step') {
    const own = `must be %s ${kind}: it removes what changes its sign, after every step`;
    if (method.removal !== 'auto') refuse('removal', own.replace('%s', '"auto"'));
    if (method.interval !== 1) refuse('interval', own.replace('%s', '1'));
    if (method.intervalUnit !== 'epochs') refuse('intervalUnit', own.replace('%s', '"epochs"'));
    if (method.skipStep) refuse('skipStep', own.replace('%s', 'false'));
  }
  if (method.skipStep && method.intervalUnit === 'steps' && method.interval === 1) {
    refuse('skipStep', 'must be false where masks are updated after every step: nothing would be trained');
  }
  const gateMode = method.gateMode === 'auto' ? row.gateMode : method.gateMode;
  if (gateMode === 'per-gate') {
    const moved = method.redistribution === 'auto' ? row.redistribution : method.redistribution;
    const removal = method.removal === 'auto' ? row.removal : method.removal;
    if (moved !== 'none') {
      refuse(
        'gateMode',
        `must be "fused" or "fused-equal" where redistribution is "${moved}": a gate cannot keep its own`,
      );
    }
    if (removal === 'threshold' || removal === 'global-magnitude') {
      refuse('gateMode', `must be "fused" or "fused-equal" where removal is "${removal}": it sees the whole network`);
    }
  }
  return rules;
}

export type RunConfig = z.output<typeof runConfigSchema>;
/** A run configuration in which any field may be left to its default. */
export type PartialRunConfig = z.input<typeof runConfigSchema>;

/**
 * The configuration with every default filled in.
 * @throws UserError naming every refused field, its value and the rule
 */
export function parseRunConfig(input: unknown): RunConfig {
  const result = runConfigSchema.safeParse(input);
  if (result.success) return result.data;
  throw new UserError(result.error.issues.flatMap((issue) => explain(issue, input)).join('; '));
}

/**
 * Applies `a.b=value` settings: each takes the type of the field's default, and the whole must be a valid configuration.
 * @throws UserError naming the setting, its value and what was expected
 */
export function applySettings(config: PartialRunConfig, settings: readonly string[]): PartialRunConfig {
  const defaults = parseRunConfig({});
  const changed = structuredClone(config) as Record<string, unknown>;
  for (const setting of settings) {
    const [path, text] = splitSetting(setting);
    const value = parseAsTypeOf(valueAt(defaults, path), path.join('.'), text);
    assign(changed, path, value);
  }
  return changed;
}

/** Fields in which two configurations differ, such as method.density. */
export function differences(a: RunConfig, b: RunConfig): { field: string; a: unknown; b: unknown }[] {
  const compare = (x: unknown, y: unknown, path: string): { field: string; a: unknown; b: unknown }[] => {
    if (isRecord(x) && isRecord(y)) {
      return Object.keys(x).flatMap((key) => compare(x[key], y[key], path === '' ? key : `${path}.${key}`));
    }
    return Object.is(x, y) ? [] : [{ field: path, a: x, b: y }];
  };
  return compare(a, b, '');
}

function splitSetting(setting: string): [path: string[], text: string] {
  const equals = setting.indexOf('=');
  if (equals < 1) {
    throw new UserError(`--set ${oneWord(setting)}: expected FIELD=VALUE, for example --set method.density=0.2`);
  }
  return [setting.slice(0, equals).trim().split('.'), setting.slice(equals + 1).trim()];
}

function valueAt(defaults: RunConfig, path: readonly string[]): unknown {
  let value: unknown = defaults;
  for (const [depth, key] of path.entries()) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) {
      throw new UserError(unknownField(path.slice(0, depth), key, isRecord(value) ? Object.keys(value) : []));
    }
    value = value[key];
  }
  if (isRecord(value)) {
    throw new UserError(`${path.join('.')} is a group of fields: set one of ${Object.keys(value).join(', ')} in it`);
  }
  return value;
}

function parseAsTypeOf(fallback: unknown, field: string, text: string): unknown {
  switch (typeof fallback) {
    case 'number': {
      const value = text === '' ? NaN : Number(text);
      if (!Number.isFinite(value)) throw new UserError(`${field}: ${JSON.stringify(text)} is not a number`);
      return value;
    }
    case 'boolean':
      if (text !== 'true' && text !== 'false') {
        throw new UserError(`${field}: ${JSON.stringify(text)} is neither true nor false`);
      }
      return text === 'true';
    default:
      return text;
  }
}

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let group = target;
  for (const key of path.slice(0, -1)) {
    const inner = group[key];
    const next: Record<string, unknown> = isRecord(inner) ? inner : {};
    group[key] = next;
    group = next;
  }
  group[path.at(-1)!] = value;
}

/** JSON has no word for a number that is too large for it. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** One line per thing that is wrong: field, value, rule. */
function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const group = path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), parseRunConfig({}));
    return issue.keys.map((key) => unknownField(path, key, isRecord(group) ? Object.keys(group) : []));
  }
  const valueIn = (config: unknown) =>
    path.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), config);
  let value = valueIn(input);
  // A field left to its default can be one half of an impossible combination.
  if (value === undefined && path.length > 0) value = valueIn(parseRunConfig({}));
  const given = value === undefined ? '' : `${clipped(shown(value))} `;
  return [`${path.join('.') || 'configuration'}: ${given}${ruleOf(issue)}`];
}

function ruleOf(issue: z.core.$ZodIssue): string {
  const unit = 'origin' in issue && issue.origin === 'string' ? ' characters' : '';
  switch (issue.code) {
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${String(issue.minimum)}${unit}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${String(issue.maximum)}${unit}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`;
    default:
      return issue.message;
  }
}

function unknownField(group: readonly string[], key: string, known: readonly string[]): string {
  const place = group.length > 0 ? `in ${group.join('.')}` : 'of a run';
  const fields = known.length > 0 ? `; the fields are ${known.join(', ')}` : '';
  return `${[...group, oneWord(key)].join('.')}: no such field ${place}${fields}`;
}

/** A name as it is, or quoted where it would tear the line. */
function oneWord(name: string): string {
  return /^[!-~]+$/.test(name) ? name : JSON.stringify(name);
}

function clipped(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
