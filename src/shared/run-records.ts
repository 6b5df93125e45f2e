import { z } from 'zod';
import { runConfigSchema } from './run-config.js';
import { failureSchema, runEventSchema } from './run-events.js';
import { trainerStateSchema } from './run-state-schema.js';
import { isEnd, type TrainerEnd } from './run-state.js';

/**
 * What the database knows of a run: stored facts only. Whether a run is running is not among them; that is derived, from
 * these facts and from whether its process answers (`run-state.ts`). Times are milliseconds since 1970, durations are
 * milliseconds, sizes are bytes.
 */

const count = z.int().min(0);
const time = count;

/** How an attempt ended. */
const attemptEndSchema = trainerStateSchema.transform((state, context): TrainerEnd => {
  if (isEnd(state)) return state;
  context.issues.push({ code: 'custom', input: state, message: `${state.state} is no end` });
  return z.NEVER;
});

/** One life of a trainer process: a run that was interrupted twice has had three. Wall time belongs to attempts. */
export const attemptSchema = z.object({
  /** Counts from 1 in each run. */
  number: z.int().min(1),
  started: time,
  /** When it last told an event; what an attempt without an end is known to have lasted. */
  last: time,
  ended: time.nullable(),
  /** Time between `paused` and the event after it, which is no training time. */
  pausedMs: count,
  /** The process, while it is one; to look for an orphan after a crash. */
  pid: z.int().min(1).nullable(),
  device: z.string().nullable(),
  /** Number of its first event, or null while it has told none. */
  from: count.nullable(),
  /** Null while it lasts, or if nobody was there to see its end. */
  end: attemptEndSchema.nullable(),
});
export type Attempt = z.output<typeof attemptSchema>;

/** A place in the queue. */
export const queueEntrySchema = z.object({
  run: z.string(),
  /** Ascending; unique. */
  position: z.int(),
  /** The device asked for, or null for whichever is free. */
  device: z.string().nullable(),
  /** Most threads for this attempt, where that is not what the configuration says. */
  threads: z.int().min(0).nullable(),
  queued: time,
});
export type QueueEntry = z.output<typeof queueEntrySchema>;

/** Where a run stands, read from its events. Null where the run has not told it yet. */
export const runProgressSchema = z.object({
  step: count,
  /** Epochs begun. */
  epoch: count,
  stepsPerEpoch: count.nullable(),
  /** Number the next event of the run must have. */
  nextSequence: count,
  /** Type of the last event. */
  lastEvent: z.string().nullable(),
  /** What the last event says, if it is `failed`. */
  failure: failureSchema.nullable(),
  loss: z.number().nullable(),
  tokensPerSecond: z.number().nullable(),
  /** Of training so far, and as a share of what it would be without masks. */
  flops: z.number().nullable(),
  flopsOfDense: z.number().nullable(),
  validationPerplexity: z.number().nullable(),
  bestValidationPerplexity: z.number().nullable(),
  testPerplexity: z.number().nullable(),
  parameters: z.object({ total: count, active: count }).nullable(),
  engine: z.string().nullable(),
  /** The engine with the versions of its libraries, its device and that one's driver. */
  computedBy: z.string().nullable(),
});
export type RunProgress = z.output<typeof runProgressSchema>;

export const runRecordSchema = z.object({
  /** Also the name of the run's folder. */
  id: z.string(),
  /** What people see; the configuration's name at first. */
  name: z.string(),
  config: runConfigSchema,
  /** As #rrggbb: the same in every chart, table and export. */
  colour: z.string().regex(/^#[0-9a-f]{6}$/),
  created: time,
  /** Place among pinned runs, from 0, or null. */
  pinned: count.nullable(),
  note: z.string(),
  tags: z.array(z.string()),
  /** Since when it is in the trash, or null. */
  trashed: time.nullable(),
  /** Since when a person has it rest, or null. */
  paused: time.nullable(),
  /** Its place in the queue, or null. */
  queued: queueEntrySchema.nullable(),
  attempts: z.array(attemptSchema),
  progress: runProgressSchema,
});
export type RunRecord = z.output<typeof runRecordSchema>;

/** A run whose rows cannot be understood: it is told, and keeps nobody from the others. */
export const damagedRunSchema = z.object({ id: z.string(), problem: z.string() });
export type DamagedRun = z.output<typeof damagedRunSchema>;

/** An event as it is on disk. */
export const storedEventSchema = z.object({
  /** Ascends over all runs and is never used twice. */
  cursor: z.int().min(1),
  run: z.string(),
  /**
   * Number in the run. An event that arrives with a number at or below one already seen replaces that one and all after
   * it: a resumed run tells again what it had told since its checkpoint.
   */
  sequence: count,
  time,
  event: runEventSchema,
});
export type StoredEvent = z.output<typeof storedEventSchema>;

/** A layer or a gate of it after a topology update. */
export const sparsityRowSchema = z.object({
  /** Counts topology updates from 1; 0 is the initial topology. */
  update: count,
  step: count,
  epoch: count,
  removingRate: z.number(),
  layer: z.string(),
  /** Null for the layer as a whole. */
  gate: z.string().nullable(),
  /** Positions: active weights / size = density. */
  size: count,
  active: count,
  removed: count,
  grown: count,
});
export type SparsityRow = z.output<typeof sparsityRowSchema>;

export const checkpointRowSchema = z.object({
  step: count,
  epoch: count,
  /** In the run's folder; it may have made room for a later one since. */
  file: z.string(),
  bytes: count,
  time,
});
export type CheckpointRow = z.output<typeof checkpointRowSchema>;

/** A corpus that runs can name. */
export const corpusRowSchema = z.object({
  name: z.string(),
  origin: z.enum(['built-in', 'fetched', 'imported']),
  vocabulary: count,
  tokens: z.object({ train: count, valid: count, test: count }),
  added: time,
});
export type CorpusRow = z.output<typeof corpusRowSchema>;
