import { z } from 'zod';
import { deviceSchema, engineNames } from './engines.js';

/**
 * What a trainer tells the workbench and what it is told: the only thing both sides know of each other. Every message is
 * parsed where it arrives. Losses are in nats per word, perplexity is exp(loss), times are milliseconds, sizes are bytes.
 */

const count = z.int().min(0);
const finite = z.number();
/** A number of any kind, from memory or from JSON (`numbers.ts`). */
const measured = z.union([
  z.number(),
  z.custom<number>((value) => typeof value === 'number'),
  z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number),
]);

/** FLOPs for each word, were it dense and as it is. */
const flopsPerWord = z.object({ dense: finite, sparse: finite });

/**
 * FLOPs of all training steps so far, as they went and were there no masks. Runs of earlier versions have not told them.
 */
const flopsSoFar = z.object({ training: finite, dense: finite }).optional();

/** Perplexity of simple models and, where the language is known, of a perfect one, on one split. */
const referencePerplexities = z.object({
  unigram: measured,
  bigram: measured,
  bestPossible: measured.optional(),
});

const layerDescription = z.object({
  name: z.string(),
  shape: z.tuple([count, count]),
  active: count,
  gates: z.array(z.object({ name: z.string(), rows: count })),
});

/** What computes a run. */
export const engineSchema = z.object({
  name: z.string(),
  /** Of its libraries. */
  version: z.string(),
  threads: count,
  features: z.array(z.string()),
  /** What it computes on, with its driver. Runs of earlier versions have not told it. */
  device: deviceSchema.optional(),
});

export const startedSchema = z.object({
  type: z.literal('started'),
  engine: engineSchema,
  layout: z.enum(['packed', 'masked']),
  corpus: z.object({
    name: z.string(),
    vocabulary: count,
    tokens: z.object({ train: count, valid: count, test: count }),
    reference: z.object({ valid: referencePerplexities, test: referencePerplexities }),
  }),
  parameters: z.object({ total: count, active: count }),
  layers: z.array(layerDescription),
  stepsPerEpoch: count,
  epochs: count,
  /** The step from which an interrupted run goes on, or null in a new one. */
  resumedFrom: count.nullable(),
});

const step = z.object({
  type: z.literal('step'),
  step: count,
  epoch: count,
  /** Mean over the steps since the last report. */
  loss: measured,
  gradientNorm: measured,
  learningRate: measured,
  removingRate: measured,
  tokensPerSecond: measured,
  flops: flopsSoFar,
});

const evaluation = z.object({
  type: z.literal('evaluation'),
  step: count,
  epoch: count,
  /** Mean training loss of the epoch, with dropout. */
  trainingLoss: measured,
  loss: measured,
  perplexity: measured,
  /** Whether this is the lowest validation loss so far. */
  best: z.boolean(),
  /** Whether averaged weights were measured. */
  averaged: z.boolean(),
  flops: flopsSoFar,
});

const averaging = z.object({
  type: z.literal('averaging'),
  step: count,
  epoch: count,
  /** A restart: averages that there were begin anew. */
  cause: z.enum(['trigger', 'configured', 'restart']),
});

/** Hidden units that each layer still has, of a method that takes out whole ones. */
const unitsLeft = z.array(z.object({ layer: z.string(), left: count, of: count }));

const sparsity = z.object({
  type: z.literal('sparsity'),
  step: count,
  epoch: count,
  /** Counts topology updates from 1; 0 is the initial topology. */
  update: count,
  removingRate: finite,
  layers: z.array(
    z.object({
      name: z.string(),
      active: count,
      removed: count,
      grown: count,
      gates: z.array(z.object({ name: z.string(), size: count, active: count, removed: count, grown: count })),
      /**
       * Magnitudes of the weights that were active before the update, in bins of equal width from 0 to `max`, and the largest
       * one that was removed, if any was. Runs of earlier versions have not told them.
       */
      magnitudes: z.object({ max: finite, counts: z.array(count), threshold: finite.optional() }).optional(),
    }),
  ),
  units: unitsLeft.optional(),
});

const checkpoint = z.object({
  type: z.literal('checkpoint'),
  step: count,
  epoch: count,
  file: z.string(),
  bytes: count,
});

const finished = z.object({
  type: z.literal('finished'),
  step: count,
  epoch: count,
  testLoss: measured,
  testPerplexity: measured,
  /** With a neural cache, where the run asks for it. */
  cachePerplexity: measured.optional(),
  /** By dynamic evaluation, where the run asks for it. */
  dynamicPerplexity: measured.optional(),
  bestValidationPerplexity: measured,
  bestEpoch: count,
  bigramPerplexity: measured,
  /** Of the test text, where the language is known. */
  bestPossiblePerplexity: measured.optional(),
  /** Of the network that was tested: what is active, of all. Runs of earlier versions have not told them. */
  parameters: z.object({ total: count, active: count }).optional(),
  units: unitsLeft.optional(),
  /** Of a forward pass of the network that was tested. */
  flopsPerWord: flopsPerWord.optional(),
  trainingMs: finite,
});

