import { z } from 'zod';
import type { RunView } from '../../shared/contract/contract.js';
import type { Standing } from '../../shared/derived-state.js';
import { UserError } from '../../shared/errors.js';
import type { RunEventOf } from '../../shared/run-events.js';
import type { CheckpointRow, RunRecord, SparsityRow, StoredEvent } from '../../shared/run-records.js';
import type { RunState } from '../../shared/run-state.js';
import type { SeriesAnswer, SeriesRequest } from '../../shared/series.js';
import type { ConnectionRow, MaskPlace, TopologyDistance } from '../../shared/topology.js';
import type { StoreReader } from '../store/reader.js';
import type { EventRange, ListOptions, ReadableStore, RunList } from '../store/store.js';
import type { Changes } from './changes.js';
import type { States } from './states.js';

/** So many runs are looked at here; more are read in the other thread. */
const fewRuns = 50;

/**
 * Runs as they are, for whoever asks. What may take long is read by another thread, so that the owner goes on with its
 * trainers meanwhile; a run that has changed before its rows are here is read again.
 */
export class Views {
  readonly #store: ReadableStore;
  readonly #reader: StoreReader;
  readonly #analyst: StoreReader;
  readonly #states: States;
  readonly #changes: Changes;

  constructor(
    store: ReadableStore,
    { reader, analyst }: { readonly reader: StoreReader; readonly analyst: StoreReader },
    states: States,
    changes: Changes,
  ) {
    this.#store = store;
    this.#reader = reader;
    this.#analyst = analyst;
    this.#states = states;
    this.#changes = changes;
  }

  /** @throws UserError where there is no such run */
  async get(id: string): Promise<RunView> {
    const { number } = this.#changes;
    return this.#view(await this.#reader.ask('runs', 'get', id), number);
  }

  async list(wanted: ListOptions = {}): Promise<Omit<RunList, 'runs'> & { runs: RunView[] }> {
    const { number } = this.#changes;
    const { runs, ...rest } = await this.#reader.ask('runs', 'list', wanted);
    return { runs: runs.flatMap((record) => ifThere(() => this.#view(record, number)) ?? []), ...rest };
  }

  /** Events of a run from a number on; `more` says whether there are others after them. */
  async events(id: string, range: Required<EventRange>): Promise<{ events: StoredEvent[]; more: boolean }> {
    const events = await this.#reader.ask('events', 'of', id, range);
    return { events, more: events.length === range.limit };
  }

  series(request: SeriesRequest): Promise<SeriesAnswer> {
    return this.#reader.ask('metrics', 'series', request);
  }

  sparsity(id: string, fromUpdate: number): Promise<SparsityRow[]> {
    return this.#reader.ask('sparsity', 'rows', id, fromUpdate);
  }

  connections(id: string): Promise<ConnectionRow[]> {
    return this.#analyst.ask('topology', 'connections', id);
  }

  distance(a: MaskPlace, b: MaskPlace, withMatching: boolean): Promise<TopologyDistance> {
    return this.#analyst.ask('topology', 'distance', a, b, withMatching);
  }

  checkpoints(id: string): Promise<CheckpointRow[]> {
    return this.#reader.ask('runs', 'checkpoints', id);
  }

  started(id: string): Promise<RunEventOf<'started'> | null> {
    return this.#reader.ask('runs', 'started', id);
  }

  /** Any JSON value; undefined where it was never set. */
  setting(name: string) {
    return this.#store.settings.get(name, z.json());
  }

  /** States of some runs, of those that are there; or of all, those in the trash among them. */
  async states(ids?: readonly string[]): Promise<Record<string, RunState>> {
    const { number } = this.#changes;
    const few = ids !== undefined && ids.length <= fewRuns;
    const standings = few
      ? this.#store.runs.standings(ids)
      : await this.#reader.ask('runs', 'standings', ...(ids === undefined ? [] : [ids]));
    const states: Record<string, RunState> = {};
    for (const standing of standings) {
      const state = ifThere(() => this.#stateOf(standing, number));
      if (state !== undefined) states[standing.id] = state;
    }
    return states;
  }

  #view(record: RunRecord, number: number): RunView {
    const fresh = this.#changes.isNewer(record.id, number) ? this.#store.runs.get(record.id) : record;
    return { record: fresh, state: this.#states.of(fresh) };
  }

  #stateOf(standing: Standing, number: number): RunState {
    const { id } = standing;
    return this.#changes.isNewer(id, number) ? this.#states.ofId(id) : this.#states.of(standing);
  }
}

/** Undefined where a run has been deleted, or damaged, meanwhile. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
