import type { WriteConnection } from './connection.js';
import { kindOf } from './told.js';

/** Sizes of the parts, in steps, that curves are summed up in while they are written. */
export const summaryLevels = [64, 4096] as const;
export type SummaryLevel = (typeof summaryLevels)[number];

/** What is kept of some values of one metric. Of equal values the earliest step counts. */
export class Summary {
  count = 0; // finite ones
  min: number | null = null;
  minStep: number | null = null;
  max: number | null = null;
  maxStep: number | null = null;
  last: number | null = null;
  lastStep: number | null = null;
  nan = 0;
  plusInfinity = 0;
  minusInfinity = 0;
  /** First step at which the value is not finite. */
  markStep: number | null = null;

  add(step: number, value: number): void {
    const kind = kindOf(value);
    if (kind !== 0) {
      if (kind === 1) this.nan += 1;
      else if (kind === 2) this.plusInfinity += 1;
      else this.minusInfinity += 1;
      if (this.markStep === null || step < this.markStep) this.markStep = step;
      return;
    }
    this.count += 1;
    if (this.min === null || value < this.min || (value === this.min && step < this.minStep!)) {
      this.min = value;
      this.minStep = step;
    }
    if (this.max === null || value > this.max || (value === this.max && step < this.maxStep!)) {
      this.max = value;
      this.maxStep = step;
    }
    if (this.lastStep === null || step >= this.lastStep) {
      this.last = value;
      this.lastStep = step;
    }
  }
}

/** Summaries of one series on every level, gathered until they are merged into those on disk. */
export class Summaries {
  readonly #levels = summaryLevels.map((level) => ({ level, buckets: new Map<number, Summary>() }));

  add(step: number, value: number): void {
    for (const { level, buckets } of this.#levels) {
      const bucket = Math.floor(step / level);
      let summary = buckets.get(bucket);
      if (summary === undefined) buckets.set(bucket, (summary = new Summary()));
      summary.add(step, value);
    }
  }

  /** @param levels which levels to write, and from which bucket on */
  write(connection: WriteConnection, series: number, isWanted: (level: SummaryLevel, bucket: number) => boolean): void {
    const merge = connection.command(mergeSql);
    for (const { level, buckets } of this.#levels) {
      for (const [bucket, s] of buckets) {
        if (!isWanted(level, bucket)) continue;
        merge.run(
          ...[series, level, bucket, s.count, s.min, s.minStep, s.max, s.maxStep, s.last, s.lastStep],
          ...[s.nan, s.plusInfinity, s.minusInfinity, s.markStep],
        );
      }
      buckets.clear();
    }
  }
}

const lower = 'excluded.min < min OR min IS NULL OR (excluded.min = min AND excluded.min_step < min_step)';
const higher = 'excluded.max > max OR max IS NULL OR (excluded.max = max AND excluded.max_step < max_step)';
const later = 'excluded.last_step >= last_step OR last IS NULL';
const mergeSql = `
INSERT INTO summaries (series, level, bucket, count, min, min_step, max, max_step, last, last_step,
  nan, plus_infinity, minus_infinity, mark_step)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  count = count + excluded.count,
  min = CASE WHEN ${lower} THEN excluded.min ELSE min END,
  min_step = CASE WHEN ${lower} THEN excluded.min_step ELSE min_step END,
  max = CASE WHEN ${higher} THEN excluded.max ELSE max END,
  max_step = CASE WHEN ${higher} THEN excluded.max_step ELSE max_step END,
  last = CASE WHEN ${later} THEN excluded.last ELSE last END,
  last_step = CASE WHEN ${later} THEN excluded.last_step ELSE last_step END,
  nan = nan + excluded.nan,
  plus_infinity = plus_infinity + excluded.plus_infinity,
  minus_infinity = minus_infinity + excluded.minus_infinity,
  mark_step = min(ifnull(mark_step, excluded.mark_step), ifnull(excluded.mark_step, mark_step))`;