/** The trainer has checkpointed and ended because it was asked to; the run can be resumed. */
const stopped = z.object({ type: z.literal('stopped'), step: count, epoch: count });

/** The trainer has checkpointed and waits to be told to go on. */
const paused = z.object({ type: z.literal('paused'), step: count, epoch: count });

/** What went wrong; with a stack where it is a defect and not something the user gave. */
export const failureSchema = z.object({ message: z.string(), stack: z.string().optional() });

const failed = failureSchema.extend({ type: z.literal('failed') });

export const runEventSchema = z.discriminatedUnion('type', [
  startedSchema,
  step,
  evaluation,
  averaging,
  sparsity,
  checkpoint,
  finished,
  paused,
  stopped,
  failed,
]);
export type RunEvent = z.output<typeof runEventSchema>;
export const runEventTypes = runEventSchema.options.map(({ shape }) => shape.type.value);
export type RunEventOf<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>;

/** Whether an engine works on this machine, on one of its devices. */
export const engineReportSchema = z.object({
  name: z.enum(engineNames),
  works: z.boolean(),
  /** Version and features, or why it does not work. */
  detail: z.string(),
  /** Where it was tried; null where there is no such device. */
  device: deviceSchema.nullable(),
  /** Where it could be tried. */
  devices: z.array(deviceSchema),
});
export type EngineReport = z.output<typeof engineReportSchema>;

/** What `bench step` has measured. */
export const stepBenchmarkSchema = z.object({
  engine: z.string(),
  threads: count,
  layout: z.enum(['packed', 'masked']),
  /** Median. */
  msPerStep: finite,
  tokensPerSecond: finite,
  /** Of the whole process, in units of 1024 * 1024 bytes. */
  peakMemoryMb: finite,
  activeWeights: count,
  clipNorm: z.string(),
  /** Milliseconds of the median step by op, if asked for; they add up to it. */
  profile: z.record(z.string(), finite).optional(),
});
export type StepBenchmark = z.output<typeof stepBenchmarkSchema>;

/** What a configuration amounts to, before anything is trained. */
export const runFactsSchema = z.object({
  engine: z.string(),
  layout: z.enum(['packed', 'masked']),
  vocabulary: count,
  /** Words of the training text. */
  trainingTokens: count,
  /** Active at first, and, of a network that is pruned to a density, in the end. */
  parameters: z.object({ total: count, active: count, activeInTheEnd: count }),
  /** Of weights, gradients and what the optimiser keeps. */
  memoryBytes: finite,
  /** Of training, forward and backward, in the mean over it, as far as a configuration decides that; and of a forward pass in the end. */
  flopsPerWord: z.object({ training: flopsPerWord, inference: flopsPerWord }),
});
export type RunFacts = z.output<typeof runFactsSchema>;

/** Events that a trainer may have sent and not yet seen acknowledged; it waits before it takes another step. */
export const eventWindow = 256;
/** How often a trainer says that it is alive, between two steps. */
export const heartbeatMs = 1000;

/**
 * What a trainer sends: an event with its number in the run (a resumed run goes on counting from its checkpoint), that it
 * is alive, why it has not started at all, or the answer to `probe`, `bench` or `facts`.
 */
export const trainerMessageSchema = z.union([
  z.strictObject({ sequence: count, event: runEventSchema }),
  z.strictObject({ alive: z.literal(true) }),
  z.strictObject({ refused: failureSchema }),
  z.strictObject({ engine: engineReportSchema }),
  z.strictObject({ benchmark: stepBenchmarkSchema }),
  z.strictObject({ facts: runFactsSchema }),
]);
export type TrainerMessage = z.output<typeof trainerMessageSchema>;

export const trainerCommandSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('train'),
    /** Parsed again by the trainer. */
    config: z.unknown(),
    /** Folder of the run: checkpoints and masks are written there. */
    folder: z.string(),
    /** Folder that holds fetched and imported corpora. */
    corpora: z.string(),
    resume: z.boolean(),
  }),
  /** Try an engine on one of its devices, or on the first. */
  z.object({ type: z.literal('probe'), engine: z.enum(engineNames), id: z.string() }),
  /** Time training steps. */
  z.object({ type: z.literal('bench'), config: z.unknown(), vocabulary: count, steps: count, profile: z.boolean() }),
  /** Say what a configuration amounts to; fetched and imported corpora are in the folder. */
  z.object({ type: z.literal('facts'), config: z.unknown(), corpora: z.string() }),
  /** Every event up to this number is where no crash can lose it. */
  z.object({ type: z.literal('acknowledge'), sequence: count }),
  /** Write a checkpoint after the step at hand (of the next epoch, if this one is being evaluated) and wait. */
  z.object({ type: z.literal('pause') }),
  z.object({ type: z.literal('continue') }),
  /** Write a checkpoint after the step at hand and end. */
  z.object({ type: z.literal('stop') }),
]);
export type TrainerCommand = z.output<typeof trainerCommandSchema>;
