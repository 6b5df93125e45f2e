import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareRuns } from '../../src/shared/comparison.js';
import { tableRow } from '../../src/shared/run-table.js';
import type { CsvTable } from '../../src/shared/csv.js';
import { writeCsv } from '../../src/main/store/csv.js';
import { comparisonTable, longCurves, runsTable, sparsityTable, wideCurves } from '../../src/main/store/exports.js';
import { begin, evaluation, finished, newStore, sparsity, started, step, tell } from './support/store.js';

async function textOf(table: CsvTable): Promise<string> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  await writeCsv(table, sink);
  return Buffer.concat(chunks).toString('utf8');
}

/** The records of RFC 4180, read as its grammar says. */
function recordsOf(text: string): string[][] {
  const records: string[][] = [];
  let fields: string[] = [];
  for (let at = 0; at < text.length;) {
    const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
    field.lastIndex = at;
    const [whole, quoted, plain] = field.exec(text)!;
    fields.push((quoted as string | undefined)?.replaceAll('""', '"') ?? plain);
    at += whole.length;
    if (text.startsWith('\r\n', at)) {
      records.push(fields);
      fields = [];
      at += 2;
    } else {
      expect(text[at]).toBe(',');
      at += 1;
      if (at === text.length) fields.push('');
    }
  }
  expect(fields).toEqual([]);
  return records;
}

const linesOf = async (table: CsvTable) => recordsOf(await textOf(table));

describe('CSV', () => {
  test('ends lines with CR LF and quotes what needs it', async () => {
    const rows = [
      ['a', 1.5, true],
      ['b, "c"\nd', -2e-7, false],
      ['größe 鳥', 1e21, null],
    ];
    const text = 'x,y,z\r\na,1.5,true\r\n"b, ""c""\nd",-2e-7,false\r\ngröße 鳥,1e+21,\r\n';
    expect(await textOf({ header: ['x', 'y', 'z'], rows })).toBe(text);
  });

  test.each(['=1+1', '+1', '-1', '@sum', '\t=1', '\r=1', '\n=1'])('defuses the text %j', async (text) => {
    expect(await linesOf({ header: [text], rows: [[text]] })).toEqual([[`'${text}`], [`'${text}`]]);
  });

  test('leaves numbers alone, also those below zero and those that are none', async () => {
    const rows = [[-1, -0.5, NaN, Infinity, -Infinity]];
    expect((await linesOf({ header: ['a', 'b', 'c', 'd', 'e'], rows }))[1]).toEqual([
      ...['-1', '-0.5', 'NaN', 'Infinity', '-Infinity'],
    ]);
  });

  test('brings back every text, and nothing a spreadsheet would calculate', async () => {
    const tables = fc.array(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 2, maxLength: 2 }), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(tables, async (rows) => {
        const read = (await linesOf({ header: ['a', 'b'], rows })).slice(1);
        expect(read.map((line) => line.map((text) => text.replace(/^'(?=[=+\-@\t\r\n])/, '')))).toEqual(rows);
        for (const text of read.flat()) expect(text).not.toMatch(/^[=+\-@]/);
      }),
      { seed: 20_210, numRuns: 200 },
    );
  });

  test('is made line by line, as fast as it is taken', async () => {
    let made = 0;
    let taken = 0;
    function* rows(): Generator<string[]> {
      for (; made < 20_000; made++) yield ['x'.repeat(100)];
    }
    const ahead: number[] = [];
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _, done) {
        taken += chunk.length / 102;
        ahead.push(made - taken);
        setImmediate(done);
      },
    });
    await writeCsv({ header: ['a'], rows: rows() }, slow);
    expect(made).toBe(20_000);
    expect(Math.max(...ahead)).toBeLessThan(2000);
  });

  test('tells what the disk refuses', async () => {
    const full = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
      },
    });
    await expect(writeCsv({ header: ['a'], rows: [] }, full)).rejects.toThrow('make room on the disk and try again');
  });
});

