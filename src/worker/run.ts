import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { UserError } from '../shared/errors.js';
import { hasMasks, methods, type MethodRow, type Schedule } from '../shared/methods.js';
import { differences, parseRunConfig, type RunConfig } from '../shared/run-config.js';
import type { RunEventOf } from '../shared/run-events.js';
import { streamsOf, type Streams } from './corpus/batches.js';
import { builtInCorpus } from './corpus/built-in-language.js';
import type { Corpus } from './corpus/corpus.js';
import { trainingWindows } from './corpus/windows.js';
import { loadCorpus } from './corpus/library.js';
import { referencePerplexities } from './corpus/reference.js';
import { startEngine, type Engine } from './engines/engine.js';
import { Later } from './later.js';
import { matrixShape, modelKinds, specsOf } from './models/build.js';
import { isSparsifiable, type LanguageModel, type ParameterSpec, type State } from './models/model.js';
import { shrunkSpecs, type KeptUnits, type UnitGroups } from './models/unit-groups.js';
import { layoutOf, startingParameters, startingWeights } from './start.js';
import { createOptimizer, type Optimizer } from './optimizers/optimizer.js';
import { connectionsOf, type Connections } from './sparsity/connections.js';
import { countPerGate } from './sparsity/gates.js';
import { rulesOf, type Rules } from './sparsity/methods.js';
import { Evidence } from './sparsity/evidence.js';
import { DenseParameter, gather, slots, SparseParameter, type Layout, type Parameter } from './sparsity/parameter.js';
import { Pattern } from './sparsity/pattern.js';
import { initialMethodState } from './sparsity/topology.js';
import {
  Checkpoints,
  type Checkpoint,
  type CheckpointFile,
  type Progress,
  type Tensors,
} from './storage/checkpoint.js';
import { MaskLog } from './storage/masks.js';
import type { StoredTensor } from './storage/safetensors.js';
import * as tf from './tf.js';
import { groupsOf, sizeOf, unitsIn, unitTensors } from './whole-units.js';

/** A run in memory: all that the training loop works on. */
export interface Run {
  readonly config: RunConfig;
  readonly engine: Engine;
  readonly layout: Layout;
  readonly corpus: Corpus;
  /** What simple models and, where the language is known, a perfect one reach on the texts. */
  readonly reference: RunEventOf<'started'>['corpus']['reference'];
  readonly streams: { readonly train: Streams; readonly valid: Streams; readonly test: Streams };
  /** Tensors of the model, in its order. */
  readonly specs: readonly ParameterSpec[];
  /** Units of each layer that its network has, where it is not the whole one: begun with such a one, or tested as such. */
  kept: KeptUnits;
  /** Of a method that lets whole units come to nothing. */
  readonly groups: UnitGroups | undefined;
  model: LanguageModel;
  readonly method: MethodRow;
  /** Undefined where masks never change. */
  readonly rules: Rules | undefined;
  readonly evidence: Evidence;
  optimizer: Optimizer;
  readonly checkpoints: Checkpoints;
  /** Of a run that has masks. */
  readonly masks: MaskLog | undefined;
  /** Active weights that each gate of each sparse layer had at first, by the layer's name. */
  readonly budgets: Readonly<Record<string, readonly number[]>>;
  readonly progress: Progress;
  /** Hidden state at the start of the next window. */
  state: State;
  /** What of the steps so far is not in `progress` yet; undefined where every step is at once. */
  readonly later: Later | undefined;
  /** Number of the next event. */
  sequence: number;
  readonly resumedFrom: (CheckpointFile & { readonly step: number }) | null;
}

export const nothingDone = (config: RunConfig): Progress => ({
  epoch: 0,
  window: 0,
  step: 0,
  updates: 0,
  epochLoss: { sum: 0, words: 0 },
  report: { loss: 0, gradientNorm: 0, steps: 0 },
  best: null,
  trainingMs: 0,
  flops: { training: 0, dense: 0 },
  validation: { losses: [], stalled: false },
  rewoundAfter: 0,
  method: initialMethodState(config.method),
});

/** What a run's method asks of its training steps, with nothing known yet. */
export function noEvidence(method: RunConfig['method'], rules: Rules | undefined): Evidence {
  return new Evidence(rules?.evidence ?? [], method.momentum);
}

/**
 * Makes a run ready to train: new, or from its last checkpoint.
 * @throws UserError where corpus, model and machine do not fit each other, or a checkpoint cannot be read
 */
