import type { z } from 'zod';
import type { Standing } from '../../shared/derived-state.js';
import type { RunConfig } from '../../shared/run-config.js';
import type { RunEvent, RunEventOf } from '../../shared/run-events.js';
import type {
  Attempt,
  CheckpointRow,
  CorpusRow,
  DamagedRun,
  QueueEntry,
  RunRecord,
  SparsityRow,
  StoredEvent,
} from '../../shared/run-records.js';
import type { TrainerEnd } from '../../shared/run-state.js';
import type { SeriesAnswer, SeriesRequest } from '../../shared/series.js';
import type { ConnectionRow, MaskPlace, TopologyDistance } from '../../shared/topology.js';

/**
 * The database of a data folder, in two types: whoever holds a `ReadableStore` cannot write. There is one writer, the
 * owner of the folder; there may be any number of readers, in any process, at any time.
 *
 * Everything is synchronous and a write is on disk when it returns. Errors that a person can act on (a newer or damaged
 * database, a full disk, a folder that cannot be written, no such run) are `UserError`s.
 */
export interface ReadableStore {
  /** The database file. */
  readonly path: string;
  readonly runs: RunReader;
  readonly events: EventReader;
  readonly metrics: MetricReader;
  readonly sparsity: SparsityReader;
  readonly topology: TopologyReader;
  readonly queue: QueueReader;
  readonly corpora: CorpusReader;
  readonly settings: SettingReader;
  /** What `integrity_check` and `foreign_key_check` complain of; nothing where all is well. Reads the whole file. */
  problems(): string[];
  /** Closes the database. Afterwards nothing may be asked of it. */
  close(): void;
}

export interface WritableStore extends ReadableStore {
  readonly runs: RunWriter;
  readonly events: EventWriter;
  readonly queue: QueueWriter;
  readonly corpora: CorpusWriter;
  readonly settings: SettingWriter;
  /** All that `work` writes, or nothing if it throws. May be nested. */
  transaction<T>(work: () => T): T;
  /** Copies the whole database beside itself, while it may be read and written. @returns the path of the copy */
  backUp(): Promise<string>;
  /** The same if the newest backup is older than a day and the database has changed since; the signal ends it. */
  backUpIfDue(signal: AbortSignal): Promise<string | undefined>;
}

export interface ListOptions {
  readonly trash?: boolean | undefined;
  /** Only these, of those that are there. */
  readonly ids?: readonly string[] | undefined;
  /** Only so many, the newest. */
  readonly most?: number | undefined;
  /** Only what is older: the `next` of a list before. */
  readonly before?: number | undefined;
}

export interface RunList {
  readonly runs: RunRecord[];
  readonly damaged: DamagedRun[];
  /** From where a list of so many goes on, or null where that was all. */
  readonly next: number | null;
}

export interface RunReader {
  /** Every run that is not in the trash, the oldest first; with `trash`, those that are. */
  list(options?: ListOptions): RunList;
  /** @throws UserError where there is no such run, or its rows are damaged */
  get(id: string): RunRecord;
  /** What the states of some runs, or of all, are derived from; of those that are there and not damaged. */
  standings(ids?: readonly string[]): Standing[];
  /** @throws UserError where there is no such run, or its rows are damaged */
  standing(id: string): Standing;
  has(id: string): boolean;
  /** @throws UserError where there is no such run */
  isTrashed(id: string): boolean;
  checkpoints(id: string): CheckpointRow[];
  /** What it told when it was started last, or null where it has not been. */
  started(id: string): RunEventOf<'started'> | null;
}

export interface RunWriter extends RunReader {
  /**
   * New runs, all or none. A run's name decides its id, which is also that of its folder: `night-1`, `night-2`, ...
   * @param isTaken whether something else has an id already, such as a folder
   */
  create(configs: readonly RunConfig[], isTaken?: (id: string) => boolean): RunRecord[];
  /** A trainer is about to be started. The one before, if it never ended, is closed as its last event says. */
  beginAttempt(id: string, process?: AttemptProcess): Attempt;
  /** The trainer of the run's last attempt is a process now. */
  setProcess(id: string, pid: number): void;
  /** The trainer of the run's last attempt is gone. */
  endAttempt(id: string, end: TrainerEnd): void;
  /**
   * Closes every attempt without an end whose run is not named: by its last event if that says how it ended, else as
   * interrupted. For an owner that has just started.
   * @returns the runs that were settled
   */
  settle(alive: ReadonlySet<string>): string[];
  /** What people see; the id stays. An empty name is the id. */
  rename(id: string, name: string): void;
  setNote(id: string, note: string): void;
  setColour(id: string, colour: string): void;
  addTags(id: string, tags: readonly string[]): void;
  removeTags(id: string, tags: readonly string[]): void;
  /** Exactly these runs are pinned, in this order. @returns those that are pinned now or were before */
  pin(ids: readonly string[]): string[];
  /** Writes down that a person has it rest, or that it no longer does. */
  setPaused(id: string, paused: boolean): void;
  /** Into the trash and out of the queue; a run in the trash keeps everything. */
  trash(id: string): void;
  restore(id: string): void;
  /**
   * Deletes all rows of a run that is in the trash and gives their space back to the disk. Its folder is another matter:
   * `purgeRun` (trash.ts) does both.
   * @returns bytes by which the database has shrunk
   */
  purge(id: string): number;
}

