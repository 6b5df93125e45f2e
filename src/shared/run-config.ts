import { z } from 'zod';
import { deviceIdPattern, engineNames } from './engines.js';
import { UserError } from './errors.js';
import { broken, methodSchema } from './method-config.js';
import { hasMasks, methods } from './methods.js';
import { modelSchema, refusedModelFields } from './model-config.js';
import { averages, needsMaskedLayout, optimizerSchema } from './optimizer-config.js';

/**
 * Everything that decides a run, in one value: parsed once, saved with the run, the same plain object in every process.
 * Each field has its default, its range and one sentence; forms, `--set` and the documentation are made from this schema.
 */

/** Seeds and other 32-bit counters. */
const uint32 = z.int().min(0).max(0xffff_ffff);

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
  windows: z
    .enum(['fixed', 'random'])
    .default('fixed')
    .describe('Whether training windows have bptt steps, or random lengths around that and learning rates to match.'),
  windowDelta: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('Most steps that a random window may be longer than bptt; 0 for no limit.'),
  microBatch: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('Streams that go through the model at a time, their gradients added up; 0 for the whole batch.'),
  evaluationBatch: z.int().min(1).max(10_000).default(20).describe('Streams in validation and test.'),
  startFrom: z
    .string()
    .max(300)
    .regex(/^[A-Za-z0-9._-]*$/, 'must be the name of a run, such as quick-dense-1')
    .default('')
    .describe(
      'Run whose best weights and masks are where this one starts: fine-tuning, which averages from its first step on.',
    ),
  initialSeed: uint32
    .default(0)
    .describe(
      'Seed of the first weights and masks, for runs that begin alike and go on differently; 0 for that of the run.',
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

const evaluationSchema = z.strictObject({
  cacheWindow: z
    .int()
    .min(0)
    .max(100_000)
    .default(0)
    .describe('Positions a neural cache remembers in a second test of the finished run; 0 for no such test.'),
  cacheTheta: z
    .number()
    .min(0)
    .max(1000)
    .default(0.6625523432485668)
    .describe('How sharply the cache looks for hidden states like the present one.'),
  cacheWeight: z.number().min(0).max(1).default(0.12785920428335693).describe('Share of the cache in probabilities.'),
  dynamicSteps: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe(
      'Time steps after which weights follow the text, in a test of the finished run by dynamic evaluation; 0 for no such test.',
    ),
  dynamicRate: z.number().min(0).max(1000).default(0.002).describe('Step size of dynamic evaluation.'),
  dynamicEpsilon: z
    .number()
    .gt(0)
    .max(1000)
    .default(0.001)
    .describe('Added to the root of the squared gradients of training, which dynamic evaluation divides by.'),
  dynamicDecay: z
    .number()
    .min(0)
    .max(1000)
    .default(0.02)
    .describe('How strongly dynamic evaluation draws weights back to where training left them.'),
  dynamicBatch: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Streams in which dynamic evaluation reads the training text for its squared gradients.'),
});

const deviceSchema = z.strictObject({
  engine: z
    .enum(['auto', ...engineNames])
    .default('auto')
    .describe('What computes; auto takes the fastest that works here.'),
  id: z
    .string()
    .regex(deviceIdPattern, 'must be auto, cpu, cuda:0 or gpu:0, with another number for another GPU')
    .default('auto')
    .describe('The device it computes on, as "sparrow devices" lists them; auto takes the best.'),
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
    evaluation: evaluationSchema.prefault({}),
    device: deviceSchema.prefault({}),
  })
  .superRefine(({ model, method, optimizer, training, device }, context) => {
    const refuse = (path: string[], input: unknown, message: string) => {
      context.addIssue({ code: 'custom', path, input, message });
    };
    for (const { field, value, rule } of refusedModelFields(model)) refuse(['model', ...field], value, rule);
    if (model.controlDensity < 1 && method.kind !== 'dense') {
      const rule = 'must be 1 unless method.kind is "dense": it is the size of a dense control';
      refuse(['model', 'controlDensity'], model.controlDensity, rule);
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
    if (methods[method.kind].masks === 'whole-units') {
      const kind = `where method.kind is "${method.kind}"`;
      if (averages(optimizer)) {
        const rule = `must be "sgd", "momentum" or "adam" ${kind}: no average of a unit is exactly 0`;
        refuse(['optimizer', 'kind'], optimizer.kind, rule);
      }
      if (model.kind === 'on-lstm') {
        refuse(['model', 'kind'], model.kind, `must be another ${kind}: its master gates tie units to each other`);
      }
    }
    if (optimizer.adam.denseMoments && (optimizer.kind !== 'adam' || !hasMasks(methods[method.kind]))) {
      const rule = 'must be false unless optimizer.kind is "adam" and the method has masks';
      refuse(['optimizer', 'adam', 'denseMoments'], true, rule);
    }
    if (optimizer.averagingFrom > 0 && optimizer.kind !== 'snt-asgd' && optimizer.kind !== 'nt-asgd') {
      const rule = 'must be 0 unless optimizer.kind is "snt-asgd" or "nt-asgd", which begin to average';
      refuse(['optimizer', 'averagingFrom'], optimizer.averagingFrom, rule);
    }
    if (optimizer.restartAverages !== '' && !optimizer.kind.endsWith('asgd')) {
      const rule = 'must be empty unless optimizer.kind is "snt-asgd", "nt-asgd" or "asgd", which average';
      refuse(['optimizer', 'restartAverages'], optimizer.restartAverages, rule);
    }
    if (optimizer.frozenRate && (optimizer.kind !== 'snt-asgd' || training.windows !== 'random')) {
      const rule = 'must be false unless optimizer.kind is "snt-asgd" and training.windows is "random"';
      refuse(['optimizer', 'frozenRate'], optimizer.frozenRate, rule);
    }
    if (training.windowDelta > 0 && training.windows !== 'random') {
      refuse(['training', 'windowDelta'], training.windowDelta, 'must be 0 unless training.windows is "random"');
    }
    if (training.microBatch > training.batch) {
      refuse(['training', 'microBatch'], training.microBatch, `must be at most training.batch (${training.batch})`);
    }
    if (optimizer.schedule.kind !== 'constant' && optimizer.kind === 'adam') {
      const rule = 'must be "constant" where optimizer.kind is "adam", which has optimizer.adam.plateauFactor';
      refuse(['optimizer', 'schedule', 'kind'], optimizer.schedule.kind, rule);
    }
    if (needsMaskedLayout(optimizer, method) && device.layout === 'packed') {
      const what =
        optimizer.kind === 'adam' ? 'optimizer.adam.denseMoments is true' : `optimizer.kind is "${optimizer.kind}"`;
      const rule = `must be "auto" or "masked" where ${what}: it averages inactive weights, too`;
      refuse(['device', 'layout'], device.layout, rule);
    }
  });

export type RunConfig = z.output<typeof runConfigSchema>;

/** The seed that a run's first weights and masks are drawn from. */
export function initialSeedOf({ seed, training: { initialSeed } }: RunConfig): number {
  return initialSeed === 0 ? seed : initialSeed;
}

/** A run configuration in which any field may be left to its default. */
export type PartialRunConfig = z.input<typeof runConfigSchema>;

/**
 * The configuration with every default filled in.
 * @throws UserError naming every refused field, its value and the rule
 */
export function parseRunConfig(input: unknown): RunConfig {
  const result = runConfigSchema.safeParse(input);
  if (result.success) return result.data;
  throw new UserError(
    problemsOf(result.error, input)
      .map(({ text }) => text)
      .join('; '),
  );
}

/** What is wrong with a configuration: a line for each refused field, which names it, its value and the rule. */
export function configProblems(input: unknown): { field: string; text: string }[] {
  const result = runConfigSchema.safeParse(input);
  return result.success ? [] : problemsOf(result.error, input);
}

function problemsOf(error: z.ZodError, input: unknown): { field: string; text: string }[] {
  return error.issues.flatMap((issue) =>
    explain(issue, input).map((text) => ({ field: issue.path.map(String).join('.'), text })),
  );
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
