import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { explained, UserError } from '../../../shared/errors.js';
import { rowsAt } from '../../../shared/tables/plan.js';
import {
  remarksOf,
  reportOf,
  type ReportedRow,
  type ReportSource,
  type Spread,
  type TableReport,
} from '../../../shared/tables/report.js';
import { tableNamed, usualSeeds } from '../../../shared/tables/table.js';
import { tables } from '../../../shared/tables/tables.js';
import { runCorpusJob } from '../../corpora.js';
import { corporaFolder, databaseFile } from '../../data-folder.js';
import { csvLines } from '../../../shared/csv.js';
import { reportTable } from '../../store/table-export.js';
import { openIfThere, openReadable } from '../../store/open.js';
import { readRuns } from './read-runs.js';
import { withTableOptions, type TableOptions } from './reproduce.js';
import { integer, percent, perplexity, table as aligned } from './text.js';

/** `sparrow report TABLE [--scale quick|full] [--seeds N] [--csv FILE] [--json]` */
export function reportCommand(): Command {
  return withTableOptions(
    new Command('report').description(
      'What a table has come to: each row with its seeds, mean and spread, beside what was published.',
    ),
  )
    .argument('<table>', 'E1 to E10')
    .option('--csv <file>', 'as CSV, a line for each run; - is standard output')
    .option('--json', 'as JSON')
    .action(async (name: string, { scale, seeds, csv, json }: TableOptions & { csv?: string }) => {
      const table = tableNamed(name, tables);
      const views = [...(await readRuns(false)).runs, ...(await readRuns(true)).runs];
      const { corpora } = await runCorpusJob({ type: 'list', folder: corporaFolder() });
      const rows = rowsAt(
        table,
        scale,
        corpora.map((corpus) => corpus.name),
      );
      const report = await withSource((source) =>
        reportOf({ table, scale, rows, seeds: seeds ?? usualSeeds(table, scale), views }, source),
      );
      if (json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
      else if (csv === undefined) process.stdout.write(shown(report));
      if (csv !== undefined) write(csv, [...csvLines(reportTable(report))].join(''));
    });
}

/** Where there is no database there are no runs, and nothing is asked. */
async function withSource<T>(work: (source: ReportSource) => Promise<T>): Promise<T> {
  const store = openIfThere(databaseFile());
  const opened = () => store ?? openReadable(databaseFile()); // which says that there is none
  try {
    return await work({
      started: (id) => opened().runs.started(id),
      averaging: (id) => opened().events.of(id, { types: ['averaging'], limit: 1 }).length > 0,
      sparsity: (id) => opened().sparsity.rows(id),
      distance: (...places) => opened().topology.distance(...places),
    });
  } finally {
    store?.close();
  }
}

function write(file: string, text: string): void {
  if (file === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new UserError(`cannot write ${file}: ${explained(error).message}`);
  }
}

function shown({ table, title, question, scale, rows }: TableReport): string {
  const header = ['row', 'seeds', 'validation', 'test', 'published', 'active', 'minutes', ''];
  const lines = rows.map((row) => [
    row.title,
    `${finishedOf(row).length}/${row.runs.length}`,
    spread(row.validation),
    spread(row.test),
    publishedFigures(row),
    row.parameters === null ? '' : integer(row.parameters.active),
    minutesOf(row),
    remarksOf(row).join('; '),
  ]);
  return `${table}, ${scale}: ${title}\n${question}\n\n${aligned([header, ...lines])}${gatesOf(rows)}${topologyOf(rows)}${problems(rows)}`;
}

function spread(value: Spread | null): string {
  if (value === null) return '';
  return value.sd === null ? perplexity(value.mean) : `${perplexity(value.mean)} ± ${value.sd.toFixed(2)}`;
}

function publishedFigures({ published }: ReportedRow): string {
  if (published === null) return '';
  const { validation, test, spread: sd } = published;
  const figure = (value: number | null, deviation: number | undefined) =>
    value === null ? '-' : spread({ mean: value, sd: deviation ?? null });
  return `${figure(validation, sd?.validation)} / ${figure(test, sd?.test)}`;
}

function finishedOf({ runs }: ReportedRow) {
  return runs.filter(({ state }) => state === 'finished');
}

/** Of a run, on average. */
function minutesOf(row: ReportedRow): string {
  const finished = finishedOf(row);
  if (finished.length === 0) return '';
  return (finished.reduce((sum, { minutes }) => sum + minutes, 0) / finished.length).toFixed(1);
}

/** Densities of gates after the last update. */
function gatesOf(rows: readonly ReportedRow[]): string {
  const lines = rows.flatMap(({ title, gates }) =>
    gates.map(({ layer, gate, initial, final }) => [title, layer, gate, percent(initial), percent(final)]),
  );
  return lines.length === 0 ? '' : `\n${aligned([['row', 'layer', 'gate', 'at first', 'at last'], ...lines])}`;
}

/** How far apart the masks of a row's seeds are. */
function topologyOf(rows: readonly ReportedRow[]): string {
  const lines = rows.flatMap(({ title, topology }) => {
    if (topology === null) return [];
    const { first, last, matched, chance, moved } = topology;
    return [[title, ...[first, last, matched, chance, moved].map((distance) => distance.toFixed(3))]];
  });
  const header = ['distance of seeds', 'at first', 'at last', 'matched', 'chance', 'from its start'];
  return lines.length === 0 ? '' : `\n${aligned([header, ...lines])}`;
}

/** What is not as it should be, run by run. */
function problems(rows: readonly ReportedRow[]): string {
  const lines = rows.flatMap(({ runs }) =>
    runs.flatMap(({ id, state, problem }) => {
      if (id === null || !['failed', 'interrupted', 'stopped', 'paused', 'trashed'].includes(state)) return [];
      if (state === 'trashed') return [`${id} is in the trash: "sparrow rm --restore ${id}" takes it out\n`];
      return [`${id} is ${state}${problem === null ? '' : `: ${problem}`}\n`];
    }),
  );
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}
