import { z } from 'zod';
import type { RunView } from '../contract/contract.js';
import { published, publishedResultSchema } from '../published.js';
import type { RunConfig } from '../run-config.js';
import type { RunEventOf } from '../run-events.js';
import type { SparsityRow } from '../run-records.js';
import { tableRow } from '../run-table.js';
import { runOf, trashedRunOf } from './standing.js';
import { configOf, scales, type Scale, type Table, type TableRow } from './table.js';

/** What a table has come to: the runs of each row, their mean and spread, and what others have published. */

/** What is known of a run besides its record. */
export interface RunFindings {
  readonly started: RunEventOf<'started'> | null;
  /** Whether it has begun to average. */
  readonly averaging: boolean;
  /** Layers and gates after each topology update, where the table tells them. */
  readonly sparsity: readonly SparsityRow[];
}

const count = z.int().min(0);
const figure = z.number().nullable();

const reportedRunSchema = z.object({
  seed: count,
  /** Null where there is none yet. */
  id: z.string().nullable(),
  /** That of the run, or `missing`, or `trashed` where there is one in the trash alone. */
  state: z.string(),
  /** Why it has failed or was interrupted. */
  problem: z.string().nullable(),
  validation: figure,
  test: figure,
  minutes: z.number(),
  /** Why its result says nothing about its row, where it is so. */
  uninformative: z.string().nullable(),
});
export type ReportedRun = z.output<typeof reportedRunSchema>;

/** Of numbers from several seeds; `sd` with one less in the divisor, null of a single one. */
const spreadSchema = z.object({ mean: z.number(), sd: figure });
export type Spread = z.output<typeof spreadSchema>;

const reportedRowSchema = z.object({
  name: z.string(),
  title: z.string(),
  /** Of each of its runs. */
  epochs: count,
  runs: z.array(reportedRunSchema),
  /** Of finished runs. */
  validation: spreadSchema.nullable(),
  test: spreadSchema.nullable(),
  parameters: z.object({ active: count, total: count }).nullable(),
  published: publishedResultSchema.nullable(),
  /** Densities when training began and after the last update, mean over seeds; empty unless the table asks for them. */
  gates: z.array(z.object({ layer: z.string(), gate: z.string(), initial: z.number(), final: z.number() })),
});
export type ReportedRow = z.output<typeof reportedRowSchema>;

export const tableReportSchema = z.object({
  table: z.string(),
  title: z.string(),
  question: z.string(),
  scale: z.enum(scales),
  rows: z.array(reportedRowSchema),
});
export type TableReport = z.output<typeof tableReportSchema>;

/**
 * @param seeds how many each row should have
 * @param views all runs, those in the trash as well, the oldest first
 * @param findings by the id of a run, of those that `reportedRuns` names
 */
export function reportOf(
  table: Table,
  scale: Scale,
  rows: readonly TableRow[],
  seeds: number,
  views: readonly RunView[],
  findings: ReadonlyMap<string, RunFindings>,
): TableReport {
  const { id, title, question, gates } = table;
  const reported = rows.map((row): ReportedRow => {
    const configs = configsOf(table, scale, row, seeds);
    const found = configs.map((config) => ({ config, view: runOf(config, views) }));
    const runs = found.map(({ config, view }) =>
      view === undefined
        ? missingRun(config, views)
        : reportedRun(config, view, findings.get(view.record.id) ?? nothingFound),
    );
    const finished = runs.filter(({ state }) => state === 'finished');
    return {
      name: row.name,
      title: row.title,
      epochs: configs[0].training.epochs,
      runs,
      validation: spreadOf(finished.flatMap(({ validation }) => validation ?? [])),
      test: spreadOf(finished.flatMap(({ test }) => test ?? [])),
      parameters: found.map(({ view }) => view?.record.progress.parameters).find((known) => known != null) ?? null,
      published: published.find(({ name }) => name === row.published) ?? null,
      gates: gates === true ? gateDensities(finished.flatMap((run) => findings.get(run.id ?? '') ?? [])) : [],
    };
  });
  return { table: id, title, question, scale, rows: reported };
}