/** What is known of the trainer of a new attempt. */
export interface AttemptProcess {
  readonly pid?: number;
  readonly device?: string;
  /** When it was started, if not just now. */
  readonly started?: number;
}

export interface EventRange {
  /** Number of the first one. */
  readonly from?: number;
  readonly limit?: number;
  /** Only these; all, if none are named. */
  readonly types?: readonly RunEvent['type'][];
}

export interface EventReader {
  /** Events of all runs, or of one, after a cursor; the oldest first, at most `limit` (1,000). */
  after(cursor: number, options?: { readonly run?: string; readonly limit?: number }): StoredEvent[];
  /** Events of a run from a number on, in order; of some types or of all. */
  of(run: string, options?: EventRange): StoredEvent[];
  /** Cursor of the newest event, 0 where there is none. */
  lastCursor(): number;
}

/** An event of a run as its trainer sends it. */
export interface ToldEvent {
  readonly run: string;
  readonly sequence: number;
  readonly event: RunEvent;
  /** When it arrived, if not just now. */
  readonly time?: number;
}

export interface EventWriter extends EventReader {
  /**
   * Writes events, and the metrics, sparsity and checkpoints in them, in one transaction. When it returns they are on disk,
   * and may be acknowledged and shown. A resumed run goes on counting from its checkpoint: an event whose number is there
   * already replaces it and all later ones of the run, with everything that came from them.
   * @returns the events as they are stored, in the given order
   * @throws UserError where a number is left out (what is between is lost): then nothing at all was written
   */
  ingest(events: readonly ToldEvent[]): StoredEvent[];
}

export interface MetricReader {
  /** Names of the metrics of a run. */
  names(run: string): string[];
  /** A reduced line for each run and metric, and how far they go. */
  series(request: SeriesRequest): SeriesAnswer;
  /** Every value, in the order of steps, one by one: for exports. */
  values(run: string, metric: string): IterableIterator<{ readonly step: number; readonly value: number }>;
}

export interface SparsityReader {
  /** Layers and gates after every topology update, in order; or from an update on. */
  rows(run: string, fromUpdate?: number): SparsityRow[];
}

export interface TopologyReader {
  /**
   * The network's connections and those of each layer after every topology update, in order; of very many updates, of some.
   * @throws UserError where the run has no masks, or their file is damaged
   */
  connections(run: string): ConnectionRow[];
  /**
   * How far the masks of two places are apart, and if asked, after matching the units of one network with the other's.
   * @throws UserError where one has no masks, their networks have different shapes, or matching would take too long
   */
  distance(a: MaskPlace, b: MaskPlace, withMatching: boolean): TopologyDistance;
}

export interface QueueReader {
  /** Who waits, the first one first; without places that are damaged, which `runs.list` tells. */
  entries(): QueueEntry[];
}

export interface QueueWriter extends QueueReader {
  /** Puts a run at the end of the queue. @throws UserError where it is in it already, or in the trash */
  add(run: string, options?: { readonly device?: string; readonly threads?: number }): QueueEntry;
  /** @returns whether it was in the queue */
  remove(run: string): boolean;
  /** These come first, in this order; the others follow as they were. */
  reorder(runs: readonly string[]): void;
}

export interface CorpusReader {
  list(): CorpusRow[];
}

export interface CorpusWriter extends CorpusReader {
  /** Adds a corpus, or changes the one of that name. */
  put(corpus: Omit<CorpusRow, 'added'>): void;
  /** @returns whether it was there */
  remove(name: string): boolean;
}

export interface SettingReader {
  /** A setting, or undefined where it was never written or what is stored does not fit the schema. */
  get<T>(name: string, schema: z.ZodType<T>): T | undefined;
}

export interface SettingWriter extends SettingReader {
  /** Writes a setting, any JSON value; undefined deletes it. */
  set(name: string, value: unknown): void;
}

// How to open one:
//   openWritable(path, options?): WritableStore   makes, or migrates, the database
//   openReadable(path): ReadableStore             of a database that is there and current
// both from './open.js'.
