import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/main/store/connection.js';
import { wideCurves } from '../../src/main/store/exports.js';
import { MetricRows } from '../../src/main/store/metrics.js';
import type { ReadableStore } from '../../src/main/store/store.js';
import { openReadable } from '../../src/main/store/open.js';
import { UserError } from '../../src/shared/errors.js';
import { axes } from '../../src/shared/series.js';
import { holds } from './support/property.js';
import { begin, checkpoint, evaluation, fuzz, newStore, sparsity, started, step, tell } from './support/store.js';

function filled() {
  const store = newStore();
  const [run, other] = [begin(store), begin(store)];
  tell(store, run, [started(), sparsity(0, 0), step(1, 5), step(70, NaN), evaluation(70, 4), checkpoint(70)]);
  tell(store, other, [started(), step(1, 5)]);
  store.runs.endAttempt(run, { state: 'stopped' });
  store.runs.addTags(run, ['paper']);
  store.queue.add(run);
  store.corpora.put({ name: 'ptb', origin: 'fetched', vocabulary: 9, tokens: { train: 1, valid: 1, test: 1 } });
  return { store, run, other };
}

/**
 * Reads everything that can be read; what is thrown must be an error for people.
 * @returns how often it was
 */
function readAll(store: ReadableStore, coarse: MetricRows, runs: readonly string[]): number {
  const reads: (() => unknown)[] = [
    () => store.runs.list(),
    () => store.runs.list({ trash: true }),
    () => store.events.after(0),
    () => store.events.lastCursor(),
    () => store.queue.entries(),
    () => store.corpora.list(),
    ...runs.flatMap((run): (() => unknown)[] => [
      () => store.runs.get(run),
      () => store.runs.checkpoints(run),
      () => store.events.of(run),
      () => store.events.after(0, { run }),
      () => store.metrics.names(run),
      () => Array.from(store.metrics.values(run, 'loss')),
      ...axes.map((axis) => () => store.metrics.series({ runs: [run], metrics: ['loss'], axis })),
      ...axes.map((axis) => () => coarse.series({ runs: [run], metrics: ['loss'], axis })),
      () => store.sparsity.rows(run),
      () => Array.from(wideCurves(store, [run], ['loss']).rows),
    ]),
  ];
  let refused = 0;
  for (const read of reads) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message).toMatch(/damaged|no such run/);
      refused += 1;
    }
  }
  return refused;
}

describe('damaged rows', () => {
  test('of one run are told by its name and keep nobody from the others', () => {
    const { store, run, other } = filled();
    const database = new Database(store.path);
    database.prepare('UPDATE runs SET config = replace(config, \'"batch":20\', \'"batch":-1\') WHERE id = ?').run(run);
    database.close();
    const { runs, damaged } = store.runs.list();
    expect(runs.map(({ id }) => id)).toEqual([other]);
    expect(damaged.map(({ id }) => id)).toEqual([run]);
    expect(damaged[0].problem).toContain(`run ${run} is damaged in the database (config.training.batch: `);
    expect(() => store.runs.get(run)).toThrow(UserError);
    store.runs.trash(run);
    expect(store.runs.list({ trash: true }).damaged).toHaveLength(1);
    store.runs.purge(run); // as advised
    expect(store.runs.list()).toMatchObject({ runs: [{ id: other }], damaged: [] });
    expect(store.problems()).toEqual([]);
  });

  test.each(['runs.config', 'events.body', 'attempts.end', 'corpora.tokens'])(
    'in which %s is cut off give errors that people can read',
    (place) => {
      const { store, run, other } = filled();
      const [table, column] = place.split('.');
      const database = new Database(store.path);
      const length = `length(${column}) - 1`;
      database.exec(`UPDATE ${table} SET ${column} = substr(${column}, 1, ${length}) WHERE ${column} IS NOT NULL`);
      database.close();
      const coarse = new MetricRows(new Connection(store.path, new Database(store.path, { readonly: true })), 1);
      expect(readAll(store, coarse, [run, other])).toBeGreaterThan(0);
    },
  );

  const { cases, timeoutMs } = fuzz(60);
  test('of any table, with anything in any column, give errors that people can read', { timeout: timeoutMs }, () => {
    const { store, run, other } = filled();
    const tables = new Database(store.path);
    tables.pragma('foreign_keys = OFF');
    tables.pragma('synchronous = OFF');
    tables.pragma('ignore_check_constraints = ON');
    const columns = tables
      .prepare(
        `SELECT t.name AS "table", c.name AS "column", c.type AS type FROM pragma_table_list t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.schema = 'main' AND t.name NOT LIKE 'sqlite%'`,
      )
      .all() as { table: string; column: string; type: string }[];
    expect(columns.length).toBeGreaterThan(60);
    const names = [...new Set(columns.map(({ table }) => table))];
    const saved = names.map((name) => ({
      name,
      rows: tables.prepare(`SELECT * FROM "${name}"`).raw().all() as unknown[][],
    }));
    const reader = openReadable(store.path);
    const coarse = new MetricRows(new Connection(store.path, new Database(store.path, { readonly: true })), 1);
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.constantFrom('', 'null', '{}', '[]', '{"loss":"NaN"}', '{"state":"running"}', '{"type":"step"}', '"'),
    );
    const value = fc.oneof(
      text,
      fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 0.5)),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(null),
    );
    const change = fc.record({ at: fc.nat(columns.length - 1), value });
    let written = 0;
    holds(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        tables.exec('BEGIN');
        try {
          for (const { at, value: put } of changes) {
            const { table, column } = columns[at];
            try {
              written += tables.prepare(`UPDATE "${table}" SET "${column}" = ?`).run(put).changes;
            } catch (error) {
              // STRICT and UNIQUE keep some of it out.
              if (!(error instanceof Database.SqliteError)) throw error;
            }
          }
          tables.exec('COMMIT');
          readAll(reader, coarse, [run, other]);
        } finally {
          if (tables.inTransaction) tables.exec('ROLLBACK');
          restore();
        }
      }),
      cases,
    );
    expect(written).toBeGreaterThan(cases / 4);
    reader.close();
    tables.close();

    function restore(): void {
      tables.exec('BEGIN');
      for (const { name, rows } of saved) {
        tables.exec(`DELETE FROM "${name}"`);
        for (const row of rows) {
          tables.prepare(`INSERT INTO "${name}" VALUES (${row.map(() => '?').join()})`).run(...row);
        }
      }
      tables.exec('COMMIT');
    }
  });
});
