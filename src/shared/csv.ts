import { stringify } from 'csv-stringify/browser/esm/sync';

type Cell = string | number | boolean | null;

/** A table to be written line by line. */
export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: Iterable<readonly Cell[]>;
}

// By itself it quotes only the two line ends together.
export const csvFormat = { record_delimiter: 'windows' as const, quoted_match: /[\r\n]/ };
const linesAtOnce = 200;

/** A table as CSV, some lines at a time, for who cannot take a stream. */
export function* csvLines(table: CsvTable): Generator<string> {
  let some: string[][] = [];
  for (const row of csvCells(table)) {
    some.push(row);
    if (some.length < linesAtOnce) continue;
    yield stringify(some, csvFormat);
    some = [];
  }
  if (some.length > 0) yield stringify(some, csvFormat);
}

/** Its lines, the header first: numbers with `.`, and no text that a spreadsheet would take for a formula. */
export function* csvCells({ header, rows }: CsvTable): Generator<string[]> {
  yield header.map(cell);
  for (const row of rows) yield row.map(cell);
}

function cell(value: Cell): string {
  if (value === null) return '';
  return typeof value === 'string' ? defused(value) : String(value);
}

/** Also what a spreadsheet skips before it takes the rest for a formula. */
function defused(text: string): string {
  return /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
}
