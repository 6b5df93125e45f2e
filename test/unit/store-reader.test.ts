import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { StoreReader } from '../../src/main/store/reader.js';
import { UserError } from '../../src/shared/errors.js';
import { begin, databasePath, newStore, started, step, tell } from './support/store.js';
import { temporaryFolder } from './support/temp-folder.js';

/** The bundle that set-up has made. */
const thread = join(import.meta.dirname, '../../out/main/store-reader.js');

function readerOf(path: string, file = thread): StoreReader {
  const reader = new StoreReader(path, file);
  onTestFinished(() => reader.close());
  return reader;
}

/** A thread that does what it is told here, in place of reading. */
function threadThat(body: string): string {
  const file = join(temporaryFolder(), 'thread.mjs');
  writeFileSync(file, `import { parentPort } from 'node:worker_threads';\n${body}`);
  return file;
}

test('a reader gives what the store gives, while it is written', async () => {
  const store = newStore();
  const run = begin(store);
  tell(store, run, [started(), step(1, 5), step(2, NaN)]);
  const reader = readerOf(store.path);
  const request = { runs: [run], metrics: ['loss'], axis: 'epoch' as const };
  expect(await reader.ask('metrics', 'series', request)).toEqual(store.metrics.series(request));
  tell(store, run, [step(3, 4)], 3);
  const [series, record, has] = await Promise.all([
    reader.ask('metrics', 'series', request),
    reader.ask('runs', 'get', run),
    reader.ask('runs', 'has', 'owl-1'),
  ]);
  expect(series).toEqual(store.metrics.series(request));
  expect(series.lines[0].y).toEqual([5, 4]);
  expect(record).toEqual(store.runs.get(run));
  expect(has).toBe(false);
});

test('a reader throws what the store throws, and goes on', async () => {
  const store = newStore();
  const run = begin(store);
  const reader = readerOf(store.path);
  const refused = reader.ask('events', 'of', 'owl-1');
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow('owl-1: there is no such run');
  await expect(reader.ask('metrics', 'series', { runs: [run], metrics: ['loss'], points: 1 })).rejects.not.toThrow(
    UserError,
  );
  expect(await reader.ask('events', 'of', run)).toEqual([]);
});

test('a reader of a database that is not there yet reads it once it is', async () => {
  const path = databasePath();
  const reader = readerOf(path);
  await expect(reader.ask('runs', 'list')).rejects.toThrow(`there is no database ${path} yet`);
  newStore({}, path);
  expect(await reader.ask('runs', 'list')).toEqual({ runs: [], damaged: [], next: null });
});

test.each([
  { how: 'ends', body: "parentPort.on('message', () => process.exit(3));", message: 'has ended' },
  {
    how: 'throws',
    body: "parentPort.on('message', () => { throw new Error('out of order'); });",
    message: 'has died: out of order',
  },
])('whatever was asked of a thread that $how is rejected, and whatever is asked later', async ({ body, message }) => {
  const reader = readerOf(databasePath(), threadThat(body));
  const asked = await Promise.allSettled([reader.ask('runs', 'list'), reader.ask('queue', 'entries')]);
  for (const result of asked) {
    expect(result).toMatchObject({ status: 'rejected' });
    expect(String((result as PromiseRejectedResult).reason)).toContain(message);
  }
  await expect(reader.ask('runs', 'list')).rejects.toThrow(message);
});

test('what was asked of a reader that is closed is rejected', async () => {
  const reader = readerOf(databasePath(), threadThat("parentPort.on('message', () => {});"));
  const asked = expect(reader.ask('runs', 'list')).rejects.toThrow('the reader of the database is closed');
  await reader.close();
  await asked;
  await expect(reader.ask('runs', 'list')).rejects.toThrow('the reader of the database is closed');
});

test('a reader cannot be asked what is not to be asked', async () => {
  const reader = readerOf(newStore().path);
  for (const [part, method] of [
    ['runs', 'constructor'],
    ['toString', 'call'],
    ['settings', 'get'],
  ]) {
    // What the types forbid, too.
    await expect(reader.ask(part as 'runs', method as 'list')).rejects.toThrow(
      `a reader cannot be asked ${part}.${method}`,
    );
  }
});
