import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import { stringify as stringifySync } from 'csv-stringify/sync';
import { explained } from '../../shared/errors.js';

type Cell = string | number | boolean | null;

/** A table to be written line by line. */
export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: Iterable<readonly Cell[]>;
}

/**
 * Writes a table as CSV: UTF-8, RFC 4180, numbers with `.`. Text that a spreadsheet would take for a formula is defused by
 * an apostrophe; numbers stay numbers, whatever their sign. Rows are made as fast as they are taken, so that a table need
 * not fit into memory.
 */
export async function writeCsv({ header, rows }: CsvTable, to: Writable): Promise<void> {
  const lines = stringify(format);
  try {
    await pipeline(Readable.from(cells(header, rows)), lines, to, { end: to !== process.stdout });
  } catch (error) {
    throw explained(error);
  }
}

// By itself it quotes only the two line ends together.
const format = { record_delimiter: 'windows' as const, quoted_match: /[\r\n]/ };
const linesAtOnce = 200;

/** The same text, some lines at a time, for who cannot take a stream. */
export function* csvLines({ header, rows }: CsvTable): Generator<string> {
  let some: string[][] = [];
  for (const row of cells(header, rows)) {
    some.push(row);
    if (some.length < linesAtOnce) continue;
    yield stringifySync(some, format);
    some = [];
  }
  if (some.length > 0) yield stringifySync(some, format);
}

function* cells(header: readonly string[], rows: CsvTable['rows']): Generator<string[]> {
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
