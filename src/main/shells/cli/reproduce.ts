import { Command, Option } from 'commander';
import type { ReproducedRun } from '../../../shared/contract/tables.js';
import { costOf } from '../../../shared/tables/plan.js';
import { scales, type Scale } from '../../../shared/tables/table.js';
import { tables } from '../../../shared/tables/tables.js';
import { askInBackground } from './session.js';
import { integer, table as aligned } from './text.js';
import { wholeNumber } from './train.js';

export interface TableOptions {
  readonly scale: Scale;
  readonly seeds?: number;
  readonly json?: true;
}

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
    .action(async (table: string | undefined, options: TableOptions & { threads?: number }) => {
      const { json, ...how } = options;
      if (table === undefined) {
        process.stdout.write(json === true ? `${JSON.stringify(listing())}\n` : listed());
        return;
      }
      const { runs } = await askInBackground((client) => client.tables.reproduce({ table, ...how }));
      process.stdout.write(json === true ? `${JSON.stringify(runs)}\n` : told(runs));
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
    .option('--seeds <n>', 'how many seeds of each row (quick 3, full 1, E2 full 3)', wholeNumber(1, 1000));
}

const words: Readonly<Record<ReproducedRun['done'], (run: ReproducedRun) => string>> = {
  queued: () => 'queued',
  resumed: ({ state }) => `was ${state}: resumed`,
  nothing: ({ state }) => `is ${state}`,
  refused: ({ state, problem }) => `stays ${state}: ${problem ?? ''}`,
};

function told(runs: readonly ReproducedRun[]): string {
  const count = (what: ReproducedRun['done']) => runs.filter(({ done }) => done === what).length;
  const lines = runs.map((run) => [run.row, `seed ${run.seed}`, run.id, words[run.done](run)]);
  const refused = count('refused') === 0 ? '' : `, ${count('refused')} not resumed`;
  return `${aligned(lines)}${count('queued')} queued, ${count('resumed')} resumed, ${count('nothing')} there already${refused}\n`;
}

function listing() {
  return tables.map((table) => {
    const { id, title, question } = table;
    return { id, title, question, quick: costOf(table, 'quick'), full: costOf(table, 'full') };
  });
}

/** What each asks for: rows, runs with the usual seeds, and epochs of all of them. */
function listed(): string {
  const costs = listing().map(({ id, title, quick, full }) => {
    const cells = [quick, full].flatMap(({ rows, runs, epochs }) => [integer(rows), integer(runs), integer(epochs)]);
    return [id, ...cells, title];
  });
  const header = ['', 'quick: rows', 'runs', 'epochs', 'full: rows', 'runs', 'epochs', ''];
  return aligned([header, ...costs]);
}
