import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { routerOf } from '../../src/main/contract/router.js';
import { clientInMemory } from '../../src/main/contract/serve.js';
import type { Client } from '../../src/shared/contract/client.js';
import type { ExportRequest } from '../../src/shared/contract/exports.js';
import { parseRunConfig, type RunConfig } from '../../src/shared/run-config.js';
import { planOf, rowsAt } from '../../src/shared/tables/plan.js';
import { remarksOf } from '../../src/shared/tables/report.js';
import { configOf, quickCorpora, scales, tableNamed } from '../../src/shared/tables/table.js';
import { tables } from '../../src/shared/tables/tables.js';
import { desk } from './support/desk.js';
import { told } from './support/fake-trainer.js';

const patience = { timeout: 60_000 };

const here = (corpora: readonly string[]) => ({ corpora, views: [] });

test.each(tables)('every row of $id is a run of its own, at every scale and on every text', (table) => {
  for (const scale of scales) {
    for (const corpus of quickCorpora) {
      const rows = rowsAt(table, scale, [corpus]);
      const configs = rows.map((row) => configOf(table, scale, row, 0));
      const same = (config: RunConfig) => JSON.stringify({ ...config, name: '' });
      expect(new Set(configs.map(({ name }) => name)).size).toBe(rows.length);
      expect(new Set(configs.map(same)).size).toBe(rows.length);
      for (const config of configs) expect(parseRunConfig(config)).toEqual(config);
    }
  }
});

test('the quick scale has the rows that were asked for', () => {
  const count = (name: string) => rowsAt(tableNamed(name, tables), 'quick', []).length;
  expect(['E1', 'E9', 'E10'].map(count)).toEqual([8, 12, 3]);
  expect(tables.map(({ id }) => id)).toEqual(Array.from({ length: 10 }, (_, i) => `E${i + 1}`));
});

test('a text that is not here is named with the remedy', () => {
  expect(() => planOf(tableNamed('E1', tables), 'full', 1, here(['mini-ptb']))).toThrow(
    'E1 at full scale is trained on ptb, which is not here: "sparrow data fetch ptb" first',
  );
});

