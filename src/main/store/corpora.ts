import { corpusRowSchema, type CorpusRow } from '../../shared/run-records.js';
import type { Connection, WriteConnection } from './connection.js';
import { parseRow } from './errors.js';
import { decode, encode } from './json.js';
import type { CorpusReader, CorpusWriter } from './store.js';

export class CorpusRows implements CorpusReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(): CorpusRow[] {
    const rows = this.#connection
      .query('SELECT name, origin, vocabulary, tokens, added FROM corpora ORDER BY name')
      .all();
    return rows.map((row) => {
      const { tokens } = row as { tokens: unknown };
      return parseRow(corpusRowSchema, { ...(row as object), tokens: decode(tokens, 'a corpus') }, 'a corpus');
    });
  }
}

export class CorpusTable extends CorpusRows implements CorpusWriter {
  readonly #connection: WriteConnection;
  readonly #now: () => number;

  constructor(connection: WriteConnection, now: () => number) {
    super(connection);
    this.#connection = connection;
    this.#now = now;
  }

  put({ name, origin, vocabulary, tokens }: Omit<CorpusRow, 'added'>): void {
    this.#connection
      .command(
        `INSERT INTO corpora (name, origin, vocabulary, tokens, added) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET origin = excluded.origin, vocabulary = excluded.vocabulary, tokens = excluded.tokens`,
      )
      .run(name, origin, vocabulary, encode(tokens), this.#now());
  }

  remove(name: string): boolean {
    return this.#connection.command('DELETE FROM corpora WHERE name = ?').run(name).changes > 0;
  }
}
