import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Command, Option } from 'commander';
import { compareRuns, type Comparison } from '../../../shared/comparison.js';
import { explained, UserError } from '../../../shared/errors.js';
import { tableRow } from '../../../shared/run-table.js';
import { metricNames } from '../../../shared/series.js';
import { databaseFile } from '../../data-folder.js';
import type { CsvTable } from '../../../shared/csv.js';
import { writeCsv } from '../../store/csv.js';
import { comparisonTable, longCurves, runsTable, sparsityTable, wideCurves } from '../../store/exports.js';
import { openReadable } from '../../store/open.js';
import type { ReadableStore } from '../../store/store.js';
import { readRunsNamed } from './read-runs.js';
import { perplexity, table } from './text.js';

const contents = ['curves', 'wide', 'sparsity', 'runs'] as const;
type Content = (typeof contents)[number];

interface ExportOptions {
  readonly csv: string;
  readonly what: Content;
  readonly metric: readonly string[];
}

/** `sparrow export ID... --csv FILE [--what curves|wide|sparsity|runs] [--metric NAME]...` */
export function exportCommand(): Command {
  return new Command('export')
    .description(
      'Write runs as CSV: curves (a line for each value, or wide: for each step), sparsity, or the table of runs.',
    )
    .argument('<id...>', 'the runs')
    .requiredOption('--csv <file>', 'where to; - is standard output')
    .addOption(new Option('--what <content>', 'what of them').choices(contents).default('curves'))
    .option(
      '--metric <name>',
      'only this metric in curves; may be repeated',
      (name, names) => [...names, name],
      [] as string[],
    )
    .action(async (ids: string[], { csv, what, metric }: ExportOptions) => {
      const unknown = metric.find((name) => !(metricNames as readonly string[]).includes(name));
      if (unknown !== undefined) throw new UserError(`${unknown}: no such metric; there are ${metricNames.join(', ')}`);
      const rows = (await readRunsNamed(ids)).map(({ record, state }) => tableRow(record, state));
      const metrics = metric.length === 0 ? metricNames : metric;
      await writeTable(csv, (store) => {
        switch (what) {
          case 'curves':
            return longCurves(store, ids, metrics);
          case 'wide':
            return wideCurves(store, ids, metrics);
          case 'sparsity':
            return sparsityTable(store, ids);
          case 'runs':
            return runsTable(rows);
        }
      });
    });
}

/** `sparrow compare ID ID... [--baseline ID] [--reach PERPLEXITY]... [--csv FILE] [--json]` */
export function compareCommand(): Command {
  return new Command('compare')
    .description('Put runs side by side: what they reached, when, and where their configurations differ.')
    .argument('<id...>', 'the runs')
    .option('--baseline <id>', 'the run that others are measured against (the first)')
    .option('--reach <perplexity>', 'tell the first step at or below it; may be repeated', reached, [] as number[])
    .option('--csv <file>', 'as CSV; - is standard output')
    .option('--json', 'as JSON')
    .action(
      async (ids: string[], options: { baseline?: string; reach: readonly number[]; csv?: string; json?: true }) => {
        const { baseline, reach, csv, json } = options;
        if (ids.length < 2) throw new UserError(`${ids.join()}: name two runs or more to compare them`);
        if (baseline !== undefined && !ids.includes(baseline)) {
          throw new UserError(`--baseline ${baseline}: must be one of the compared runs ${ids.join(', ')}`);
        }
        const views = await readRunsNamed(ids);
        const store = openReadable(databaseFile());
        let comparison: Comparison;
        try {
          const [first, ...others] = views.map(({ record, state }) => ({
            row: tableRow(record, state),
            validation: store.metrics.values(record.id, 'validationPerplexity'),
          }));
          comparison = compareRuns([first, ...others], { reach, ...(baseline === undefined ? {} : { baseline }) });
        } finally {
          store.close();
        }
        if (json === true) process.stdout.write(`${JSON.stringify(comparison)}\n`);
        else if (csv === undefined) process.stdout.write(sideBySide(comparison));
        if (csv !== undefined) await writeTable(csv, () => comparisonTable(comparison));
      },
    );
}

function reached(text: string, before: readonly number[]): number[] {
  const value = Number(text);
  if (text.trim() === '' || !(value > 1))
    throw new UserError(`--reach ${text}: must be a perplexity, a number above 1`);
  return [...before, value];
}

function sideBySide({ runs, reach, differences }: Comparison): string {
  const shown = (value: number | null) => (value === null ? '-' : perplexity(value));
  const change = (value: number | null) => (value === null ? '-' : `${value > 0 ? '+' : ''}${value.toFixed(2)}`);
  return table([
    ['', ...runs.map(({ id }) => id)],
    ['state', ...runs.map(({ state }) => state)],
    ['best validation', ...runs.map((run) => shown(run.bestValidationPerplexity))],
    ['  to baseline', ...runs.map((run) => change(run.bestDelta))],
    ['test', ...runs.map((run) => shown(run.testPerplexity))],
    ['  to baseline', ...runs.map((run) => change(run.testDelta))],
    ...reach.map((wanted, i) => [
      `steps to ${wanted}`,
      ...runs.map(({ stepsToReach }) => String(stepsToReach[i] ?? '-')),
    ]),
    ...differences.map(({ field, values }) => [field, ...values.map(String)]),
  ]);
}

/** A file takes its name when it is whole. */
export async function writeTable(file: string, tableOf: (store: ReadableStore) => CsvTable): Promise<void> {
  const store = openReadable(databaseFile());
  try {
    if (file === '-') {
      await writeCsv(tableOf(store), process.stdout);
      return;
    }
    const partial = `${file}.partial`;
    try {
      await writeCsv(tableOf(store), createWriteStream(partial));
      renameSync(partial, file);
    } catch (error) {
      rmSync(partial, { force: true });
      throw new UserError(`cannot write ${file}: ${explained(error).message}`);
    }
  } finally {
    store.close();
  }
}
