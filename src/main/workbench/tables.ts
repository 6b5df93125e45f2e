import type { RunView } from '../../shared/contract/contract.js';
import type { AskedTable, ReproducedRun } from '../../shared/contract/tables.js';
import { UserError } from '../../shared/errors.js';
import type { RunConfig } from '../../shared/run-config.js';
import { planOf, rowsAt, type PlannedRun } from '../../shared/tables/plan.js';
import { reportedRuns, reportOf, type RunFindings, type TableReport } from '../../shared/tables/report.js';
import { tableNamed, usualSeeds } from '../../shared/tables/table.js';
import { tables } from '../../shared/tables/tables.js';
import type { StoreReader } from '../store/reader.js';
import type { Commands } from './commands.js';
import type { Corpora } from './corpora.js';
import type { Views } from './views.js';

/** A trainer that dies while nobody watches is started again. */
const restarts = 3;

/** The published tables, as they are reproduced here. */
export class Tables {
  readonly #commands: Commands;
  readonly #views: Views;
  readonly #corpora: Corpora;
  readonly #reader: StoreReader;
  #last: Promise<unknown> = Promise.resolve();

  constructor(commands: Commands, views: Views, corpora: Corpora, reader: StoreReader) {
    this.#commands = commands;
    this.#views = views;
    this.#corpora = corpora;
    this.#reader = reader;
  }

  /** @throws UserError where there is no such table */
  async report({ table: name, scale, seeds }: AskedTable): Promise<TableReport> {
    const table = tableNamed(name, tables);
    const [views, corpora] = [await this.#runs(), await this.#names()];
    const asked = [table, scale, rowsAt(table, scale, corpora), seeds ?? usualSeeds(table, scale), views] as const;
    const findings = new Map<string, RunFindings>();
    for (const id of reportedRuns(...asked)) findings.set(id, await this.#findings(id, table.gates === true));
    return reportOf(...asked, findings);
  }

  /**
   * Queues the runs of a table that are not there, and those that have ended before their time. Of two that ask at once the
   * second finds what the first has queued.
   * @throws UserError where there is no such table, or the text is not here
   */
  reproduce(asked: AskedTable & { readonly threads?: number | undefined }): Promise<ReproducedRun[]> {
    const done = this.#last.then(() => this.#reproduce(asked));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #reproduce({
    table: name,
    scale,
    seeds,
    threads,
  }: AskedTable & { readonly threads?: number | undefined }): Promise<ReproducedRun[]> {
    const table = tableNamed(name, tables);
    const here = { corpora: await this.#names(), views: await this.#runs() };
    const plan = planOf(table, scale, seeds ?? usualSeeds(table, scale), here);
    const fresh = plan.filter(({ task }) => task === 'create');
    const configs = fresh.map(({ config }) => withThreads(config, threads));
    const ids = configs.length === 0 ? [] : this.#commands.create(configs, restarts);
    return plan.map((planned) => {
      const { row, config, view } = planned;
      const what = { row: row.name, seed: config.seed };
      if (view === undefined) {
        return { id: ids[fresh.indexOf(planned)], ...what, done: 'queued', state: 'queued', problem: null };
      }
      return { id: view.record.id, ...what, state: view.state.state, ...this.#goOn(planned, view, threads) };
    });
  }

  /** One that cannot be resumed keeps nobody from the others. */
  #goOn({ task }: PlannedRun, { record: { id } }: RunView, threads?: number): Pick<ReproducedRun, 'done' | 'problem'> {
    if (task !== 'resume') return { done: 'nothing', problem: null };
    try {
      this.#commands.resume(id, { restarts, threads });
      return { done: 'resumed', problem: null };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { done: 'refused', problem: error.message };
    }
  }

  async #runs(): Promise<RunView[]> {
    const [{ runs }, trash] = [await this.#views.list(false), await this.#views.list(true)];
    return [...runs, ...trash.runs];
  }

  async #names(): Promise<string[]> {
    const { corpora } = await this.#corpora.list();
    return corpora.map(({ name }) => name);
  }

  async #findings(id: string, withGates: boolean): Promise<RunFindings> {
    const averaging = await this.#reader.ask('events', 'of', id, { types: ['averaging'], limit: 1 });
    return {
      started: await this.#views.started(id),
      averaging: averaging.length > 0,
      sparsity: withGates ? await this.#views.sparsity(id, 0) : [],
    };
  }
}

function withThreads(config: RunConfig, threads: number | undefined): RunConfig {
  return threads === undefined ? config : { ...config, device: { ...config.device, threads } };
}
