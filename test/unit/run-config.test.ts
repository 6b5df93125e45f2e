import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { UserError } from '../../src/shared/errors.js';
import { methodKinds, methods } from '../../src/shared/methods.js';
import { presetNamed, presets } from '../../src/shared/presets.js';
import { applySettings, parseRunConfig, runConfigSchema } from '../../src/shared/run-config.js';
import { modelFields, modelKindNames } from '../../src/shared/model-config.js';

/** What JSON Schema says of a field, as far as it is used here. */
interface FieldSchema {
  readonly type: 'object' | 'string' | 'number' | 'integer' | 'boolean';
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly default?: unknown;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

interface Field extends FieldSchema {
  readonly path: string;
}

function fieldsOf(schema: FieldSchema, path: readonly string[]): Field[] {
  const here = path.length > 0 ? [{ ...schema, path: path.join('.') }] : [];
  return [
    ...here,
    ...Object.entries(schema.properties ?? {}).flatMap(([key, field]) => fieldsOf(field, [...path, key])),
  ];
}

const schema = z.toJSONSchema(runConfigSchema, { io: 'input' }) as unknown as FieldSchema;
const all = fieldsOf(schema, []);
const groups = all.filter(({ type }) => type === 'object');
const leaves = all.filter(({ type }) => type !== 'object');
const numbers = leaves.filter(({ type }) => type === 'number' || type === 'integer');

/** A configuration with one field, such as { model: { hidden: 3 } }. */
function only(path: string, value: unknown): unknown {
  return path.split('.').reduceRight((inner: unknown, key) => ({ [key]: inner }), value);
}

const valueAt = (config: unknown, path: string) =>
  path.split('.').reduce((inner, key) => (inner as Record<string, unknown>)[key], config);

/** Why a configuration is refused: an error for the user, in one line. */
function refusal(input: unknown): string {
  return messageOf(() => parseRunConfig(input));
}

function messageOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).not.toContain('\n');
    return (error as UserError).message;
  }
  throw new Error('nothing was refused');
}

/** Ends of a range: values that are just inside and just outside, and how a refusal begins the rule. */
function ends(field: Field): { inside: number; outside: number; rule: string }[] {
  const step = field.type === 'integer' ? 1 : 1e-6;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = field;
  return [
    ...(minimum === undefined ? [] : [{ inside: minimum, outside: minimum - step, rule: `at least ${minimum}` }]),
    ...(maximum === undefined ? [] : [{ inside: maximum, outside: maximum + step, rule: `at most ${maximum}` }]),
    ...(exclusiveMinimum === undefined
      ? []
      : [{ inside: exclusiveMinimum + step, outside: exclusiveMinimum, rule: `more than ${exclusiveMinimum}` }]),
    ...(exclusiveMaximum === undefined
      ? []
      : [{ inside: exclusiveMaximum - step, outside: exclusiveMaximum, rule: `less than ${exclusiveMaximum}` }]),
  ];
}

/** As a refusal lists them. */
const kinds = modelKindNames.map((kind) => `"${kind}"`).join(', ');

