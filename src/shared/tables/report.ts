import { z } from 'zod';
import type { RunView } from '../contract/contract.js';
import { published, publishedResultSchema } from '../published.js';
import type { RunConfig } from '../run-config.js';
import type { RunEventOf } from '../run-events.js';
import type { SparsityRow } from '../run-records.js';
import { tableRow } from '../run-table.js';
import type { MaskPlace, NetworkDistance } from '../topology.js';
import { runOf, trashedRunOf } from './standing.js';
import { configOf, scales, type Scale, type Table, type TableRow } from './table.js';

/** What a table has come to: the runs of each row, their mean and spread, and what others have published. */

type Answer<T> = T | Promise<T>;

/** Where a report finds what the records of runs do not say. */
export interface ReportSource {
  started(id: string): Answer<RunEventOf<'started'> | null>;
  /** Whether a run has begun to average. */
  averaging(id: string): Answer<boolean>;
  /** Layers and gates after each topology update. */
  sparsity(id: string): Answer<readonly SparsityRow[]>;
  distance(a: MaskPlace, b: MaskPlace, matched: boolean): Answer<NetworkDistance>;
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

/** How far apart the masks of a row's runs are, mean over all pairs of seeds. */
const topologySchema = z.object({
  first: z.number(),
  last: z.number(),
  /** At last, with units matched. */
  matched: z.number(),
  /** What independent masks would have. */
  chance: z.number(),
  /** From the first masks of a run to its last ones. */
  moved: z.number(),
});
type RowTopology = z.output<typeof topologySchema>;

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
  /** Null unless the table asks for it and there are two finished runs. */
  topology: topologySchema.nullable(),
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

/** What a report is about. */
interface Asked {
  readonly table: Table;
  readonly scale: Scale;
  readonly rows: readonly TableRow[];
  /** How many each row should have. */
  readonly seeds: number;
  /** All runs, those in the trash as well, the oldest first. */
  readonly views: readonly RunView[];
}

export async function reportOf(asked: Asked, source: ReportSource): Promise<TableReport> {
  const { table, scale, rows } = asked;
  const { id, title, question } = table;
  const reported: ReportedRow[] = [];
  for (const row of rows) reported.push(await reportedRow(row, asked, source));
  return { table: id, title, question, scale, rows: reported };
}

async function reportedRow(row: TableRow, asked: Asked, source: ReportSource): Promise<ReportedRow> {
  const { table, scale, seeds, views } = asked;
  const runs: ReportedRun[] = [];
  let parameters: ReportedRow['parameters'] = null;
  for (let index = 0; index < seeds; index++) {
    const config = configOf(table, scale, row, index);
    const view = runOf(config, views);
    runs.push(view === undefined ? missingRun(config, views) : await reportedRun(config, view, source));
    parameters ??= view?.record.progress.parameters ?? null;
  }
  const finished = runs.flatMap((run) => (run.state === 'finished' && run.id !== null ? { ...run, id: run.id } : []));
  const ids = finished.map((run) => run.id);
  return {
    name: row.name,
    title: row.title,
    epochs: configOf(table, scale, row, 0).training.epochs,
    runs,
    validation: spreadOf(finished.flatMap(({ validation }) => validation ?? [])),
    test: spreadOf(finished.flatMap(({ test }) => test ?? [])),
    parameters,
    published: published.find(({ name }) => name === row.published) ?? null,
    gates: table.tells === 'gates' ? await gateDensities(ids, source) : [],
    topology: table.tells === 'topology' ? await topologyOf(ids, source) : null,
  };
}

function missingRun(config: RunConfig, views: readonly RunView[]): ReportedRun {
  const trashed = trashedRunOf(config, views)?.record.id ?? null;
  return {
    ...{ seed: config.seed, id: trashed, state: trashed === null ? 'missing' : 'trashed', problem: null },
    ...{ validation: null, test: null, minutes: 0, uninformative: null },
  };
}

async function reportedRun(config: RunConfig, view: RunView, source: ReportSource): Promise<ReportedRun> {
  const { id, state, bestValidationPerplexity, testPerplexity, durationMs } = tableRow(view.record, view.state);
  return {
    ...{ seed: config.seed, id, state },
    problem: problemOf(view),
    validation: bestValidationPerplexity,
    test: testPerplexity,
    minutes: durationMs / 60_000,
    uninformative: state === 'finished' ? await uninformative(id, config, testPerplexity, source) : null,
  };
}

function problemOf({ state }: RunView): string | null {
  if (state.state === 'failed') return state.error;
  return state.state === 'interrupted' ? state.reason : null;
}

/** A run that did not do what its row is about, or has learnt less than how often words occur. */
async function uninformative(
  id: string,
  { optimizer: { kind } }: RunConfig,
  test: number | null,
  source: ReportSource,
): Promise<string | null> {
  const started = await source.started(id);
  const unigram = started?.corpus.reference.test.unigram;
  if (test === null || !Number.isFinite(test)) return 'its perplexity is not finite';
  if (unigram !== undefined && test > unigram) return `above the unigram's perplexity, ${unigram.toFixed(1)}`;
  const averages = kind === 'snt-asgd' || kind === 'nt-asgd';
  return averages && !(await source.averaging(id)) ? 'averaging never began' : null;
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

async function gateDensities(ids: readonly string[], source: ReportSource): Promise<ReportedRow['gates']> {
  const byGate = new Map<string, { layer: string; gate: string; initial: number[]; final: number[] }>();
  for (const id of ids) {
    const sparsity = await source.sparsity(id);
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

async function topologyOf(ids: readonly string[], source: ReportSource): Promise<RowTopology | null> {
  const pairs = ids.flatMap((a, i) => ids.slice(i + 1).map((b) => [a, b] as const));
  if (pairs.length === 0) return null;
  const found = { first: [], last: [], matched: [], chance: [], moved: [] } as Record<keyof RowTopology, number[]>;
  for (const [a, b] of pairs) {
    found.first.push((await source.distance({ run: a, update: 0 }, { run: b, update: 0 }, false)).distance);
    const { distance, matched, chance } = await source.distance({ run: a }, { run: b }, true);
    found.last.push(distance);
    found.matched.push(matched ?? distance);
    found.chance.push(chance);
  }
  for (const id of ids) {
    found.moved.push((await source.distance({ run: id, update: 0 }, { run: id }, false)).distance);
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ...{ first: mean(found.first), last: mean(found.last), matched: mean(found.matched) },
    ...{ chance: mean(found.chance), moved: mean(found.moved) },
  };
}
