import { z } from 'zod';
import { interpolation, placeOf, type RunShape, type ShapeAxis } from '../../shared/axes.js';
import {
  seriesRequestSchema,
  type MetricName,
  type ReducedSeries,
  type SeriesAnswer,
  type SeriesRequest,
} from '../../shared/series.js';
import type { Connection } from './connection.js';
import { damagedRow, parseRow } from './errors.js';
import { lastCursorOf } from './events.js';
import { decode } from './json.js';
import { keyOf } from './keys.js';
import { startedOf } from './progress.js';
import { reduce } from './reduction.js';
import type { MetricReader } from './store.js';
import { Summary, summaryLevels } from './summary.js';
import { valueOf } from './told.js';

const rowBudget = 150_000;
/** Rows that are read at a time where all are wanted. */
const pageRows = 10_000;

interface LineRequest extends Omit<z.output<typeof seriesRequestSchema>, 'runs' | 'metrics'> {
  readonly metric: string;
}

interface Series {
  readonly key: number;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const configSchema = z.object({ training: z.object({ batch: z.int().min(1), bptt: z.int().min(1) }) });
const startedSchema = z.object({
  stepsPerEpoch: z.int().min(1),
  corpus: z.object({ tokens: z.object({ train: z.int() }) }),
});

export class MetricRows implements MetricReader {
  readonly #connection: Connection;
  readonly #budget: number;

  /** @param budget rows that one request may read, all its lines together: it decides how fine a level is read */
  constructor(connection: Connection, budget = rowBudget) {
    this.#connection = connection;
    this.#budget = budget;
  }

  names(run: string): string[] {
    const sql = 'SELECT name FROM series WHERE run = ? AND count > 0 ORDER BY name';
    return this.#connection
      .query(sql)
      .rows(keyOf(this.#connection, run))
      .map(([name]) => String(name));
  }

  series(request: SeriesRequest): SeriesAnswer {
    const { runs, metrics, ...rest } = seriesRequestSchema.parse(request);
    const budget = Math.floor(this.#budget / Math.max(1, runs.length * metrics.length));
    return this.#connection.snapshot(() => ({
      cursor: lastCursorOf(this.#connection),
      lines: runs.flatMap((run) => metrics.map((metric) => this.#line(run, { metric, ...rest }, budget))),
    }));
  }

  *values(run: string, metric: string): IterableIterator<{ step: number; value: number }> {
    const series = this.#seriesOf(keyOf(this.#connection, run), metric);
    if (series === undefined) return;
    const sql = `SELECT step, value, kind, sequence FROM metrics WHERE series = ? AND (step, sequence) > (?, ?)
      ORDER BY step, sequence LIMIT ${pageRows}`;
    // Page by page, so that the connection is free for others in between.
    for (let step = -1, sequence = -1; ;) {
      const rows = this.#connection.query(sql).rows(series.key, step, sequence);
      for (const row of rows) yield { step: Number(row[0]), value: valueOf(row[1], row[2]) };
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageRows) return;
      step = Number(last[0]);
      sequence = Number(last[3]);
    }
  }

  #line(run: string, request: LineRequest, budget: number): ReducedSeries {
    const key = keyOf(this.#connection, run);
    const series = this.#seriesOf(key, request.metric);
    const { metric } = request;
    const empty = { run, metric, x: [], y: [], marks: [], values: 0, lastStep: series?.last ?? null };
    if (series === undefined) return empty;
    const range = {
      from: Math.max(series.first, request.fromStep ?? 0),
      to: Math.min(series.last, request.toStep ?? Infinity),
    };
    if (range.from > range.to) return empty;
    const place = this.#place(key, run, request.axis, range, budget);
    if (place === undefined) return empty;
    const parts = this.#parts(series, range, levelFor(series, range, budget));
    const line = reduce(parts, request.points, this.#firstPoint(series, range));
    return {
      run,
      metric,
      x: line.steps.map(place),
      y: line.values,
      marks: line.marks.map((mark) => ({ x: place(mark.step), ...mark })),
      values: parts.reduce((sum, part) => sum + part.count + part.nan + part.plusInfinity + part.minusInfinity, 0),
      lastStep: series.last,
    };
  }

  #seriesOf(run: number, name: string): Series | undefined {
    const sql = 'SELECT key, count, first_step AS first, last_step AS last FROM series WHERE run = ? AND name = ?';
    const row = this.#connection.query(sql).get(run, name) as Series | undefined;
    return row === undefined || row.count === 0 ? undefined : row;
  }

  /** The curve in parts of a level; at the ends of a range that cuts a part, from the values themselves. */
  #parts(series: Series, { from, to }: Range, level: number): Summary[] {
    if (level === 1) return this.#values(series, { from, to });
    // The series' own ends cut nothing.
    const start = from <= series.first ? Math.floor(from / level) : Math.ceil(from / level);
    const end = to >= series.last ? Math.floor(to / level) + 1 : Math.floor((to + 1) / level);
    if (start >= end) return this.#values(series, { from, to });
    return [
      ...this.#values(series, { from, to: Math.min(to, start * level - 1) }),
      ...this.#summaries(series, level, { from: start, to: end - 1 }),
      ...this.#values(series, { from: Math.max(from, end * level), to }),
    ];
  }

  #values(series: Series, { from, to }: Range): Summary[] {
    if (from > to) return [];
    const sql =
      'SELECT step, value, kind FROM metrics WHERE series = ? AND step BETWEEN ? AND ? ORDER BY step, sequence';
    return this.#connection
      .query(sql)
      .rows(series.key, from, to)
      .map(([step, value, kind]) => {
        const part = new Summary();
        part.add(Number(step), valueOf(value, kind));
        return part;
      });
  }

