import { histogramSchema, sparsityRowSchema, type Histogram, type SparsityRow } from '../../shared/run-records.js';
import type { Connection, WriteConnection } from './connection.js';
import { damagedRow, parseRow } from './errors.js';
import { keyOf } from './keys.js';
import type { SparsityReader, SparsityWriter } from './store.js';

export class SparsityRows implements SparsityReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  rows(run: string, fromUpdate = 0): SparsityRow[] {
    const rows = this.#connection
      .query(
        `SELECT number AS "update", step, epoch, removing_rate AS removingRate, layer, gate, size, active, removed, grown
         FROM sparsity_updates JOIN sparsity USING (run, sequence) WHERE run = ? AND number >= ?
         ORDER BY sequence, position`,
      )
      .all(keyOf(this.#connection, run), fromUpdate);
    return rows.map((row) => parseRow(sparsityRowSchema, row, `the sparsity of run ${run}`));
  }

  histograms(run: string, fromStep = 0): Histogram[] {
    return this.#connection
      .query(
        `SELECT step, layer, kind, edges, counts FROM histograms WHERE run = ? AND step >= ?
         ORDER BY sequence, layer, kind`,
      )
      .rows(keyOf(this.#connection, run), fromStep)
      .map(([step, layer, kind, edges, counts]) => {
        const what = `a histogram of run ${run}`;
        const numbers = { edges: numbersOf(edges, what), counts: numbersOf(counts, what) };
        const histogram = parseRow(histogramSchema, { step, layer, kind, ...numbers }, what);
        if (histogram.edges.length === histogram.counts.length + 1) return histogram;
        throw damagedRow(what, `${histogram.edges.length} edges for ${histogram.counts.length} counts`);
      });
  }
}

export class SparsityTable extends SparsityRows implements SparsityWriter {
  readonly #connection: WriteConnection;

  constructor(connection: WriteConnection) {
    super(connection);
    this.#connection = connection;
  }

  addHistogram(run: string, sequence: number, { step, layer, kind, edges, counts }: Histogram): void {
    if (edges.length !== counts.length + 1) {
      throw new Error(`a histogram of ${counts.length} counts has ${counts.length + 1} edges, not ${edges.length}`);
    }
    this.#connection
      .command('INSERT INTO histograms (run, sequence, layer, kind, step, edges, counts) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(keyOf(this.#connection, run), sequence, layer, kind, step, bytesOf(edges), bytesOf(counts));
  }
}

// Little-endian, as every machine that runs Node is.
function bytesOf(numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(numbers).buffer);
}

function numbersOf(bytes: unknown, what: string): number[] {
  if (!(bytes instanceof Uint8Array) || bytes.length % 8 !== 0) throw damagedRow(what, 'its bytes are no numbers');
  return [...new Float64Array(Uint8Array.from(bytes).buffer)];
}