export async function openRun(
  config: RunConfig,
  folders: { readonly run: string; readonly corpora: string },
  resume: boolean,
): Promise<Run> {
  const corpus =
    config.corpus.name === 'built-in' ? builtInCorpus(config.corpus) : loadCorpus(folders.corpora, config.corpus.name);
  const streams = streamsOfCorpus(corpus, config);
  const engine = await startEngine(config.device);
  const layout = layoutOf(config, engine);
  const method = methods[config.method.kind];

  const checkpoints = new Checkpoints(folders.run);
  const checkpoint = resume ? checkpoints.last() : undefined;
  if (checkpoint !== undefined) refuseChanges(parseRunConfig(checkpoint.config), config);
  const from = checkpoint === undefined ? startingWeights(config, dirname(folders.run)) : undefined;
  const kept = unitsIn(checkpoint?.tensors ?? from);
  const specs = shrunkSpecs(specsOf(config.model, corpus.words.length), kept);
  refuseTooLarge(specs, method, config, layout);
  const parameters =
    checkpoint === undefined
      ? startingParameters(specs, method, config, layout, from)
      : restoredParameters(specs, method, checkpoint.tensors, layout);
  const optimizer = createOptimizer(config.optimizer, parameters);
  if (config.training.startFrom !== '') optimizer.beginAveraging?.(parameters);
  const rules = rulesOf(config.method);
  const evidence = noEvidence(config.method, rules);
  if (checkpoint !== undefined) {
    optimizer.restore(checkpoint.optimizer);
    restoreSlots(parameters, checkpoint.tensors);
    restoreEvidence(evidence, parameters, checkpoint.tensors);
  }
  const model = modelKinds[config.model.kind].create(config.model, parameters);
  const sparse = parameters.filter((parameter) => parameter instanceof SparseParameter);
  return {
    ...{ config, engine, layout, corpus, streams, specs, kept, model, method, rules, evidence, optimizer, checkpoints },
    groups: groupsOf(method, specs),
    reference: { valid: referencePerplexities(corpus, 'valid'), test: referencePerplexities(corpus, 'test') },
    masks: openMasks(join(folders.run, 'masks.bin'), connectionsOf(parameters, method), checkpoint, rules?.schedule),
    budgets:
      checkpoint?.budgets ?? Object.fromEntries(sparse.map((parameter) => [parameter.name, budgetsOf(parameter)])),
    progress: checkpoint?.progress ?? nothingDone(config),
    state: checkpoint === undefined ? model.initialState(config.training.batch) : restoredState(checkpoint.tensors),
    later: engine.apart === undefined ? undefined : new Later(),
    sequence: checkpoint?.sequence ?? 0,
    resumedFrom: checkpoint === undefined ? null : { ...checkpoint.onDisk, step: checkpoint.progress.step },
  };
}

/** Everything a resumed run needs, as it is now. */
export function checkpointOf(run: Run): Checkpoint {
  const tensors = new Map<string, StoredTensor>(unitTensors(run.kept));
  for (const parameter of run.model.parameters) {
    if (parameter instanceof SparseParameter) {
      const bits = parameter.pattern.toBits();
      tensors.set(`pattern.${parameter.name}`, { shape: [bits.length], data: bits });
    }
    for (const slot of slots) {
      if (!parameter.has(slot)) continue;
      const data = parameter.read(slot);
      tensors.set(`${slot}.${parameter.name}`, { shape: [data.length], data });
    }
  }
  for (const [kind, name, data] of run.evidence.entries()) {
    tensors.set(`${kind}.${name}`, { shape: [data.length], data });
  }
  run.state.forEach((tensor, i) => {
    tensors.set(`state.${i}`, { shape: tensor.shape, data: tensor.dataSync<'float32'>() });
  });
  return {
    sequence: run.sequence,
    progress: run.progress,
    optimizer: run.optimizer.state(),
    budgets: Object.fromEntries(Object.entries(run.budgets).map(([name, counts]) => [name, [...counts]])),
    config: run.config,
    maskBytes: run.masks?.length ?? 0,
    tensors,
  };
}

/**
 * The weights that are evaluated now: what is kept of the best epoch.
 * @param beyondMasks whether weights outside the masks count, too, as averages without masks have them
 */
