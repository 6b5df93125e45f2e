import type { RunView } from '../contract/contract.js';
import { published, type PublishedResult } from '../published.js';
import type { RunConfig } from '../run-config.js';
import type { RunEventOf } from '../run-events.js';
import type { SparsityRow } from '../run-records.js';
import { tableRow } from '../run-table.js';
import { runOf } from './standing.js';
import { configOf, type Scale, type Table, type TableRow } from './table.js';

/** What a table has come to: the runs of each row, their mean and spread, and what others have published. */

/** What is known of a run besides its record. */
export interface RunFindings {
  readonly started: RunEventOf<'started'> | null;
  /** Whether it has begun to average. */
  readonly averaging: boolean;
  /** Layers and gates after each topology update. */
  readonly sparsity: readonly SparsityRow[];
}

interface ReportedRun {
  readonly seed: number;
  /** Null where there is none yet. */
  readonly id: string | null;
  readonly state: string;
  /** Why it has failed or was interrupted. */
  readonly problem: string | null;
  readonly validation: number | null;
  readonly test: number | null;
  readonly minutes: number;
  /** Why its result says nothing about its row, where it is so. */
  readonly uninformative: string | null;
}

/** Of numbers from several seeds; `sd` with one less in the divisor, null of a single one. */
export interface Spread {
  readonly mean: number;
  readonly sd: number | null;
}

interface GateDensity {
  readonly layer: string;
  readonly gate: string;
  /** When training began and after its last update, mean over seeds. */
  readonly initial: number;
  readonly final: number;
}

export interface ReportedRow {
  readonly name: string;
  readonly title: string;
  readonly runs: readonly ReportedRun[];
  /** Of finished runs. */
  readonly validation: Spread | null;
  readonly test: Spread | null;
  readonly parameters: { readonly active: number; readonly total: number } | null;
  readonly published: PublishedResult | null;
  /** Empty unless the table asks for gates. */
  readonly gates: readonly GateDensity[];
}

export interface TableReport {
  readonly table: string;
  readonly title: string;
  readonly question: string;
  readonly scale: Scale;
  readonly rows: readonly ReportedRow[];
}

/**
 * @param seeds how many each row should have
 * @param views all runs that are not in the trash, the oldest first
 */
export function reportOf(
  table: Table,
  scale: Scale,
  rows: readonly TableRow[],
  seeds: number,
  views: readonly RunView[],
  findings: (id: string) => RunFindings,
): TableReport {
  const { id, title, question, gates } = table;
  const reported = rows.map((row): ReportedRow => {
    const configs = Array.from({ length: seeds }, (_, index) => configOf(table, scale, row, index));
    const found = configs.map((config) => {
      const view = runOf(config, views);
      return { config, view, findings: view === undefined ? undefined : findings(view.record.id) };
    });
    const runs = found.map(({ config, view, findings }) => reportedRun(config, view, findings));
    const finished = runs.filter(({ state }) => state === 'finished');
    return {
      name: row.name,
      title: row.title,
      runs,
      validation: spreadOf(finished.flatMap(({ validation }) => validation ?? [])),
      test: spreadOf(finished.flatMap(({ test }) => test ?? [])),
      parameters: found.map(({ view }) => view?.record.progress.parameters).find((known) => known != null) ?? null,
      published: published.find(({ name }) => name === row.published) ?? null,
      gates: gates === true ? gateDensities(found.flatMap(({ findings }) => findings ?? [])) : [],
    };
  });
  return { table: id, title, question, scale, rows: reported };
}

function reportedRun(config: RunConfig, view: RunView | undefined, findings: RunFindings | undefined): ReportedRun {
  const { seed } = config;
  if (view === undefined || findings === undefined) {
    const nothing = { problem: null, validation: null, test: null, minutes: 0, uninformative: null };
    return { seed, id: null, state: 'missing', ...nothing };
  }
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

function spreadOf(values: readonly number[]): Spread | null {
  const { length } = values;
  if (length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length === 1) return { mean, sd: null };
  return { mean, sd: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1)) };
}

function gateDensities(runs: readonly RunFindings[]): GateDensity[] {
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
  return [...byGate.values()].map(({ layer, gate, initial, final }) => ({
    ...{ layer, gate },
    initial: spreadOf(initial)?.mean ?? Number.NaN,
    final: spreadOf(final)?.mean ?? Number.NaN,
  }));
}
