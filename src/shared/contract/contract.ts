import { oc } from '@orpc/contract';
import { z } from 'zod';
import { runConfigSchema } from '../run-config.js';
import { engineReportSchema, runEventTypes, runFactsSchema } from '../run-events.js';
import { aboutContract } from './about.js';
import { corporaContract } from './corpora.js';
import { exportsContract } from './exports.js';
import { tablesContract } from './tables.js';
import {
  checkpointRowSchema,
  damagedRunSchema,
  runRecordSchema,
  sparsityRowSchema,
  storedEventSchema,
} from '../run-records.js';
import { topologyContract } from './topology.js';
import { startedSchema } from '../run-events.js';
import { runStateSchema } from '../run-state-schema.js';
import { seriesAnswerSchema, seriesRequestSchema } from '../series.js';

/**
 * What a shell can ask of the owner of a data folder, whatever carries it. Inputs and outputs are checked at the owner. An
 * error with the code REFUSED is for the person (its message is a line with the remedy), one with the code DEFECT is ours.
 */

/** A request that waits for news is answered after so long at the latest, so that a dead connection is noticed. */
const longestWaitMs = 30_000;

const id = z.string().min(1).max(200);
const ids = z.array(id).min(1).max(10_000);
const nothing = z.object({});
const setting = z
  .string()
  .regex(/^[a-z][A-Za-z0-9.-]{0,99}$/, 'must be letters, digits, dots and hyphens, beginning with a-z');
const tags = z.array(z.string()).max(100).default([]);

const annotationSchema = z.strictObject({
  ids,
  /** What people see; an empty one is the run's id. */
  name: z.string().max(200).optional(),
  note: z.string().max(100_000).optional(),
  colour: z.string().optional(),
  addTags: tags,
  removeTags: tags,
});
export type Annotation = z.output<typeof annotationSchema>;

const runViewSchema = z.object({ record: runRecordSchema, state: runStateSchema });
export type RunView = z.output<typeof runViewSchema>;

const newsSchema = z.object({
  events: z.array(storedEventSchema),
  /** Where to go on: nothing is told twice and nothing left out, by this owner or the next one. */
  cursor: z.int().min(0),
  /** Whether as many events were told as were asked for: the rest, and the states, come with the next answers. */
  more: z.boolean(),
  /** Changes when the state or the record of a followed run does; of this owner only. */
  version: z.string(),
  /** Of the runs whose state or record has changed since the version asked with; of all where that was another owner's. */
  states: z.record(z.string(), runStateSchema),
  /** Runs among those that are not there any more. */
  gone: z.array(z.string()),
});
export type News = z.output<typeof newsSchema>;