export function weightsOf(parameters: readonly Parameter[], beyondMasks = false): Tensors {
  const tensors = new Map<string, StoredTensor>();
  for (const parameter of parameters) {
    const pattern = parameter instanceof SparseParameter ? patternOfWeights(parameter, beyondMasks) : undefined;
    const whole = beyondMasks && pattern !== undefined;
    const data = whole ? gather(parameter.readStored('values'), pattern.positions()) : parameter.read('values');
    tensors.set(`values.${parameter.name}`, { shape: [data.length], data });
    if (pattern === undefined) continue;
    const bits = pattern.toBits();
    tensors.set(`pattern.${parameter.name}`, { shape: [bits.length], data: bits });
  }
  return tensors;
}

function patternOfWeights(parameter: SparseParameter, beyondMasks: boolean): Pattern {
  if (!beyondMasks) return parameter.pattern;
  const stored = parameter.readStored('values');
  const nonzero = Int32Array.from(stored.keys()).filter((position) => stored[position] !== 0);
  return Pattern.fromPositions(...parameter.shape, nonzero);
}

/** Puts weights kept by `weightsOf` in place of the present ones, for good. */
export function adoptWeights(parameters: readonly Parameter[], weights: Tensors): void {
  for (const parameter of parameters) {
    if (parameter instanceof SparseParameter)
      parameter.changePattern(patternFrom(weights, parameter.name, parameter.shape), {});
    parameter.load('values', floats(weights, `values.${parameter.name}`));
  }
}

/** What a run is, as its `started` event says it. */
export function describeRun(run: Run): RunEventOf<'started'> {
  const { config, engine, layout, corpus, reference, streams, model, resumedFrom } = run;
  const { parameters } = model;
  const { name, version, device, threads, features } = engine;
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    type: 'started',
    engine: { name, version, device, threads, features: [...features] },
    layout,
    corpus: {
      name: corpus.name,
      vocabulary: corpus.words.length,
      tokens: { train: corpus.ids.train.length, valid: corpus.ids.valid.length, test: corpus.ids.test.length },
      reference,
    },
    parameters: {
      total: sizeOf(parameters),
      active: sum(parameters.map(({ activeCount }) => activeCount)),
    },
    layers: parameters
      .filter(({ shape }) => shape.length === 2)
      .map(({ name: layer, shape, activeCount, gates }) => ({
        name: layer,
        shape: [shape[0], shape[1]],
        active: activeCount,
        gates: gates.map((gate) => ({ ...gate })),
      })),
    stepsPerEpoch: trainingWindows(streams.train, config, 0).length, // random ones differ a little from epoch to epoch
    epochs: config.training.epochs,
    resumedFrom: resumedFrom?.step ?? null,
  };
}

/**
 * Memory for weights and gradients, what the optimiser keeps and the mask of each, at four bytes a number. Activations come
 * on top.
 */
export function bytesNeeded(
  specs: readonly ParameterSpec[],
  method: MethodRow,
  config: RunConfig,
  layout: Layout,
): number {
  const density = hasMasks(method) && method.masks !== 'pruned' && layout === 'packed' ? config.method.density : 1;
  const ofOptimizer = { sgd: 0, momentum: 1, adam: 2, asgd: 2, 'nt-asgd': 2, 'snt-asgd': 2 }[config.optimizer.kind];
  const copies = 2 + ofOptimizer + (hasMasks(method) && layout === 'masked' ? 1 : 0);
  // The mean of gradients that some methods keep is of every weight, whatever the layout.
  const dense = rulesOf(config.method)?.evidence.includes('momentum') === true ? 1 : 0;
  const dynamic = config.evaluation.dynamicSteps > 0 ? 3 : 0; // scales, weights before and after
  return 4 * ((copies + dynamic) * density + dense) * sizeOf(specs);
}

/**
 * A model that cannot fit would end in the middle of nowhere.
 * @throws UserError
 */
export function refuseTooLarge(
  specs: readonly ParameterSpec[],
  method: MethodRow,
  config: RunConfig,
  layout: Layout,
): void {
  const bytes = bytesNeeded(specs, method, config, layout);
  const largest = Math.max(...specs.map((spec) => sizeOf([spec])));
  const gigabytes = (count: number) => (count / 1e9).toFixed(1);
  if (bytes < totalmem() && largest < 2 ** 31) return;
  throw new UserError(
    `the model needs ${gigabytes(bytes)} GB for its weights, gradients and averages (its largest matrix has ${largest} ` +
      `weights), this machine has ${gigabytes(totalmem())} GB: lower model.hidden, model.embedding or model.layers`,
  );
}

