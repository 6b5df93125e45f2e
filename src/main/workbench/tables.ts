import type { RunView } from '../../shared/contract/contract.js';
import type { AskedTable, ReproducedRun } from '../../shared/contract/tables.js';
import { UserError } from '../../shared/errors.js';
import type { RunConfig } from '../../shared/run-config.js';
import { planOf, rowsAt, type PlannedRun } from '../../shared/tables/plan.js';
import { reportOf, type TableReport } from '../../shared/tables/report.js';
import { tableNamed, usualSeeds } from '../../shared/tables/table.js';
import { tables } from '../../shared/tables/tables.js';
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
  #last: Promise<unknown> = Promise.resolve();

  constructor(commands: Commands, views: Views, corpora: Corpora) {
    this.#commands = commands;
    this.#views = views;
    this.#corpora = corpora;
  }

  /** @throws UserError where there is no such table */
  async report({ table: name, scale, seeds }: AskedTable): Promise<TableReport> {
    const table = tableNamed(name, tables);
    const rows = rowsAt(table, scale, await this.#names());
    const asked = { table, scale, rows, seeds: seeds ?? usualSeeds(table, scale), views: await this.#runs() };
    return reportOf(asked, {
      started: (id) => this.#views.started(id),
      averaging: async (id) => {
        const { events } = await this.#views.events(id, { from: 0, types: ['averaging'], limit: 1 });
        return events.length > 0;
      },
      sparsity: (id) => this.#views.sparsity(id, 0),
      distance: (...places) => this.#views.distance(...places),
    });
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
}

function withThreads(config: RunConfig, threads: number | undefined): RunConfig {
  return threads === undefined ? config : { ...config, device: { ...config.device, threads } };
}
