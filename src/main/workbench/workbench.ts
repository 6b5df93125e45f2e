import { join } from 'node:path';
import type { RunConfig } from '../../shared/run-config.js';
import type { RunFacts } from '../../shared/run-events.js';
import type { StoreReader } from '../store/reader.js';
import type { WritableStore } from '../store/store.js';
import { factsOf } from '../trainers/probe.js';
import { Changes } from './changes.js';
import { Commands } from './commands.js';
import { Corpora } from './corpora.js';
import { demonstrate } from './demonstration.js';
import { Exports } from './exports.js';
import { News } from './news.js';
import { Scheduler, type SchedulerOptions } from './scheduler.js';
import { Tables } from './tables.js';
import { Views } from './views.js';

export interface WorkbenchOptions extends Omit<SchedulerOptions, 'folderOf'> {
  /** Holds a folder for each run. */
  readonly runsFolder: string;
  /** Of the same database, in another thread. */
  readonly reader: StoreReader;
  /** Of the corpus process, if not the one beside this. */
  readonly corpusProgram?: string;
  /** Likewise, for what takes a second or more: reads of rows do not wait for it. */
  readonly analyst: StoreReader;
}

/** The core of the owner of a data folder: the only one that writes, starts trainers and decides what runs. */
export class Workbench {
  readonly scheduler: Scheduler;
  readonly commands: Commands;
  readonly views: Views;
  readonly news: News;
  readonly exports: Exports;
  readonly corpora: Corpora;
  readonly tables: Tables;
  /** Path of its file. */
  readonly database: string;

  readonly #store: WritableStore;
  readonly #corporaFolder: string;

  /** Takes over what the last owner has left: runs whose trainer is gone are interrupted, the queue goes on. */
  constructor(options: WorkbenchOptions) {
    const { store, runsFolder, reader, analyst } = options;
    const folderOf = (id: string) => join(runsFolder, id);
    const changes = new Changes();
    this.#store = store;
    this.#corporaFolder = options.corporaFolder;
    store.runs.settle(new Set());
    this.scheduler = new Scheduler({ ...options, folderOf }, changes);
    this.commands = new Commands(store, this.scheduler, changes, folderOf);
    this.views = new Views(store, { reader, analyst }, this.scheduler.states, changes);
    this.news = new News(store, reader, this.views, changes);
    this.corpora = new Corpora(options.corporaFolder, (name) => this.#isTrainedOn(name), options.corpusProgram);
    this.tables = new Tables(this.commands, this.views, this.corpora);
    this.exports = new Exports(store, this.scheduler.states, (asked) => this.tables.report(asked));
    this.database = store.path;
  }

  /** @throws UserError where a configuration does not fit the machine, or its corpus is not there */
  facts(config: RunConfig): Promise<RunFacts> {
    return factsOf(config, this.#corporaFolder);
  }

  /** Queues the demonstration, if it is time for it. @returns its runs */
  demonstrate(): string[] {
    return demonstrate(this.#store, this.commands);
  }

  /**
   * Stops every trainer and waits until they are gone. Those that `handOver` names go back to the head of the queue, for the
   * next owner.
   */
  async close(handOver: (id: string) => boolean): Promise<void> {
    this.corpora.close();
    await this.scheduler.close(handOver);
    await this.news.close();
  }

  #isTrainedOn(corpus: string): boolean {
    return this.#store.runs
      .list()
      .runs.some(({ id, config }) => config.corpus.name === corpus && this.scheduler.stateOf(id) !== undefined);
  }
}
