import { z } from 'zod';

/**
 * What a run is doing. `starting` to `stopping` are said of a process that answers and never read from a disk; the others
 * are how a run was left.
 */
const reason = z.string();

/** The life of a trainer process. */
export const trainerStateSchema = z.discriminatedUnion('state', [
  /** Corpus and engine are being prepared. */
  z.strictObject({ state: z.literal('starting') }),
  z.strictObject({ state: z.literal('running') }),
  /** Asked for a checkpoint and a rest. */
  z.strictObject({ state: z.literal('pausing') }),
  /** Checkpointed; goes on when it is told to. Its trainer rests, or is gone if its owner has changed since. */
  z.strictObject({ state: z.literal('paused') }),
  /** Asked for a checkpoint and an end. */
  z.strictObject({ state: z.literal('stopping') }),
  /** Checkpointed and ended, as it was asked to. */
  z.strictObject({ state: z.literal('stopped') }),
  z.strictObject({ state: z.literal('finished') }),
  /** The process is gone; what was checkpointed can be resumed. */
  z.strictObject({ state: z.literal('interrupted'), reason }),
  /**
   * What the user gave, the machine or a defect (then with a stack) forbids to go on. `begun` is false where nothing was
   * started: configuration, corpus and machine do not fit.
   */
  z.strictObject({ state: z.literal('failed'), error: z.string(), stack: z.string().optional(), begun: z.boolean() }),
]);

/** A run: in the queue, or as its trainer is or was. */
export const runStateSchema = z.union([
  /** Waits for a device; `ahead` counts the runs that are to begin before it. */
  z.strictObject({ state: z.literal('queued'), ahead: z.int().min(0) }),
  trainerStateSchema,
]);