/** A run is one configuration from its first step to its last; only where it is computed, and its name, may change. */
function refuseChanges(before: RunConfig, now: RunConfig): void {
  const change = differences(before, now).find(({ field }) => field !== 'name' && !field.startsWith('device.'));
  if (change === undefined) return;
  const [was, is] = [change.a, change.b].map((value) => JSON.stringify(value));
  throw new UserError(`${change.field}: was ${was} so far and is ${is} now: set it back, or start a new run`);
}

function budgetsOf({ pattern, gates }: SparseParameter): number[] {
  return countPerGate(pattern.positions(), gates, pattern.columns);
}

function streamsOfCorpus(
  { name, ids }: Corpus,
  { training: { batch, evaluationBatch, bptt }, evaluation: { dynamicSteps, dynamicBatch } }: RunConfig,
): Run['streams'] {
  // Dynamic evaluation comes after days of training: what it lacks is told before.
  if (dynamicSteps > 0) {
    const dynamic = { field: 'evaluation.dynamicBatch', streams: dynamicBatch };
    streamsOf(`the training text of ${name}`, ids.train, dynamic, dynamicSteps);
  }
  const training = { field: 'training.batch', streams: batch };
  const evaluation = { field: 'training.evaluationBatch', streams: evaluationBatch };
  return {
    train: streamsOf(`the training text of ${name}`, ids.train, training, bptt),
    valid: streamsOf(`the validation text of ${name}`, ids.valid, evaluation, bptt),
    test: streamsOf(`the test text of ${name}`, ids.test, evaluation, bptt),
  };
}

export function restoredParameters(
  specs: readonly ParameterSpec[],
  method: MethodRow,
  tensors: Tensors,
  layout: Layout,
): Parameter[] {
  return specs.map((spec) => {
    const values = floats(tensors, `values.${spec.name}`);
    if (!hasMasks(method) || !isSparsifiable(spec))
      return new DenseParameter(spec.name, spec.shape, spec.gates, values);
    const shape = matrixShape(spec);
    return new SparseParameter(spec.name, shape, spec.gates, patternFrom(tensors, spec.name, shape), values, layout);
  });
}

function restoreSlots(parameters: readonly Parameter[], tensors: Tensors): void {
  for (const parameter of parameters) {
    for (const slot of slots) {
      const name = `${slot}.${parameter.name}`;
      if (tensors.has(name)) parameter.load(slot, floats(tensors, name));
    }
  }
}

function restoreEvidence(evidence: Evidence, parameters: readonly Parameter[], tensors: Tensors): void {
  for (const { name } of parameters) {
    for (const kind of ['gradient', 'momentum'] as const) {
      if (tensors.has(`${kind}.${name}`)) evidence.restore(kind, name, floats(tensors, `${kind}.${name}`));
    }
  }
}

function restoredState(tensors: Tensors): State {
  const state: tf.Tensor2D[] = [];
  for (let i = 0; tensors.has(`state.${i}`); i++) {
    const { shape } = tensors.get(`state.${i}`)!;
    state.push(tf.tensor2d(floats(tensors, `state.${i}`), [shape[0], shape[1]]));
  }
  return state;
}

function openMasks(
  path: string,
  connections: readonly Connections[],
  checkpoint: Checkpoint | undefined,
  schedule: Schedule | undefined,
): MaskLog | undefined {
  if (connections.length === 0) return undefined;
  const patterns = connections.map(({ pattern }) => pattern);
  if (checkpoint === undefined) {
    return MaskLog.create(
      path,
      connections.map(({ name }) => name),
      patterns,
    );
  }
  // What changes with every step is written once an epoch: a checkpoint may have others than the file.
  const everyStep = schedule === 'step' || connections.some(({ masked }) => !masked);
  return MaskLog.reopen(path, checkpoint.maskBytes, everyStep ? undefined : patterns);
}

function patternFrom(tensors: Tensors, name: string, [rows, columns]: readonly [number, number]): Pattern {
  const bits = tensors.get(`pattern.${name}`)?.data;
  if (bits instanceof Uint8Array && bits.length === Math.ceil((rows * columns) / 8)) {
    return Pattern.fromBits(rows, columns, bits);
  }
  throw doesNotFit(name);
}

function floats(tensors: Tensors, name: string): Float32Array {
  const data = tensors.get(name)?.data;
  if (data instanceof Float32Array) return data;
  throw doesNotFit(name);
}

function doesNotFit(name: string): UserError {
  return new UserError(
    `the checkpoint has no ${name} that fits this run: was its configuration changed? Start a new run`,
  );
}