describe('a table in a data folder', () => {
  const asked = { table: 'E10', scale: 'quick', seeds: 1 } as const;
  const done = (runs: readonly { row: string; done: string; state: string }[]) =>
    runs.map(({ row, done: what, state }) => `${row} ${what} ${state}`);

  /** Every row of it queued, and the first of them begun. */
  async function begun() {
    const { workbench, ...rest } = desk();
    const client = clientInMemory(routerOf(workbench, '0'));
    const { runs } = await client.tables.reproduce(asked);
    expect(done(runs)).toEqual(['fused queued queued', 'fused-equal queued queued', 'per-gate queued queued']);
    return { client, ids: runs.map(({ id }) => id), workbench, ...rest };
  }

  test('goes on row by row: what has stopped, failed or was interrupted is resumed, what is finished stays', async () => {
    const { client, ids, trainers, workbench } = await begun();
    const state = async (id: string) => (await workbench.views.get(id)).state.state;
    trainers.last.tell(told.started, told.averaging, told.evaluation, told.finished);
    trainers.last.end();
    await expect.poll(() => state(ids[1]), patience).toBe('starting');
    trainers.last.tell(told.started, told.failed);
    trainers.last.end();
    await expect.poll(() => state(ids[2]), patience).toBe('starting');
    workbench.commands.stop(ids[2], false);
    trainers.last.tell(told.started, told.checkpoint, told.stopped);
    trainers.last.end();
    await expect.poll(() => state(ids[2]), patience).toBe('stopped');
    const [fused, equal, perGate] = (await client.tables.report(asked)).rows;
    expect(fused).toMatchObject({ test: { mean: 20, sd: null }, validation: { mean: 21 }, epochs: 12 });
    expect(remarksOf(fused)).toEqual([]);
    expect(equal).toMatchObject({ test: null, runs: [{ id: ids[1], state: 'failed', problem: 'it diverged' }] });
    expect(remarksOf(equal)).toEqual(['1 failed']);
    expect(perGate.runs).toMatchObject([{ id: ids[2], state: 'stopped', test: null }]);
    const again = await client.tables.reproduce(asked);
    expect(done(again.runs)).toEqual([
      'fused nothing finished',
      'fused-equal resumed failed',
      'per-gate resumed stopped',
    ]);
    expect(again.runs.map(({ id }) => id)).toEqual(ids);
    await expect.poll(() => state(ids[1]), patience).toBe('starting');
    // Without a checkpoint between them it is given up after as many deaths as it may have.
    for (let deaths = 0; deaths <= 3; deaths++) {
      const trainer = trainers.last;
      trainer.end('SIGKILL');
      await expect.poll(() => trainers.last === trainer, patience).toBe(false);
    }
    expect(await state(ids[1])).toBe('interrupted');
    const last = await client.tables.reproduce(asked);
    expect(done(last.runs)).toEqual([
      'fused nothing finished',
      'fused-equal resumed interrupted',
      'per-gate nothing starting',
    ]);
  });

  test('two that ask at once have it queued once', async () => {
    const client = clientInMemory(routerOf(desk().workbench, '0'));
    const both = await Promise.all([client.tables.reproduce(asked), client.tables.reproduce(asked)]);
    expect(both.map(({ runs }) => runs.filter((run) => run.done === 'queued').length)).toEqual([3, 0]);
  });

  test('does not count what is in the trash, but says so; asked for again it is another run', async () => {
    const { client, ids, workbench } = await begun();
    workbench.commands.trash([ids[2]]);
    const { rows } = await client.tables.report(asked);
    expect(rows[2].runs).toMatchObject([{ id: ids[2], state: 'trashed', validation: null }]);
    const { runs } = await client.tables.reproduce(asked);
    expect(done(runs).at(-1)).toBe('per-gate queued queued');
    expect(runs[2].id).not.toBe(ids[2]);
    expect((await client.tables.report(asked)).rows[2].runs).toMatchObject([{ id: runs[2].id, state: 'queued' }]);
  });

  test('knows the runs of a version whose configurations did not have all fields yet', async () => {
    const { client, ids, path } = await begun();
    const database = new Database(join(path, 'sparrow.db'));
    const fields = ['$.evaluation', '$.optimizer.frozenRate', '$.model.chunk', '$.device.id'];
    const changed = database
      .prepare(`UPDATE runs SET config = json_remove(config, ${fields.map((field) => `'${field}'`).join()})`)
      .run();
    database.close();
    expect(changed.changes).toBe(ids.length);
    const { runs } = await client.tables.reproduce(asked);
    expect(runs.map(({ id, done: what }) => [id, what])).toEqual(ids.map((id) => [id, 'nothing']));
  });

  test('is not informative where averaging never began, or above the perplexity of the unigram', async () => {
    const { client, trainers } = await begun();
    trainers.last.tell(told.started, told.evaluation, told.finished);
    trainers.last.end();
    await expect.poll(() => trainers.all.length, patience).toBe(2);
    trainers.last.tell(told.started, told.averaging, { ...told.finished, testPerplexity: 91 });
    trainers.last.end();
    await expect.poll(() => trainers.all.length, patience).toBe(3);
    const [fused, equal] = (await client.tables.report(asked)).rows;
    expect(remarksOf(fused)).toEqual(['not informative: averaging never began']);
    expect(remarksOf(equal)).toEqual(["not informative: above the unigram's perplexity, 90.0"]);
    const csv = await exported(client, { table: 'published', asked });
    expect(csv.split('\r\n')[1]).toMatch(
      /^E10,quick,fused,gates compete \(fused\),1,e10-quick-fused-1,finished,21,20,/,
    );
    expect(csv).toContain('averaging never began');
  });

  test('that there is not, or whose text is not here, is refused with the remedy', async () => {
    const client = clientInMemory(routerOf(desk().workbench, '0'));
    await expect(client.tables.report({ ...asked, table: 'E99' })).rejects.toThrow(
      'E99: no such table; there are E1, ',
    );
    await expect(client.tables.reproduce({ ...asked, scale: 'full' })).rejects.toThrow(
      '"sparrow data fetch ptb" first',
    );
  });
});

async function exported(client: Client, request: ExportRequest): Promise<string> {
  const { id } = await client.exports.open(request);
  const { text, done } = await client.exports.read({ id });
  expect(done).toBe(true);
  return text;
}