/** The runs that a report is about, where they are there. */
export function reportedRuns(
  table: Table,
  scale: Scale,
  rows: readonly TableRow[],
  seeds: number,
  views: readonly RunView[],
): string[] {
  const configs = rows.flatMap((row) => configsOf(table, scale, row, seeds));
  return configs.flatMap((config) => runOf(config, views)?.record.id ?? []);
}

const nothingFound: RunFindings = { started: null, averaging: false, sparsity: [] };

function configsOf(table: Table, scale: Scale, row: TableRow, seeds: number): [RunConfig, ...RunConfig[]] {
  const config = (index: number) => configOf(table, scale, row, index);
  return [config(0), ...Array.from({ length: seeds - 1 }, (_, index) => config(index + 1))];
}

function missingRun(config: RunConfig, views: readonly RunView[]): ReportedRun {
  const trashed = trashedRunOf(config, views)?.record.id ?? null;
  return {
    ...{ seed: config.seed, id: trashed, state: trashed === null ? 'missing' : 'trashed', problem: null },
    ...{ validation: null, test: null, minutes: 0, uninformative: null },
  };
}

function reportedRun(config: RunConfig, view: RunView, findings: RunFindings): ReportedRun {
  const { seed } = config;
  const { id, state, bestValidationPerplexity, testPerplexity, durationMs } = tableRow(view.record, view.state);
  return {
    ...{ seed, id, state },
    problem: problemOf(view),
    validation: bestValidationPerplexity,
    test: testPerplexity,
    minutes: durationMs / 60_000,
    uninformative: state === 'finished' ? uninformative(config, testPerplexity, findings) : null,
  };
}

function problemOf({ state }: RunView): string | null {
  if (state.state === 'failed') return state.error;
  return state.state === 'interrupted' ? state.reason : null;
}

/** A run that did not do what its row is about, or has learnt less than how often words occur. */
function uninformative(
  { optimizer: { kind } }: RunConfig,
  test: number | null,
  { started, averaging }: RunFindings,
): string | null {
  const unigram = started?.corpus.reference.test.unigram;
  if (test === null || !Number.isFinite(test)) return 'its perplexity is not finite';
  if (unigram !== undefined && test > unigram) return `above the unigram's perplexity, ${unigram.toFixed(1)}`;
  if ((kind === 'snt-asgd' || kind === 'nt-asgd') && !averaging) return 'averaging never began';
  return null;
}

/** What a row's figures do not say: runs without a result, and results that say nothing about the row. */
export function remarksOf({ runs }: Pick<ReportedRow, 'runs'>): string[] {
  const failed = runs.filter(({ state }) => state === 'failed').length;
  const reasons = new Set(runs.flatMap(({ uninformative }) => uninformative ?? []));
  return [
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(reasons.size === 0 ? [] : [`not informative: ${[...reasons].join(', ')}`]),
  ];
}

function spreadOf(values: readonly number[]): Spread | null {
  const { length } = values;
  if (length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length === 1) return { mean, sd: null };
  return { mean, sd: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1)) };
}

function gateDensities(runs: readonly RunFindings[]): ReportedRow['gates'] {
  const byGate = new Map<string, { layer: string; gate: string; initial: number[]; final: number[] }>();
  for (const { sparsity } of runs) {
    const last = Math.max(...sparsity.map(({ update }) => update));
    for (const { update, layer, gate, active, size } of sparsity) {
      if (gate === null || (update !== 0 && update !== last)) continue;
      const key = JSON.stringify([layer, gate]);
      const densities = byGate.get(key) ?? { layer, gate, initial: [], final: [] };
      byGate.set(key, densities);
      if (update === 0) densities.initial.push(active / size);
      if (update === last) densities.final.push(active / size);
    }
  }
  return [...byGate.values()].flatMap(({ layer, gate, initial, final }) => {
    const [before, after] = [spreadOf(initial), spreadOf(final)];
    return before === null || after === null ? [] : { layer, gate, initial: before.mean, final: after.mean };
  });
}