  #summaries(series: Series, level: number, { from, to }: Range): Summary[] {
    const sql = `SELECT count, min, min_step, max, max_step, last, last_step, nan, plus_infinity, minus_infinity, mark_step
      FROM summaries WHERE series = ? AND level = ? AND bucket BETWEEN ? AND ? ORDER BY bucket`;
    return this.#connection.query(sql).rows(series.key, level, from, to).map(summaryOf);
  }

  #firstPoint({ key }: Series, { from, to }: Range): { step: number; value: number } | undefined {
    const sql = `SELECT step, value FROM metrics WHERE series = ? AND step BETWEEN ? AND ? AND kind = 0
      ORDER BY step, sequence LIMIT 1`;
    const row = this.#connection.query(sql).row(key, from, to);
    return row === undefined ? undefined : { step: Number(row[0]), value: Number(row[1]) };
  }

  /** Where a step lies on an axis; undefined where the run has not told what that needs. */
  #place(
    key: number,
    run: string,
    axis: LineRequest['axis'],
    range: Range,
    budget: number,
  ): ((step: number) => number) | undefined {
    if (axis === 'wallTime') {
      const elapsedMs = this.#told(key, 'elapsedMs', range, budget);
      return elapsedMs && ((step) => elapsedMs(step) / 1000);
    }
    return axis === 'flops' ? this.#told(key, 'flops', range, budget) : this.#axis(key, run, axis);
  }

  #axis(key: number, run: string, axis: ShapeAxis): ((step: number) => number) | undefined {
    if (axis === 'step') return (step) => step;
    const what = `run ${run}`;
    const told = startedOf(this.#connection, key);
    if (told === undefined) return undefined;
    const text = this.#connection.query('SELECT config FROM runs WHERE key = ?').row(key)?.[0];
    const { batch, bptt } = parseRow(configSchema, decode(text, what), what).training;
    const { stepsPerEpoch, corpus } = parseRow(startedSchema, decode(told, what), what);
    const shape: RunShape = { batch, bptt, stepsPerEpoch, trainingTokens: corpus.tokens.train };
    return placeOf(axis, shape);
  }

  /** An ascending metric at a step; between the steps that were read it goes evenly. */
  #told(key: number, metric: MetricName, range: Range, budget: number): ((step: number) => number) | undefined {
    const series = this.#seriesOf(key, metric);
    if (series === undefined) return undefined;
    const covered = { from: Math.max(series.first, range.from), to: Math.min(series.last, range.to) };
    const knots: { step: number; value: number }[] = [];
    for (const { count, minStep, min, lastStep, last } of this.#parts(
      series,
      covered,
      levelFor(series, covered, budget),
    )) {
      if (count > 0) knots.push({ step: minStep!, value: min! }, { step: lastStep!, value: last! });
    }
    return knots.length === 0 ? undefined : interpolation(knots);
  }
}

/** The finest level of which there are not too many rows. */
function levelFor({ count, first, last }: Series, { from, to }: Range, budget: number): number {
  const share = (to - from + 1) / (last - first + 1);
  const rows = (level: number) => Math.min(count * share, (to - from) / level + 1);
  if (count * share <= budget) return 1;
  return summaryLevels.find((level) => rows(level) <= budget) ?? summaryLevels.at(-1)!;
}

function summaryOf(row: unknown[]): Summary {
  for (const value of row) {
    if (typeof value !== 'number' && value !== null) throw damagedRow('a curve', 'it holds what is no number');
  }
  const [count, min, minStep, max, maxStep, last, lastStep, nan, plusInfinity, minusInfinity, markStep] =
    row as number[];
  const summary = new Summary();
  return Object.assign(summary, {
    ...{ count, min, minStep, max, maxStep, last, lastStep },
    ...{ nan, plusInfinity, minusInfinity, markStep },
  });
}
