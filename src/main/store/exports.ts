import type { Comparison } from '../../shared/comparison.js';
import type { CsvTable } from '../../shared/csv.js';
import type { RunTableRow } from '../../shared/run-table.js';
import type { ReadableStore } from './store.js';

/** The table of runs. */
export function runsTable(rows: Iterable<RunTableRow>): CsvTable {
  const columns: readonly (readonly [string, (row: RunTableRow) => string | number | null])[] = [
    ['id', (row) => row.id],
    ['name', (row) => row.name],
    ['state', (row) => row.state],
    ['colour', (row) => row.colour],
    ['model', (row) => row.model],
    ['method', (row) => row.method],
    ['density', (row) => row.density],
    ['corpus', (row) => row.corpus],
    ['seed', (row) => row.seed],
    ['step', (row) => row.step],
    ['epoch', (row) => row.epoch],
    ['epochs', (row) => row.epochs],
    ['loss', (row) => row.loss],
    ['best_validation_perplexity', (row) => row.bestValidationPerplexity],
    ['test_perplexity', (row) => row.testPerplexity],
    ['tokens_per_second', (row) => row.tokensPerSecond],
    ['parameters', (row) => row.parameters],
    ['active_parameters', (row) => row.activeParameters],
    ['training_flops', (row) => row.flops],
    ['training_flops_of_dense', (row) => row.flopsOfDense],
    ['training_seconds', (row) => row.durationMs / 1000],
    ['created', (row) => new Date(row.created).toISOString()],
    ['tags', (row) => row.tags.join(' ')],
    ['note', (row) => row.note],
  ];
  return { header: columns.map(([name]) => name), rows: map(rows, (row) => columns.map(([, value]) => value(row))) };
}

/** Curves with a line for each value. Where it is not finite it says NaN, Infinity or -Infinity. */
export function longCurves(store: ReadableStore, runs: readonly string[], metrics: readonly string[]): CsvTable {
  function* rows(): Generator<(string | number)[]> {
    for (const run of runs) {
      const { name } = store.runs.get(run);
      for (const metric of metrics) {
        for (const { step, value } of store.metrics.values(run, metric)) yield [run, name, metric, step, value];
      }
    }
  }
  return { header: ['run', 'name', 'metric', 'step', 'value'], rows: rows() };
}

/** Curves with a line for each step and a column for each run and metric; empty where a run has no value at that step. */
export function wideCurves(store: ReadableStore, runs: readonly string[], metrics: readonly string[]): CsvTable {
  const columns = runs.flatMap((run) => metrics.map((metric) => ({ run, metric })));
  function* rows(): Generator<(number | null)[]> {
    const curves = columns.map(({ run, metric }) => new Curve(store.metrics.values(run, metric)));
    for (;;) {
      const step = Math.min(...curves.map((curve) => curve.step));
      if (step === Infinity) return;
      yield [step, ...curves.map((curve) => curve.take(step))];
    }
  }
  const title = ({ run, metric }: { run: string; metric: string }) => (metrics.length === 1 ? run : `${run} ${metric}`);
  return { header: ['step', ...columns.map(title)], rows: rows() };
}

/** A curve that is read step by step. */
class Curve {
  readonly #values: Iterator<{ readonly step: number; readonly value: number }>;
  #next: { readonly step: number; readonly value: number } | undefined;

  constructor(values: Iterator<{ readonly step: number; readonly value: number }>) {
    this.#values = values;
    this.#advance();
  }

  /** The step of the next value; infinite at the end. */
  get step(): number {
    return this.#next?.step ?? Infinity;
  }

  /** The value at a step, the last one told where there are several. */
  take(step: number): number | null {
    let value: number | null = null;
    while (this.#next?.step === step) {
      ({ value } = this.#next);
      this.#advance();
    }
    return value;
  }

  #advance(): void {
    const result = this.#values.next();
    this.#next = result.done === true ? undefined : result.value;
  }
}

/** Layers and gates after each topology update; a line without a gate is the layer as a whole. */
export function sparsityTable(store: ReadableStore, runs: readonly string[]): CsvTable {
  function* rows(): Generator<(string | number | null)[]> {
    for (const run of runs) {
      const { name } = store.runs.get(run);
      for (const { update, step, epoch, layer, gate, size, active, removed, grown } of store.sparsity.rows(run)) {
        const density = size === 0 ? null : active / size;
        yield [run, name, update, step, epoch, layer, gate, size, active, density, removed, grown];
      }
    }
  }
  const place = ['run', 'name', 'update', 'step', 'epoch', 'layer', 'gate'];
  return { header: [...place, 'size', 'active', 'density', 'removed', 'grown'], rows: rows() };
}

/** A comparison, a line for each run, with the fields in which configurations differ. */
export function comparisonTable({ runs, reach, differences }: Comparison): CsvTable {
  const figures = ['best_validation_perplexity', 'best_delta', 'test_perplexity', 'test_delta'];
  return {
    header: [
      ...['run', 'name', 'state', ...figures],
      ...reach.map((perplexity) => `steps_to_${perplexity}`),
      ...differences.map(({ field }) => field),
    ],
    rows: runs.map((run, i) => [
      ...[run.id, run.name, run.state],
      ...[run.bestValidationPerplexity, run.bestDelta, run.testPerplexity, run.testDelta],
      ...run.stepsToReach,
      ...differences.map(({ values }) => cellOf(values[i])),
    ]),
  };
}

function cellOf(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return JSON.stringify(value);
}

function* map<A, B>(values: Iterable<A>, change: (value: A) => B): Generator<B> {
  for (const value of values) yield change(value);
}