describe('exports', () => {
  function filled() {
    const store = newStore({ now: () => Date.UTC(2026, 10, 24) });
    const [one, two] = [begin(store, { name: '=night' }), begin(store, { name: 'day', seed: 2 })];
    tell(store, one, [started(), sparsity(0, 0), step(1, 5), step(2, NaN), evaluation(2, 4), finished(2)]);
    tell(store, two, [step(2, 6), step(3, 5.5), evaluation(3, 4.25)]);
    return { store, one, two };
  }

  test('of curves have a line for each value', async () => {
    const { store, one, two } = filled();
    expect(await linesOf(longCurves(store, [one, two], ['loss', 'validationLoss']))).toEqual([
      ['run', 'name', 'metric', 'step', 'value'],
      [one, "'=night", 'loss', '1', '5'],
      [one, "'=night", 'loss', '2', 'NaN'],
      [one, "'=night", 'validationLoss', '2', '4'],
      [two, 'day', 'loss', '2', '6'],
      [two, 'day', 'loss', '3', '5.5'],
      [two, 'day', 'validationLoss', '3', '4.25'],
    ]);
  });

  test('of curves side by side have a line for each step', async () => {
    const { store, one, two } = filled();
    expect(await linesOf(wideCurves(store, [one, two], ['loss']))).toEqual([
      ['step', one, two],
      ['1', '5', ''],
      ['2', 'NaN', '6'],
      ['3', '', '5.5'],
    ]);
    const [header, ...rows] = await linesOf(wideCurves(store, [one, two], ['loss', 'validationLoss']));
    expect(header).toEqual(['step', `${one} loss`, `${one} validationLoss`, `${two} loss`, `${two} validationLoss`]);
    expect(rows[1]).toEqual(['2', 'NaN', '4', '6', '']);
  });

  test('of curves are whole, however long', async () => {
    const store = newStore();
    const run = begin(store);
    tell(
      store,
      run,
      Array.from({ length: 20_001 }, (_, i) => evaluation(Math.floor(i / 3), i)),
    );
    const long = await linesOf(longCurves(store, [run], ['validationLoss']));
    expect(long).toHaveLength(20_002);
    expect(long.slice(1).map((line) => Number(line[4]))).toEqual(Array.from({ length: 20_001 }, (_, i) => i));
    const wide = await linesOf(wideCurves(store, [run], ['validationLoss']));
    expect(wide.slice(1).map((line) => Number(line[1]))).toEqual(Array.from({ length: 6667 }, (_, i) => 3 * i + 2));
  });

  test('of sparsity have a line for each layer and gate', async () => {
    const { store, one } = filled();
    const [header, ...rows] = await linesOf(sparsityTable(store, [one]));
    expect(header.slice(5)).toEqual(['layer', 'gate', 'size', 'active', 'density', 'removed', 'grown']);
    expect(rows.map((line) => line.slice(5, 10))).toEqual([
      ['lstm.0', '', '200', '70', '0.35'],
      ['lstm.0', 'input', '100', '30', '0.3'],
      ['lstm.0', 'forget', '100', '40', '0.4'],
    ]);
  });

  test('of the table and of a comparison have a line for each run', async () => {
    const { store, one, two } = filled();
    store.runs.addTags(one, ['b', 'a']);
    const rows = store.runs.list().runs.map((record) => tableRow(record, { state: 'stopped' }));
    const [header, first, second] = await linesOf(runsTable(rows));
    const cell = (line: string[], column: string) => line[header.indexOf(column)];
    expect([first, second].map((line) => cell(line, 'id'))).toEqual([one, two]);
    expect(cell(first, 'name')).toBe("'=night");
    expect(cell(first, 'tags')).toBe('a b');
    expect(cell(first, 'test_perplexity')).toBe('54.6');
    expect(cell(second, 'test_perplexity')).toBe('');
    expect(cell(first, 'created')).toBe('2026-11-24T00:00:00.000Z');

    const candidates = rows.map((row) => ({ row, validation: store.metrics.values(row.id, 'validationPerplexity') }));
    const comparison = compareRuns([candidates[0], candidates[1]], { reach: [60] });
    expect(await linesOf(comparisonTable(comparison))).toEqual([
      [
        'run',
        'name',
        'state',
        'best_validation_perplexity',
        'best_delta',
        'test_perplexity',
        'test_delta',
        'steps_to_60',
        'seed',
      ],
      [one, "'=night", 'stopped', String(Math.exp(4)), '0', '54.6', '0', '2', '1'],
      [two, 'day', 'stopped', String(Math.exp(4.25)), String(Math.exp(4.25) - Math.exp(4)), '', '', '', '2'],
    ]);
  });
});
