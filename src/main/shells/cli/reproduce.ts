import { Command, Option } from 'commander';
import type { Client } from '../../../shared/contract/client.js';
import type { RunConfig } from '../../../shared/run-config.js';
import { planOf, type PlannedRun } from '../../../shared/tables/plan.js';
import { scales, tableNamed, usualSeeds, type Scale } from '../../../shared/tables/table.js';
import { tables } from '../../../shared/tables/tables.js';
import { askInBackground } from './session.js';
import { table as aligned } from './text.js';
import { wholeNumber } from './train.js';

export interface TableOptions {
  readonly scale: Scale;
  readonly seeds?: number;
  readonly json?: true;
}

/** A trainer that dies while nobody watches is started again. */
const restarts = 3;

/** `sparrow reproduce [TABLE] [--scale quick|full] [--seeds N] [--threads N] [--json]` */
export function reproduceCommand(): Command {
  return withTableOptions(
    new Command('reproduce').description(
      'Queue the runs of a published table that are not there yet, and go on with those that were interrupted; without a table, list them.',
    ),
  )
    .argument('[table]', 'E1 to E10')
    .option('--threads <n>', 'most threads of each run, where not as its row says', wholeNumber(0, 1024))
    .option('--json', 'what was done about each run, as a JSON array')
    .action(async (name: string | undefined, options: TableOptions & { threads?: number }) => {
      if (name === undefined) {
        process.stdout.write(options.json === true ? `${JSON.stringify(listing())}\n` : listed());
        return;
      }
      const table = tableNamed(name, tables);
      const { scale, seeds = usualSeeds[scale], threads, json } = options;
      const done = await askInBackground(async (client) => {
        const [{ runs }, { corpora }] = [await client.runs.list({}), await client.corpora.list({})];
        const here = { views: runs, corpora: corpora.map((corpus) => corpus.name) };
        return queue(client, planOf(table, scale, seeds, here), threads);
      });
      process.stdout.write(json === true ? `${JSON.stringify(done)}\n` : told(done));
    });
}

/** Scale and seeds, which "reproduce" and "report" understand alike. */
export function withTableOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--scale <scale>', 'a small network in minutes, or the published recipe')
        .choices(scales)
        .default('quick'),
    )
    .option('--seeds <n>', 'how many seeds of each row (quick 3, full 1)', wholeNumber(1, 1000));
}

interface Done {
  readonly id: string;
  readonly row: string;
  readonly seed: number;
  readonly done: 'queued' | 'resumed' | 'nothing';
  readonly state: string;
}

async function queue(client: Client, plan: readonly PlannedRun[], threads: number | undefined): Promise<Done[]> {
  const fresh = plan.filter(({ task }) => task === 'create');
  const configs = fresh.map(({ config }) => withThreads(config, threads));
  const { ids } = configs.length === 0 ? { ids: [] } : await client.runs.create({ configs, restarts });
  const done: Done[] = [];
  for (const { row, config, view, task } of plan) {
    const what = { row: row.name, seed: config.seed };
    if (view === undefined) {
      done.push({
        id: ids[fresh.findIndex((planned) => planned.config === config)],
        ...what,
        done: 'queued',
        state: 'queued',
      });
      continue;
    }
    const { id } = view.record;
    if (task === 'resume') await client.runs.resume({ id, restarts, ...(threads === undefined ? {} : { threads }) });
    done.push({ id, ...what, done: task === 'resume' ? 'resumed' : 'nothing', state: view.state.state });
  }
  return done;
}

function withThreads(config: RunConfig, threads: number | undefined): RunConfig {
  return threads === undefined ? config : { ...config, device: { ...config.device, threads } };
}

function told(done: readonly Done[]): string {
  const count = (what: Done['done']) => done.filter((one) => one.done === what).length;
  const lines = done.map(({ id, row, seed, done: what, state }) => [
    row,
    `seed ${seed}`,
    id,
    what === 'nothing' ? `is ${state}` : what === 'resumed' ? `was ${state}: resumed` : what,
  ]);
  return `${aligned(lines)}${count('queued')} queued, ${count('resumed')} resumed, ${count('nothing')} there already\n`;
}

function listing() {
  return tables.map(({ id, title, question, quick, full }) => {
    return { id, title, question, rows: { quick: quick('mini-ptb').length, full: full.length } };
  });
}

function listed(): string {
  const rows = listing().map(({ id, title, rows: { quick, full } }) => [id, String(quick), String(full), title]);
  return aligned([['table', 'quick rows', 'full rows', ''], ...rows]);
}