describe('the defaults', () => {
  test('are a valid configuration, with every field of the schema', () => {
    const config = parseRunConfig({});
    for (const { path, default: fallback } of leaves) expect([path, valueAt(config, path)]).toEqual([path, fallback]);
    expect(leaves.length).toBeGreaterThan(40);
  });

  test('are what the documents of the method say', () => {
    expect(parseRunConfig({})).toMatchObject({
      ...{ name: '', seed: 1 },
      model: { kind: 'stacked-lstm', layers: 2, tied: false, dropout: { input: 0, hidden: 0, output: 0 } },
      method: { kind: 'selfish', density: 0.33, removingRate: 0.8, finalRemovingRate: 0.005, sampling: 'exact' },
      optimizer: { kind: 'snt-asgd', weightDecay: 1.2e-6, clip: 0.25, nonmonotone: 5 },
      corpus: { name: 'built-in' },
      training: { epochs: 100, batch: 20, bptt: 35, evaluationBatch: 20 },
    });
  });

  test('stay what they are when the whole is written down and read again', () => {
    const config = parseRunConfig({ model: { hidden: 64 } });
    expect(parseRunConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test('of a group hold where another field of it is given', () => {
    const { adam } = parseRunConfig({ optimizer: { adam: { beta1: 0.9 } } }).optimizer;
    expect(adam).toEqual({ ...parseRunConfig({}).optimizer.adam, beta1: 0.9 });
  });
});

describe('every field', () => {
  test.each(leaves)('$path has a sentence', ({ description }) => {
    expect(description).toMatch(/^[A-Z][^\n]{10,}\.$/);
  });

  test.each(leaves)('$path has limits', (field) => {
    if (field.type === 'boolean' || field.enum !== undefined) return;
    if (field.type === 'string') expect(field.maxLength ?? field.pattern).toBeDefined();
    else {
      expect(ends(field)).toHaveLength(2);
      for (const { outside } of ends(field)) expect(Math.abs(outside)).toBeLessThan(1e10);
    }
  });

  const whole = { type: 'integer', minimum: 1 };
  const share = { type: 'number', minimum: 0, maximum: 1 };
  test.each([
    ['seed', { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 }],
    ['model.embedding', { ...whole, maximum: 100_000 }],
    ['model.hidden', { ...whole, maximum: 100_000 }],
    ['model.layers', { ...whole, maximum: 100 }],
    ['model.hiddenLast', { ...whole, minimum: 0, maximum: 100_000 }],
    ['model.depth', { ...whole, maximum: 100 }],
    ['model.chunk', { ...whole, maximum: 100_000 }],
    ['model.experts', { ...whole, maximum: 1000 }],
    ['model.dropout.embedding', { ...share, maximum: 0.99 }],
    ['model.dropout.recurrent', { ...share, maximum: 0.99 }],
    ['model.dropout.weight', { ...share, maximum: 0.99 }],
    ['model.dropout.latent', { ...share, maximum: 0.99 }],
    ['model.activationReg', { ...share, maximum: 1000 }],
    ['model.temporalActivationReg', { ...share, maximum: 1000 }],
    ['model.dropout.input', { ...share, maximum: 0.99 }],
    ['model.dropout.hidden', { ...share, maximum: 0.99 }],
    ['model.dropout.output', { ...share, maximum: 0.99 }],
    ['method.density', { type: 'number', exclusiveMinimum: 0, maximum: 1 }],
    ['method.removingRate', share],
    ['method.finalRemovingRate', share],
    ['optimizer.learningRate', { type: 'number', exclusiveMinimum: 0, maximum: 1000 }],
    ['optimizer.weightDecay', share],
    ['optimizer.clip', { type: 'number', exclusiveMinimum: 0, maximum: 1e9 }],
    ['optimizer.nonmonotone', { type: 'integer', minimum: 0, maximum: 100_000 }],
    ['optimizer.averagingFrom', { type: 'integer', minimum: 0, maximum: 1_000_000 }],
    ['optimizer.adam.learningRate', { type: 'number', exclusiveMinimum: 0, maximum: 1000 }],
    ['optimizer.adam.beta1', { type: 'number', minimum: 0, exclusiveMaximum: 1 }],
    ['optimizer.adam.beta2', { type: 'number', minimum: 0, exclusiveMaximum: 1 }],
    ['corpus.vocabulary', { type: 'integer', minimum: 100, maximum: 50_000 }],
    ['corpus.tokens', { type: 'integer', minimum: 1000, maximum: 100_000_000 }],
    ['corpus.seed', { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 }],
    ['training.epochs', { ...whole, maximum: 1_000_000 }],
    ['training.batch', { ...whole, maximum: 10_000 }],
    ['training.bptt', { ...whole, maximum: 10_000 }],
    ['training.evaluationBatch', { ...whole, maximum: 10_000 }],
    ['training.reportEvery', { ...whole, maximum: 1_000_000 }],
    ['device.threads', { type: 'integer', minimum: 0, maximum: 1024 }],
  ] as const)('%s has the range it is documented with', (path, range) => {
    const { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = leaves.find((field) => field.path === path)!;
    const given = { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum };
    expect(given).toEqual(range); // undefined ends count for nothing
  });

  const foreign = [true, 'text', 1, null, [], { a: 1 }];
  test.each(leaves)('$path refuses values of other types', ({ path, type, enum: choices }) => {
    const name = type === 'integer' ? 'number' : type;
    for (const value of foreign.filter((other) => typeof other !== name || choices !== undefined)) {
      const rule =
        choices === undefined
          ? `of type ${name}`
          : `one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}`;
      expect(refusal(only(path, value))).toBe(`${path}: ${JSON.stringify(value)} must be ${rule}`);
    }
  });
});

describe('a number', () => {
  // Impossible combinations aside, which would be refused for another reason.
  const base = ['method.kind=static', 'method.removingRate=1', 'method.finalRemovingRate=0'];
  const needed: Readonly<Record<string, readonly string[]>> = {
    'model.chunk': ['model.hidden=100000'],
    'model.controlDensity': ['method.kind=dense', 'method.density=1'],
    'training.windowDelta': ['training.windows=random'],
    'training.microBatch': ['training.batch=10000'],
  };
  /** A kind of model that has the field, and what else it needs. */
  const modelWith = ({ path }: Field) => {
    const kind = modelKindNames.find((name) => modelFields(name).some((field) => `model.${field}` === path));
    const more = needed[path] as readonly string[] | undefined;
    return [...(kind === undefined ? [] : [`model.kind=${kind}`]), ...(more ?? [])];
  };

  test.each(numbers)('as $path may lie at either end of its range, and not beyond', (field) => {
    for (const { inside, outside, rule } of ends(field)) {
      const config = parseRunConfig(applySettings({}, [...base, ...modelWith(field), `${field.path}=${inside}`]));
      expect(valueAt(config, field.path)).toBe(inside);
      const [first] = refusal(only(field.path, outside)).split('; '); // a combination can be refused beside it
      expect(first).toBe(`${field.path}: ${outside} must be ${rule}`);
    }
  });

  test.each(numbers.filter(({ type }) => type === 'integer'))(
    'as $path must be whole',
    ({ path, default: fallback }) => {
      const value = Number(fallback) + 0.5;
      expect(refusal(only(path, value))).toBe(`${path}: ${value} must be a whole number`);
    },
  );

  test('must be finite', () => {
    for (const value of [Infinity, -Infinity, NaN])
      expect(refusal(only('optimizer.clip', value))).toMatch(/^optimizer\.clip: /);
  });
});

describe('an unknown field', () => {
  test.each(groups)('in $path is named with those there are', ({ path, properties }) => {
    expect(refusal(only(`${path}.colour`, 3))).toBe(
      `${path}.colour: no such field in ${path}; the fields are ${Object.keys(properties!).join(', ')}`,
    );
  });

  const top = 'the fields are name, seed, model, method, optimizer, corpus, training, evaluation, device';
  test('at the top is named with those there are', () => {
    expect(refusal({ colour: 3 })).toBe(`colour: no such field of a run; ${top}`);
  });

  test('with the name of an object member is refused', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const input: unknown = JSON.parse(`{"${key}": {"seed": 2}}`);
      expect(refusal(input)).toBe(`${key}: no such field of a run; ${top}`);
    }
  });

  test('whose name would tear the line is quoted', () => {
    expect(refusal({ 'a\nb': 1 })).toBe(`"a\\nb": no such field of a run; ${top}`);
    expect(refusal({ '': 1 })).toBe(`"": no such field of a run; ${top}`);
  });
});

describe('a configuration', () => {
  test.each([null, [], 'text', 3])('that is %j is refused', (input) => {
    expect(refusal(input)).toBe(`configuration: ${JSON.stringify(input)} must be of type object`);
  });

  test('that is missing is refused', () => {
    expect(refusal(undefined)).toBe('configuration: must be of type object');
  });

  test.each(groups)('in which $path is no group is refused', ({ path }) => {
    for (const value of [null, [], 'text', 3]) {
      expect(refusal(only(path, value))).toBe(`${path}: ${JSON.stringify(value)} must be of type object`);
    }
  });

  test('with several faults is refused with all of them', () => {
    const faults = {
      seed: -1,
      model: { kind: 'mlp', tied: 'yes', dropout: { inptu: 0 } },
      training: { bptt: 0 },
      x: 1,
    };
    expect(refusal(faults).split('; ')).toEqual(
      expect.arrayContaining([
        'seed: -1 must be at least 0',
        `model.kind: "mlp" must be one of ${kinds}`,
        'model.tied: "yes" must be of type boolean',
        'model.dropout.inptu: no such field in model.dropout',
        'training.bptt: 0 must be at least 1',
        'x: no such field of a run',
      ]),
    );
  });

  test('with a name of 200 characters is accepted, one longer refused with the limit and only the beginning', () => {
    expect(parseRunConfig({ name: 'a'.repeat(200) }).name).toHaveLength(200);
    expect(refusal({ name: 'a'.repeat(201) })).toBe(`name: "${'a'.repeat(78)}… must be at most 200 characters`);
  });

  test.each(['ptb', 'wikitext-2', '0', 'a._-', 'a'.repeat(64)])('may name the corpus %s', (name) => {
    expect(parseRunConfig({ corpus: { name } }).corpus.name).toBe(name);
  });

  test.each(['0', '5,', ',5', '5, 6', '500;1000', '1e3', '-1'])(
    'may not begin averages anew at %j',
    (restartAverages) => {
      expect(refusal({ optimizer: { restartAverages } })).toBe(
        `optimizer.restartAverages: ${JSON.stringify(restartAverages)} must be epochs with commas between them, such as 500,1000`,
      );
    },
  );

  test.each(['', 'PTB', '-a', '../ptb', 'a b', 'a\nb', 'a'.repeat(65)])('may not name the corpus %j', (name) => {
    expect(refusal({ corpus: { name } })).toBe(
      `corpus.name: ${JSON.stringify(name)} must be 1 to 64 of a-z, 0-9, ".", "_" and "-", and begin with a letter or digit`,
    );
  });
});

describe('an impossible combination is refused with field, value and rule:', () => {
  test.each([
    {
      what: 'tied weights of two sizes',
      input: { model: { tied: true, embedding: 100, hidden: 200 } },
      reason:
        'model.embedding: 100 must equal model.hidden (200) where model.tied is true: the decoder is the embedding',
    },
    {
      what: 'tied weights of two sizes in an AWD-LSTM, whose last layer the decoder reads',
      input: { model: { kind: 'awd-lstm', tied: true, embedding: 100, hidden: 200, hiddenLast: 50 } },
      reason:
        'model.hiddenLast: 50 must be 0 or equal model.embedding (100) where model.tied is true: the decoder is the embedding',
    },
    {
      what: 'a chunk that does not divide the layers of an ON-LSTM',
      input: { model: { kind: 'on-lstm', hidden: 120, chunk: 7 } },
      reason: 'model.chunk: 7 must divide the size of every layer, and one has 120 units',
    },
    {
      what: 'a chunk that does not divide the last layer of an ON-LSTM',
      input: { model: { kind: 'on-lstm', hidden: 120, chunk: 10, tied: true, embedding: 64 } },
      reason: 'model.chunk: 10 must divide the size of every layer, and one has 64 units',
    },
    {
      what: 'a dropout that the model has not',
      input: { model: { kind: 'gru', dropout: { weight: 0.5 } } },
      reason: 'model.dropout.weight: 0.5 must be 0 where model.kind is "gru"',
    },
    {
      what: 'a penalty that the model has not',
      input: { model: { kind: 'rhn', activationReg: 2 } },
      reason: 'model.activationReg: 2 must be 0 where model.kind is "rhn"',
    },
    {
      what: 'a sparse run of the size of a dense control',
      input: { model: { controlDensity: 0.33 } },
      reason: 'model.controlDensity: 0.33 must be 1 unless method.kind is "dense": it is the size of a dense control',
    },
    {
      what: 'averages that begin anew where there are none',
      input: { optimizer: { kind: 'sgd', restartAverages: '500,1000' } },
      reason:
        'optimizer.restartAverages: "500,1000" must be empty unless optimizer.kind is "snt-asgd", "nt-asgd" or "asgd", which average',
    },
    {
      what: 'a rate that is frozen where windows are fixed',
      input: { optimizer: { frozenRate: true } },
      reason:
        'optimizer.frozenRate: true must be false unless optimizer.kind is "snt-asgd" and training.windows is "random"',
    },
    {
      what: 'a limit of random windows where they are fixed',
      input: { training: { windowDelta: 20 } },
      reason: 'training.windowDelta: 20 must be 0 unless training.windows is "random"',
    },
    {
      what: 'a micro-batch that is larger than the batch',
      input: { training: { batch: 8, microBatch: 9 } },
      reason: 'training.microBatch: 9 must be at most training.batch (8)',
    },
    {
      what: 'a depth of 0',
      input: { model: { kind: 'rhn', depth: 0 } },
      reason: 'model.depth: 0 must be at least 1',
    },
    {
      what: 'a mixture of no softmaxes',
      input: { model: { kind: 'awd-lstm-mos', experts: 0 } },
      reason: 'model.experts: 0 must be at least 1',
    },
    {
      what: 'a dense run with a density',
      input: { method: { kind: 'dense', density: 0.5 } },
      reason: 'method.density: 0.5 must be 1 where method.kind is "dense"',
    },
    {
      what: 'a dense run with the default density',
      input: { method: { kind: 'dense' } },
      reason: 'method.density: 0.33 must be 1 where method.kind is "dense"',
    },
    {
      what: 'masks that compete for no free place',
      input: { method: { kind: 'selfish', density: 1 } },
      reason: 'method.density: 1 must be below 1 where method.kind is "selfish": weights need free positions to grow',
    },
    {
      what: 'a removing rate that rises',
      input: { method: { removingRate: 0.1, finalRemovingRate: 0.2 } },
      reason: 'method.finalRemovingRate: 0.2 must be at most method.removingRate (0.1): the rate only falls',
    },
    {
      what: 'a removing rate below the default end',
      input: { method: { removingRate: 0 } },
      reason: 'method.finalRemovingRate: 0.005 must be at most method.removingRate (0): the rate only falls',
    },
    ...methodKinds
      .filter((kind) => methods[kind].masks === 'rewired')
      .map((kind) => ({
        what: `no free place for ${kind}`,
        input: { method: { kind, density: 1 } },
        reason: `method.density: 1 must be below 1 where method.kind is "${kind}": weights need free positions to grow`,
      })),
    {
      what: 'pruning to every weight',
      input: { method: { kind: 'gmp', density: 1 } },
      reason: 'method.density: 1 must be below 1 where method.kind is "gmp": nothing would be pruned',
    },
    {
      what: 'a density where a threshold decides',
      input: { method: { kind: 'l1' } },
      reason: 'method.density: 0.33 must be 1 where method.kind is "l1": its threshold decides what is left',
    },
    {
      what: 'a rule of growth for pruning',
      input: { method: { kind: 'lottery', growth: 'gradient' } },
      reason: 'method.growth: "gradient" must be "auto" where method.kind is "lottery": it has a rule of its own',
    },
    {
      what: 'pruning after the last epoch',
      input: { method: { kind: 'one-shot', pruneAfter: 5 }, training: { epochs: 5 } },
      reason: 'method.pruneAfter: 5 must be below training.epochs (5): what is left has to train on',
    },
    {
      what: 'gradual pruning that ends with training',
      input: { method: { kind: 'gmp', pruneUntil: 0.9 }, training: { epochs: 8 } },
      reason: 'method.pruneUntil: 0.9 must end before training.epochs (8) does, counted in intervals of 1 epochs',
    },
    {
      what: 'gradual pruning that ends before it begins',
      input: { method: { kind: 'gmp', pruneFrom: 0.5, pruneUntil: 0.4 } },
      reason: 'method.pruneFrom: 0.5 must be at most method.pruneUntil (0.4)',
    },
    {
      what: 'a stop before anything is pruned',
      input: { method: { kind: 'gmp' }, training: { stop: 'nonmonotone' } },
      reason:
        'training.stop: "nonmonotone" must be "never" where method.kind is "gmp": training could end before pruning does',
    },
    {
      what: 'pruning that starts from another run',
      input: { method: { kind: 'lottery' }, training: { startFrom: 'a-1' } },
      reason: 'training.startFrom: "a-1" must be empty where method.kind is "lottery": it begins with every weight',
    },
    ...(['removal', 'growth', 'redistribution'] as const).map((field) => ({
      what: `a rule of ${field} for masks that never change`,
      input: {
        method: { kind: 'static', [field]: { removal: 'signed', growth: 'gradient', redistribution: 'none' }[field] },
      },
      reason: `method.${field}: "${{ removal: 'signed', growth: 'gradient', redistribution: 'none' }[field]}" must be "auto" where method.kind is "static": its masks never change`,
    })),
    ...[
      { field: 'removal', value: 'magnitude', rule: '"auto"' },
      { field: 'interval', value: 2, rule: '1' },
      { field: 'intervalUnit', value: 'steps', rule: '"epochs"' },
      { field: 'skipStep', value: true, rule: 'false' },
    ].map(({ field, value, rule }) => ({
      what: `${field} for DeepR`,
      input: { method: { kind: 'deepr', [field]: value } },
      reason: `method.${field}: ${JSON.stringify(value)} must be ${rule} where method.kind is "deepr": it removes what changes its sign, after every step`,
    })),
    {
      what: 'steps that are all skipped',
      input: { method: { intervalUnit: 'steps', skipStep: true } },
      reason: 'method.skipStep: true must be false where masks are updated after every step: nothing would be trained',
    },
    {
      what: 'gates that keep their own while layers do not',
      input: { method: { kind: 'snfs', gateMode: 'per-gate' } },
      reason:
        'method.gateMode: "per-gate" must be "fused" or "fused-equal" where redistribution is "momentum": a gate cannot keep its own',
    },
    {
      what: 'gates kept apart by a rule that sees the whole network',
      input: { method: { kind: 'set', removal: 'global-magnitude' } },
      reason:
        'method.gateMode: "auto" must be "fused" or "fused-equal" where removal is "global-magnitude": it sees the whole network',
    },
    ...(['sgd', 'momentum', 'asgd', 'adam'] as const).map((kind) => ({
      what: `averaging from an epoch with ${kind}`,
      input: { optimizer: { kind, averagingFrom: 3 } },
      reason:
        'optimizer.averagingFrom: 3 must be 0 unless optimizer.kind is "snt-asgd" or "nt-asgd", which begin to average',
    })),
    {
      what: 'two schedules of one rate',
      input: { optimizer: { kind: 'adam', schedule: { kind: 'decay' } } },
      reason:
        'optimizer.schedule.kind: "decay" must be "constant" where optimizer.kind is "adam", which has optimizer.adam.plateauFactor',
    },
    ...(['nt-asgd', 'asgd'] as const).map((kind) => ({
      what: `packed weights with ${kind}`,
      input: { optimizer: { kind }, device: { layout: 'packed' } },
      reason: `device.layout: "packed" must be "auto" or "masked" where optimizer.kind is "${kind}": it averages inactive weights, too`,
    })),
    {
      what: 'the name of no run',
      input: { training: { startFrom: '../other' } },
      reason: 'training.startFrom: "../other" must be the name of a run, such as quick-dense-1',
    },
  ])('$what', ({ input, reason }) => {
    expect(refusal(input)).toBe(reason);
  });

  test('all of them at once', () => {
    const input = {
      model: { tied: true, embedding: 2, hidden: 3 },
      method: { kind: 'selfish', density: 1, removingRate: 0.1, finalRemovingRate: 0.2 },
      optimizer: { kind: 'adam', averagingFrom: 3 },
    };
    const fields = ['model.embedding', 'method.density', 'method.finalRemovingRate', 'optimizer.averagingFrom'];
    for (const field of fields) expect(refusal(input)).toContain(`${field}: `);
  });

  test.each([
    { what: 'tied weights of one size', input: { model: { tied: true, embedding: 128, hidden: 128 } } },
    { what: 'a dense run', input: { method: { kind: 'dense', density: 1 } } },
    { what: 'fixed masks that leave nothing out', input: { method: { kind: 'static', density: 1 } } },
    { what: 'a constant removing rate', input: { method: { removingRate: 0.5, finalRemovingRate: 0.5 } } },
    { what: 'averaging from an epoch', input: { optimizer: { kind: 'snt-asgd', averagingFrom: 3 } } },
  ])('but not $what', ({ input }) => {
    expect(() => parseRunConfig(input)).not.toThrow();
  });
});

describe('--set', () => {
  const set = (...settings: string[]) => applySettings({}, settings);

  test.each([
    { setting: 'training.epochs=3', config: { training: { epochs: 3 } } },
    { setting: 'method.density=0.2', config: { method: { density: 0.2 } } },
    { setting: 'optimizer.weightDecay=1e-5', config: { optimizer: { weightDecay: 1e-5 } } },
    { setting: 'training.epochs=1e2', config: { training: { epochs: 100 } } },
    { setting: 'model.dropout.input=.5', config: { model: { dropout: { input: 0.5 } } } },
    { setting: 'seed=-1', config: { seed: -1 } },
    { setting: 'seed= 7 ', config: { seed: 7 } },
    { setting: 'model.tied=true', config: { model: { tied: true } } },
    { setting: 'method.excludeJustRemoved=false', config: { method: { excludeJustRemoved: false } } },
    { setting: 'optimizer.kind=adam', config: { optimizer: { kind: 'adam' } } },
    { setting: 'name=17', config: { name: '17' } },
    { setting: 'name=true', config: { name: 'true' } },
    { setting: 'name=', config: { name: '' } },
    { setting: 'name=lr=20 b=c', config: { name: 'lr=20 b=c' } },
    { setting: 'optimizer.adam.beta1=0.9', config: { optimizer: { adam: { beta1: 0.9 } } } },
  ])('$setting takes the type of the default', ({ setting, config }) => {
    expect(set(setting)).toEqual(config);
  });

  test.each(leaves)('$path reaches that field and no other', ({ path, default: fallback }) => {
    expect(set(`${path}=${String(fallback)}`)).toEqual(only(path, fallback));
  });

  test('keeps what is set already, and the later of two settings holds', () => {
    const before = { model: { hidden: 3, dropout: { output: 0.1 } }, seed: 9 };
    const after = applySettings(before, ['model.dropout.input=0.2', 'model.hidden=4', 'model.hidden=5']);
    expect(after).toEqual({ model: { hidden: 5, dropout: { output: 0.1, input: 0.2 } }, seed: 9 });
    expect(before).toEqual({ model: { hidden: 3, dropout: { output: 0.1 } }, seed: 9 });
  });

  test.each([
    { setting: 'training.epochs=many', reason: 'training.epochs: "many" is not a number' },
    { setting: 'training.epochs=', reason: 'training.epochs: "" is not a number' },
    { setting: 'training.epochs=3x', reason: 'training.epochs: "3x" is not a number' },
    { setting: 'training.epochs=1 000', reason: 'training.epochs: "1 000" is not a number' },
    { setting: 'training.epochs=true', reason: 'training.epochs: "true" is not a number' },
    { setting: 'optimizer.clip=Infinity', reason: 'optimizer.clip: "Infinity" is not a number' },
    { setting: 'optimizer.clip=NaN', reason: 'optimizer.clip: "NaN" is not a number' },
    { setting: 'model.tied=1', reason: 'model.tied: "1" is neither true nor false' },
    { setting: 'model.tied=True', reason: 'model.tied: "True" is neither true nor false' },
    { setting: 'model.tied=', reason: 'model.tied: "" is neither true nor false' },
    { setting: 'seed', reason: '--set seed: expected FIELD=VALUE, for example --set method.density=0.2' },
    { setting: '=3', reason: '--set =3: expected FIELD=VALUE, for example --set method.density=0.2' },
    { setting: '', reason: '--set "": expected FIELD=VALUE, for example --set method.density=0.2' },
    { setting: 'a\nb', reason: '--set "a\\nb": expected FIELD=VALUE, for example --set method.density=0.2' },
    {
      setting: 'model.tide=true',
      reason: 'model.tide: no such field in model; the fields are kind, embedding, hidden',
    },
    { setting: 'sede=3', reason: 'sede: no such field of a run; the fields are name, seed, model, method' },
    { setting: 'seed.x=3', reason: 'seed.x: no such field in seed' },
    { setting: '__proto__.seed=3', reason: '__proto__: no such field of a run; the fields are name' },
    { setting: 'model.constructor=3', reason: 'model.constructor: no such field in model; the fields are kind' },
    { setting: 'model..hidden=3', reason: 'model."": no such field in model; the fields are kind' },
    {
      setting: 'model=3',
      reason:
        'model is a group of fields: set one of kind, embedding, hidden, hiddenLast, layers, depth, coupled, transformBias, initialRange, chunk, experts, controlDensity, tied, dropout, activationReg',
    },
    {
      setting: 'model.dropout=0.5',
      reason:
        'model.dropout is a group of fields: set one of input, hidden, output, embedding, recurrent, weight, latent in it',
    },
  ])('$setting is refused', ({ setting, reason }) => {
    const message = messageOf(() => set(setting));
    expect(message.slice(0, reason.length)).toBe(reason);
  });

  test('leaves ranges, choices and combinations to the rules of the whole', () => {
    expect(refusal(set('seed=-1'))).toBe('seed: -1 must be at least 0');
    expect(refusal(set('model.kind=mlp'))).toBe(`model.kind: "mlp" must be one of ${kinds}`);
    expect(refusal(set('training.epochs=2.5'))).toBe('training.epochs: 2.5 must be a whole number');
    expect(parseRunConfig(set('method.kind=dense', 'method.density=1')).method.density).toBe(1);
  });

  test('any number that is printed is read back as that number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(set(`optimizer.clip=${value}`).optimizer?.clip).toBe(value === 0 ? 0 : value);
      }),
      { seed: 41 },
    );
  });
});

describe('presets', () => {
  const folder = join(import.meta.dirname, '../../resources/presets');
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));

  test('are exactly the files of resources/presets', () => {
    expect(presets.map(({ name }) => `${name}.json`).sort()).toEqual(files.sort());
    expect(files.length).toBeGreaterThan(0);
  });

  test.each(files)('%s is a valid configuration with a sentence, found by its name', (file) => {
    const content = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(content).sort()).toEqual(['config', 'sentence']);
    const name = file.replace(/\.json$/, '');
    expect(presetNamed(name)).toEqual({ name, sentence: content['sentence'], config: content['config'] });
    expect(presetNamed(name).sentence).toMatch(/^[A-Z][^\n]{20,}$/);
    expect(parseRunConfig(presetNamed(name).config)).toMatchObject(content['config'] as object);
  });

  test.each(['Quick-Selfish', 'constructor', ''])('are named when %j is none', (name) => {
    expect(messageOf(() => presetNamed(name))).toBe(
      `${name}: no such preset; there are ${presets.map((preset) => preset.name).join(', ')}`,
    );
  });
});
