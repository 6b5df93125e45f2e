import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectionLost } from '../../src/shared/contract/errors.js';
import { UserError } from '../../src/shared/errors.js';
import { jsonSafe } from '../../src/shared/numbers.js';
import type { RunEvent, RunEventOf } from '../../src/shared/run-events.js';
import { withMasks } from './support/masks.js';
import { tell } from './support/store.js';
import { desk, transports } from './support/desk.js';
import { told } from './support/fake-trainer.js';

const tiny = (name: string) => ({ name, training: { epochs: 3 } });
/** `SPARROW_TEST_CASES=10000` for a long run. */
const cases = Number(process.env['SPARROW_TEST_CASES'] ?? 200);

describe.each(transports)('over $name', ({ attach }) => {
  test('the owner says who it is', async () => {
    const { client } = await attach(desk().workbench);
    expect(await client.hello({})).toEqual({ protocol: 4, version: '1.0.0', pid: process.pid });
  });

  test('runs are made, begin in turn, and are told as they go', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    const { cursor } = await client.now({});
    const { ids } = await client.runs.create({ configs: [tiny('night'), tiny('night')] });
    expect(ids).toEqual(['night-1', 'night-2']);
    expect(trainers.all).toHaveLength(1);
    expect((await client.runs.get({ id: 'night-2' })).state).toEqual({ state: 'queued', ahead: 1 });
    trainers.last.tell(told.started, told.checkpoint);
    await expect.poll(() => trainers.last.acknowledged).toBe(1);
    const news = await client.news({ runs: ['night-1'], after: cursor });
    expect(news.events.map(({ event }) => event.type)).toEqual(['started', 'checkpoint']);
    expect(news.states).toEqual({ 'night-1': { state: 'running' } });
    trainers.last.tell(told.finished);
    trainers.last.end();
    const later = await client.news({ runs: ['night-1'], after: news.cursor, version: news.version, waitMs: 10_000 });
    expect(later.events.map(({ event }) => event.type)).toEqual(['finished']);
    await expect.poll(() => trainers.all.length).toBe(2);
    const { runs } = await client.runs.list({});
    expect(runs.map(({ record, state }) => [record.id, state.state])).toEqual([
      ['night-1', 'finished'],
      ['night-2', 'starting'],
    ]);
  });

  test('losses that are no numbers any more are stored and told as they are', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    await client.runs.create({ configs: [tiny('wild')] });
    const losses = [NaN, Infinity, -Infinity, 1.5];
    losses.forEach((loss, i) => {
      const event = { ...told.step(i + 1), loss, gradientNorm: loss };
      trainers.last.say(JSON.parse(JSON.stringify(jsonSafe({ sequence: i, event })))); // as a channel carries it
    });
    await expect.poll(() => trainers.last.acknowledged).toBe(3);
    const { events, states } = await client.news({ runs: ['wild-1'], after: 0 });
    expect(events.map(({ event }) => event.type === 'step' && event.loss)).toEqual(losses);
    expect(events.map(({ event }) => event.type === 'step' && event.gradientNorm)).toEqual(losses);
    expect(states['wild-1']).toEqual({ state: 'starting' });
    expect((await client.runs.get({ id: 'wild-1' })).record.progress.loss).toBe(1.5);
  });

  test('who waits is answered when something happens, and with nothing when nothing does', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    await client.runs.create({ configs: [tiny('owl')] });
    const before = await client.news({ runs: ['owl-1'], after: 0 });
    const quiet = await client.news({ runs: ['owl-1'], after: 0, version: before.version, waitMs: 30 });
    expect(quiet).toEqual({ ...before, states: {} });
    const waiting = client.news({ runs: ['owl-1'], after: 0, version: before.version, waitMs: 10_000 });
    await client.hello({});
    trainers.last.tell(told.started);
    expect((await waiting).states['owl-1']).toEqual({ state: 'running' });
  });

  test('a version is another one when a state changes and not when a run tells more, and states come with it', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    await client.runs.create({ configs: [tiny('owl'), tiny('owl')] });
    trainers.last.tell(told.started);
    await expect.poll(() => trainers.last.acknowledged).toBe(0);
    const first = await client.news({ after: 0 });
    expect(first.states).toEqual({ 'owl-1': { state: 'running' }, 'owl-2': { state: 'queued', ahead: 1 } });
    trainers.last.tell(told.step(1));
    const told1 = await client.news({ after: first.cursor, version: first.version, waitMs: 10_000 });
    expect(told1).toMatchObject({ version: first.version, states: {}, more: false });
    expect(told1.events).toHaveLength(1);
    await client.runs.stop({ id: 'owl-2' });
    const told2 = await client.news({ after: told1.cursor, version: told1.version });
    expect(told2.version).not.toBe(first.version);
    expect(told2).toMatchObject({ states: { 'owl-2': { state: 'stopped' } }, gone: [] });
    await client.runs.trash({ ids: ['owl-2'] });
    await client.runs.purge({ ids: ['owl-2'] });
    const told3 = await client.news({ after: told2.cursor, version: told2.version });
    expect(told3).toMatchObject({ states: {}, gone: ['owl-2'] });
    expect(await client.news({ runs: ['owl-2'], after: 0 })).toMatchObject({ states: {}, gone: ['owl-2'], events: [] });
  });

  test('what people say of runs is kept and told, all or nothing', async () => {
    const { workbench } = desk({ start: false });
    const { client } = await attach(workbench);
    const { ids } = await client.runs.create({ configs: [tiny('owl'), tiny('owl'), tiny('owl')] });
    const { version, cursor } = await client.news({ after: 0 });
    await client.runs.annotate({ ids: ids.slice(0, 2), name: 'Night owl', note: 'two\nlines', addTags: ['b', 'a'] });
    await client.runs.annotate({ ids: ['owl-1'], addTags: ['c'], removeTags: ['b'], colour: '#12aBef' });
    await client.runs.pin({ ids: ['owl-3', 'owl-1'] });
    const records = (await client.runs.list({})).runs.map(({ record }) => record);
    expect(records).toMatchObject([
      { name: 'Night owl', note: 'two\nlines', tags: ['a', 'c'], colour: '#12abef', pinned: 1 },
      { name: 'Night owl', note: 'two\nlines', tags: ['a', 'b'], pinned: null },
      { name: 'owl', note: '', tags: [], pinned: 0 },
    ]);
    expect(Object.keys((await client.news({ after: cursor, version })).states).sort()).toEqual(ids);
    const wrong = client.runs.annotate({ ids: ['owl-1', 'no-1'], note: 'changed' });
    await expect(wrong).rejects.toThrow('no-1: there is no such run');
    await expect(client.runs.annotate({ ids, colour: 'red' })).rejects.toThrow('red is no colour');
    await expect(client.runs.annotate({ ids, addTags: ['a b'] })).rejects.toThrow('"a b" is no tag');
    await expect(client.runs.pin({ ids: ['no-1'] })).rejects.toThrow('no-1: there is no such run');
    expect((await client.runs.list({})).runs.map(({ record }) => record)).toEqual(records);
    await client.runs.pin({ ids: [] });
    await client.runs.annotate({ ids: ['owl-1'], name: '' });
    expect((await client.runs.get({ id: 'owl-1' })).record).toMatchObject({ name: 'owl-1', pinned: null });
  });

  test('settings are kept for the next owner', async () => {
    const first = desk({ start: false });
    const { client } = await attach(first.workbench);
    expect(await client.settings.get({ name: 'theme' })).toEqual({});
    await client.settings.set({ name: 'theme', value: { dark: true, columns: ['state', null, 1.5] } });
    await client.settings.set({ name: 'other', value: null });
    const next = await attach(desk({ start: false, path: first.path }).workbench);
    expect(await next.client.settings.get({ name: 'theme' })).toEqual({
      value: { dark: true, columns: ['state', null, 1.5] },
    });
    expect(await next.client.settings.get({ name: 'other' })).toEqual({ value: null });
    await next.client.settings.set({ name: 'theme' });
    expect(await next.client.settings.get({ name: 'theme' })).toEqual({});
    await expect(client.settings.get({ name: 'no name' })).rejects.toThrow('must be letters');
  });

  test('how far masks are apart, and what became of their connections, is told in another thread; or why not', async () => {
    const { workbench, store, runsFolder } = desk({ start: false });
    const { client } = await attach(workbench);
    const model = { embedding: 3, hidden: 4, layers: 1 };
    const method = { kind: 'static', density: 0.5 } as const;
    await client.runs.create({ configs: [1, 2].map((seed) => ({ name: 'owl', seed, model, method })) });
    for (const [id, seed] of [
      ['owl-1', 1],
      ['owl-2', 2],
    ] as const) {
      store.runs.beginAttempt(id);
      tell(store, id, withMasks(join(runsFolder, id), [seed, seed + 1]));
    }
    const { rows } = await client.topology.connections({ id: 'owl-1' });
    expect(rows.filter(({ layer }) => layer === null).map(({ update, step }) => [update, step])).toEqual([
      [0, 0],
      [1, 10],
    ]);
    const places = { a: { run: 'owl-1' }, b: { run: 'owl-2', update: 0 } };
    expect(await client.topology.distance(places)).toMatchObject({ distance: 0, matched: null, a: { update: 1 } });
    const far = await client.topology.distance({ ...places, b: { run: 'owl-2' }, matched: true });
    expect(far.matched!).toBeLessThanOrEqual(far.distance);
    expect(far.distance).toBeGreaterThan(0.2);
    await expect(client.topology.connections({ id: 'no-1' })).rejects.toThrow('no-1: there is no such run');
  });

  test('curves, sparsity and checkpoints are read from a place on', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    await client.runs.create({ configs: [tiny('owl')] });
    expect(await client.runs.started({ id: 'owl-1' })).toEqual({ started: null });
    const update = (number: number): RunEvent => ({
      ...{ type: 'sparsity', step: number, epoch: 1, update: number, removingRate: 0.5 },
      layers: [
        {
          name: 'lstm.0',
          active: 5,
          removed: 1,
          grown: 1,
          gates: [{ name: 'all', size: 10, active: 5, removed: 1, grown: 1 }],
        },
      ],
    });
    trainers.last.tell(
      told.started,
      { ...(told.step(1) as RunEventOf<'step'>), loss: NaN },
      update(0),
      told.step(2),
      update(1),
      told.checkpoint,
    );
    await expect.poll(() => trainers.last.acknowledged).toBe(5);
    const request = { runs: ['owl-1'], metrics: ['loss', 'learningRate'] };
    const { cursor, lines } = await client.runs.series(request);
    expect(lines).toMatchObject([
      { metric: 'loss', x: [2], y: [2.5], marks: [{ step: 1, nan: 1 }], lastStep: 2 },
      { metric: 'learningRate', x: [1, 2], y: [20, 20], lastStep: 2 },
    ]);
    expect((await client.news({ after: cursor })).events).toEqual([]);
    trainers.last.tell(told.step(3));
    await expect.poll(() => trainers.last.acknowledged).toBe(6);
    expect((await client.runs.series({ ...request, fromStep: 3 })).lines).toMatchObject([{ x: [3] }, { x: [3] }]);
    const updates = async (fromUpdate?: number) =>
      (await client.runs.sparsity({ id: 'owl-1', ...(fromUpdate === undefined ? {} : { fromUpdate }) })).rows.map(
        ({ update: number, gate }) => [number, gate],
      );
    expect(await updates()).toEqual([
      [0, null],
      [0, 'all'],
      [1, null],
      [1, 'all'],
    ]);
    expect(await updates(1)).toEqual([
      [1, null],
      [1, 'all'],
    ]);
    expect((await client.runs.checkpoints({ id: 'owl-1' })).checkpoints).toMatchObject([
      { step: 5, file: 'step-5.json' },
    ]);
    expect(await client.runs.started({ id: 'owl-1' })).toEqual({ started: told.started });
    for (const call of [client.runs.sparsity, client.runs.checkpoints, client.runs.started]) {
      await expect(call({ id: 'no-1' })).rejects.toThrow('no-1: there is no such run');
    }
    await expect(client.runs.series({ ...request, runs: ['no-1'] })).rejects.toThrow('no-1: there is no such run');
    await expect(client.runs.series({ ...request, points: 3 })).rejects.toThrow(/points/);
    const many = Array.from({ length: 1001 }, () => 'owl-1');
    await expect(client.runs.series({ ...request, runs: many })).rejects.toThrow(/^runs: must be fewer/);
  });

  test('a reader that was gone goes on where it broke off, a slow one gets all in pieces', async () => {
    const { workbench, trainers } = desk();
    const first = await attach(workbench);
    await first.client.runs.create({ configs: [tiny('owl')] });
    trainers.last.tell(told.started, told.step(1), told.checkpoint);
    await expect.poll(() => trainers.last.acknowledged).toBe(2);
    const seen = await first.client.news({ runs: ['owl-1'], after: 0, limit: 2 });
    expect(seen.events).toHaveLength(2);
    first.sever?.();
    trainers.last.tell(told.step(2), told.checkpoint);
    await expect.poll(() => trainers.last.acknowledged).toBe(4);
    const second = await attach(workbench);
    const types: string[] = [];
    for (let after = seen.cursor, more = true; more;) {
      const news = await second.client.news({ after, limit: 1 });
      types.push(...news.events.map(({ event }) => event.type));
      more = news.events.length > 0;
      after = news.cursor;
    }
    expect(types).toEqual(['checkpoint', 'step', 'checkpoint']);
  });

  test('what a person got wrong comes back as the line for it', async () => {
    const { workbench } = desk();
    const { client } = await attach(workbench);
    const refused = async (call: Promise<unknown>, message: RegExp) => {
      const error: unknown = await call.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).toMatch(message);
    };
    await refused(client.runs.get({ id: 'nothing-1' }), /^nothing-1: there is no such run/);
    await refused(
      client.runs.create({ configs: [{ method: { density: 2 } }] }),
      /^method\.density: 2 must be at most 1$/,
    );
    await refused(client.runs.create({ configs: [] }), /configs/);
    await refused(client.runs.pause({ id: 'nothing-1' }), /there is no such run/);
    await refused(client.news({ after: -1 }), /after/);
    await refused(client.runs.stop({ id: 'x', force: true } as never), /force/);
    expect((await client.runs.list({})).runs).toEqual([]);
  });

  test('of several new runs all are made or none', async () => {
    const { workbench, trainers } = desk();
    const { client } = await attach(workbench);
    await expect(client.runs.create({ configs: [tiny('a'), { seed: -1 }] })).rejects.toThrow(
      'seed: -1 must be at least 0',
    );
    expect((await client.runs.list({})).runs).toEqual([]);
    expect(trainers.all).toEqual([]);
  });

  test('pending calls are rejected when the other side dies, and later ones as well', async ({ skip }) => {
    const { workbench } = desk();
    const { client, sever } = await attach(workbench);
    if (sever === undefined) return skip('both sides are one process');
    const { version } = await client.news({ after: 0 });
    const waiting = client.news({ after: 0, version, waitMs: 30_000 });
    await client.hello({});
    sever();
    await expect(waiting).rejects.toBeInstanceOf(ConnectionLost);
    await expect(client.hello({})).rejects.toBeInstanceOf(ConnectionLost);
  });

  test('no input ends the owner or makes half a run', async () => {
    const { workbench, defects, store } = desk();
    const { client } = await attach(workbench);
    const anything = fc.anything({ maxDepth: 3, withNullPrototype: false });
    const call = fc.constantFrom(
      ...[client.runs.create, client.runs.resume, client.runs.stop, client.runs.get, client.runs.trash],
      ...[client.runs.purge, client.runs.discard, client.news, client.queue.reorder, client.hello],
    );
    const likely = fc.record(
      {
        id: fc.oneof(fc.string(), fc.constant('a-1')),
        ids: fc.array(fc.string()),
        name: fc.string(),
        runs: fc.array(fc.string()),
        value: anything,
        addTags: fc.array(fc.string()),
        configs: fc.array(fc.record({ seed: anything, method: anything, model: anything }, { requiredKeys: [] }), {
          maxLength: 2,
        }),
        after: fc.oneof(fc.integer(), fc.double()),
        limit: fc.integer(),
        restarts: anything,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(call, fc.oneof(anything, likely), async (procedure, input) => {
        const runs = store.runs.list().runs.length;
        const result: unknown = await procedure(input as never).catch((error: unknown) => error);
        if (result instanceof Error) expect(store.runs.list().runs).toHaveLength(runs);
        expect((await client.hello({})).pid).toBe(process.pid);
      }),
      { numRuns: cases, timeout: 10_000 },
    );
    expect(defects).toEqual([]);
    expect(store.problems()).toEqual([]);
  }, 600_000);

  test('what is no call ends at most its own connection', async ({ skip }) => {
    const { workbench, defects } = desk();
    if ((await attach(workbench)).sendRaw === undefined) return skip('there is nothing between the sides');
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.uint8Array(), fc.json()), async (content) => {
        const { sendRaw, client } = await attach(workbench);
        sendRaw!(content);
        await client.hello({}).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ConnectionLost);
        });
      }),
      { numRuns: Math.min(cases, 50), timeout: 10_000 },
    );
    const { client } = await attach(workbench);
    expect((await client.hello({})).pid).toBe(process.pid);
    expect(defects).toEqual([]);
  }, 60_000);
});
