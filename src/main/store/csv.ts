import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { stringify } from 'csv-stringify';
import { csvCells, csvFormat, type CsvTable } from '../../shared/csv.js';
import { explained } from '../../shared/errors.js';

/**
 * Writes a table as CSV: UTF-8, RFC 4180, numbers with `.`. Text that a spreadsheet would take for a formula is defused by
 * an apostrophe; numbers stay numbers, whatever their sign. Rows are made as fast as they are taken, so that a table need
 * not fit into memory.
 */
export async function writeCsv(table: CsvTable, to: Writable): Promise<void> {
  const lines = stringify(csvFormat);
  try {
    await pipeline(Readable.from(csvCells(table)), lines, to, { end: to !== process.stdout });
  } catch (error) {
    throw explained(error);
  }
}
