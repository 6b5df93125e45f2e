import { sparsityRowSchema, type SparsityRow } from '../../shared/run-records.js';
import type { Connection } from './connection.js';
import { parseRow } from './errors.js';
import { keyOf } from './keys.js';
import type { SparsityReader } from './store.js';

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
}
