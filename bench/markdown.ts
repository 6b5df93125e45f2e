import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Parts of pages of docs/ that commands keep up to date; each lies between markers that name it. */
export type Part = 'measured' | 'models';

/** A table of Markdown with aligned columns, the first to the left and all others to the right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, i) => Math.max(3, ...all.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |\n`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |\n`;
  return line(header) + rule + rows.map(line).join('');
}

/**
 * The page with what lies between the markers of a part replaced; all that was written by hand stays.
 * @throws Error where it does not have them
 */
export function withMeasured(page: string, measured: string, part: Part = 'measured'): string {
  const [begin, end] = [`<!-- ${part}: begin -->`, `<!-- ${part}: end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no ${begin} with a ${end} after it`);
  return `${page.slice(0, from + begin.length)}\n\n${measured.trim()}\n\n${page.slice(to)}`;
}

/** Writes a measured part of a page of docs/ and returns its path in the project. */
export function updatePage(project: string, name: string, measured: string, part: Part = 'measured'): string {
  const path = join(project, 'docs', name);
  writeFileSync(path, withMeasured(readFileSync(path, 'utf8'), measured, part));
  return join('docs', name);
}
