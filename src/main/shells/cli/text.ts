/** Text for people on a terminal: aligned tables, bars, durations. */
export { bytes, integer, nats, percent, perplexity } from '../../../shared/text.js';

/** 83000 -> 1 min 23 s */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 2.84e16, 0.330 of dense */
export function flopsSaid(flops: number, ofDense: number | null): string {
  return `${flops.toExponential(2).replace('e+', 'e')}${ofDense === null ? '' : `, ${ofDense.toFixed(3)} of dense`}`;
}

const barSize = { least: 10, most: 40 };

/**
 * A bar with text behind it in no more than `width` columns. Where there is no room the bar shrinks first; then parts go,
 * the last one first.
 * @param parts in order of importance
 */
export function barLine(width: number, share: number, parts: readonly string[]): string {
  const texts = parts.map((_, i) => parts.slice(0, parts.length - i).join('  '));
  const around = 2; // a blank on either side of the bar
  const text = texts.find(({ length }) => around + barSize.least + length <= width);
  if (text === undefined) return (texts.at(-1) ?? '').slice(0, Math.max(0, width));
  const size = Math.min(barSize.most, width - around - text.length);
  const full = Math.round(Math.min(1, Math.max(0, share)) * size);
  return ` ${'█'.repeat(full)}${'░'.repeat(size - full)} ${text}`;
}

/** Rows of cells in columns, the first column to the left and all others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** Names and what belongs to each, one pair a line, all to the left. */
export function list(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