export const contract = {
  /** Who answers. */
  hello: oc.input(nothing).output(z.object({ protocol: z.int(), version: z.string(), pid: z.int() })),
  runs: {
    /** Queues new runs, all or none. Configurations may leave any field to its default. */
    create: oc
      .input(
        z.strictObject({
          configs: z.array(z.unknown()).min(1).max(10_000),
          /** How often a trainer that died is started again without a new checkpoint in between. */
          restarts: z.int().min(0).max(1000).default(0),
        }),
      )
      .output(z.object({ ids })),
    /** Queues the demonstration where there never was any run; once, or the person who has removed it would have it again. */
    demonstrate: oc.input(nothing).output(z.object({ ids: z.array(id) })),
    /** Has a run that rests go on, or queues one that has ended to go on from its last checkpoint. */
    resume: oc
      .input(
        z.strictObject({
          id,
          threads: z.int().min(0).max(1024).optional(),
          restarts: z.int().min(0).max(1000).default(0),
        }),
      )
      .output(nothing),
    /** Checkpoints and rests, holding its device while its trainer lives; with the next owner it rests on without one. */
    pause: oc.input(z.strictObject({ id })).output(nothing),
    /** Ends the rest. */
    continue: oc.input(z.strictObject({ id })).output(nothing),
    /** Checkpoints and ends, or leaves the queue; with `now` it ends without a checkpoint. */
    stop: oc.input(z.strictObject({ id, now: z.boolean().default(false) })).output(nothing),
    /** Runs, the oldest first; piece by piece, from the newest on, for who has something to show meanwhile. */
    list: oc
      .input(
        z.strictObject({
          trash: z.boolean().default(false),
          /** Only these, of those that are there. */
          ids: z.array(id).max(10_000).optional(),
          /** Only so many, the newest. */
          most: z.int().min(1).max(10_000).optional(),
          /** Only older ones: the `next` of the piece before. */
          before: z.int().min(0).optional(),
        }),
      )
      .output(
        z.object({ runs: z.array(runViewSchema), damaged: z.array(damagedRunSchema), next: z.int().min(0).nullable() }),
      ),
    get: oc.input(z.strictObject({ id })).output(runViewSchema),
    /** What a run has told from a number on, in order; of some types of events or of all. */
    events: oc
      .input(
        z.strictObject({
          id,
          from: z.int().min(0).default(0),
          limit: z.int().min(1).max(1000).default(1000),
          types: z.array(z.enum(runEventTypes)).max(20).default([]),
        }),
      )
      .output(z.object({ events: z.array(storedEventSchema), more: z.boolean() })),
    /** Writes to some runs what people say of them, all or none: what is left out stays. */
    annotate: oc.input(annotationSchema).output(nothing),
    /** Exactly these runs are pinned, in this order. */
    pin: oc.input(z.strictObject({ ids: z.array(id).max(1000) })).output(nothing),
    /**
     * Curves, reduced to what a screen can show. They are continued by the `step` events of the news after their cursor, or
     * by asking again from the step after `lastStep`. A run that goes on from a checkpoint tells anew what it had told
     * after it: a `started` event with `resumedFrom` says from which step on a line is another.
     */
    series: oc.input(seriesRequestSchema).output(seriesAnswerSchema),
    /** Layers and gates after each topology update, from an update on. */
    sparsity: oc
      .input(z.strictObject({ id, fromUpdate: z.int().min(0).default(0) }))
      .output(z.object({ rows: z.array(sparsityRowSchema) })),
    /** All that were written; a run's folder holds the last ones. */
    checkpoints: oc.input(z.strictObject({ id })).output(z.object({ checkpoints: z.array(checkpointRowSchema) })),
    /** What it told when it was started last: engine, corpus, layers and gates; null where it has not been. */
    started: oc.input(z.strictObject({ id })).output(z.object({ started: startedSchema.nullable() })),
    /** Into the trash, where a run keeps everything. */
    trash: oc.input(z.strictObject({ ids })).output(nothing),
    restore: oc.input(z.strictObject({ ids })).output(nothing),
    /** Deletes runs that are in the trash for good. */
    purge: oc.input(z.strictObject({ ids })).output(z.object({ freedBytes: z.int().min(0) })),
    /** Deletes a run that never began. */
    discard: oc.input(z.strictObject({ id })).output(nothing),
  },
  topology: topologyContract,
  queue: {
    /** These begin in this order before another that waits, first of all if none is named, last if it is null. */
    reorder: oc.input(z.strictObject({ ids, before: id.nullable().optional() })).output(nothing),
  },
  settings: {
    /** The value, or none where it was never set. */
    get: oc.input(z.strictObject({ name: setting })).output(z.object({ value: z.json().optional() })),
    /** Any JSON value; without one the setting is taken back. */
    set: oc.input(z.strictObject({ name: setting, value: z.json().optional() })).output(nothing),
  },
  /**
   * Events after a cursor and states, of some runs or of all: at once if there is something new since cursor and version, else
   * when there is, or after `waitMs` with nothing. A caller asks again when it has dealt with the answer, so nobody is flooded.
   */
  news: oc
    .input(
      z.strictObject({
        runs: z.array(id).max(100).optional(),
        after: z.int().min(0),
        version: z.string().default(''),
        limit: z.int().min(1).max(1000).default(500),
        waitMs: z.int().min(0).max(longestWaitMs).default(0),
      }),
    )
    .output(newsSchema),
  /** What a configuration amounts to: a trainer process is asked, which knows corpora and models. */
  facts: oc.input(z.strictObject({ config: runConfigSchema })).output(runFactsSchema),
  exports: exportsContract,
  corpora: corporaContract,
  tables: tablesContract,
  about: aboutContract,
  /** Every engine on each of its devices, tried just now; what `auto` comes to is one of them. */
  devices: oc.input(nothing).output(z.array(engineReportSchema.extend({ auto: z.boolean() }))),
  /** Cursor of the newest event. */
  now: oc.input(nothing).output(z.object({ cursor: z.int().min(0) })),
};
