import type { z } from 'zod';
import type { Connection, WriteConnection } from './connection.js';
import { decode, encode } from './json.js';
import type { SettingReader, SettingWriter } from './store.js';

export class SettingRows implements SettingReader {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get<T>(name: string, schema: z.ZodType<T>): T | undefined {
    const row = this.#connection.query('SELECT value FROM settings WHERE name = ?').row(name);
    if (row === undefined) return undefined;
    // Of another version, or damaged: a default is better than a program that does not start.
    const result = schema.safeParse(decodeIfPossible(row[0], name));
    return result.success ? result.data : undefined;
  }
}

export class SettingTable extends SettingRows implements SettingWriter {
  readonly #connection: WriteConnection;

  constructor(connection: WriteConnection) {
    super(connection);
    this.#connection = connection;
  }

  set(name: string, value: unknown): void {
    if (value === undefined) this.#connection.command('DELETE FROM settings WHERE name = ?').run(name);
    else {
      const sql = 'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value';
      this.#connection.command(sql).run(name, encode(value));
    }
  }
}

function decodeIfPossible(text: unknown, name: string): unknown {
  try {
    return decode(text, `setting ${name}`);
  } catch {
    return undefined;
  }
}
