import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { routerOf } from '../../src/main/contract/router.js';
import { clientInMemory } from '../../src/main/contract/serve.js';
import { nextRuns } from '../../src/main/queue/queue.js';
import { OwnerLeaves } from '../../src/shared/contract/errors.js';
import { UserError } from '../../src/shared/errors.js';
import { sweep } from '../../src/shared/sweep.js';
import { ProcessLock } from '../../src/system/process-lock.js';
import { desk, type Desk } from './support/desk.js';
import { told } from './support/fake-trainer.js';

const config = (name: string) => ({ name, training: { epochs: 3 } });
const patience = { timeout: 5000 };

describe('the queue', () => {
  const waiting = (...devices: string[]) =>
    devices.map((device, place) => ({
      entry: { run: `${device}-${place}`, position: place, device: null, threads: null, queued: 0 },
      device,
    }));

  test.each([
    [['cpu', 'cpu'], [], 1, ['cpu-0']],
    [['cpu', 'gpu', 'gpu'], [], 1, ['cpu-0', 'gpu-1']],
    [['cpu', 'gpu'], ['cpu'], 1, ['gpu-1']],
    [['cpu', 'cpu', 'cpu'], ['cpu'], 3, ['cpu-0', 'cpu-1']],
    [[], ['cpu'], 1, []],
  ])('of %j beside %j, at most %i a device, begins %j', (devices, busy, most, expected) => {
    expect(nextRuns(waiting(...devices), busy, most).map(({ entry }) => entry.run)).toEqual(expected);
  });

  test('is kept when its owner ends, and the next one goes on with what ran first', async () => {
    const first = desk();
    const [running, ...others] = first.workbench.commands.create([config('a'), config('b'), config('c')], 0);
    first.trainers.last.tell(told.started);
    const closing = first.workbench.close(() => true);
    first.trainers.last.tell(told.checkpoint, told.stopped);
    first.trainers.last.end();
    await closing;
    expect(first.store.queue.entries().map(({ run }) => run)).toEqual([running, ...others]);
    expect(first.trainers.all).toHaveLength(1);
    const next = desk({ path: first.path });
    expect((await next.workbench.views.get(running)).state).toEqual({ state: 'starting' });
    expect(next.trainers.last.commands[0]).toMatchObject({ type: 'train', resume: true });
  });

  test('knows where an engine computes from the first run that has told, and begins what waits for another device', async () => {
    const { workbench, trainers, store } = desk();
    const onCpu = { ...config('c'), device: { engine: 'wasm' } };
    workbench.commands.create([config('a'), config('b'), onCpu], 0);
    expect(trainers.all).toHaveLength(1);
    const gpu = { id: 'cuda:0', kind: 'gpu', name: 'A GPU', memory: 8e9, driver: null } as const;
    trainers.last.tell({ ...told.started, engine: { ...told.started.engine, device: gpu } });
    await expect.poll(() => trainers.all.length, patience).toBe(2);
    expect(store.queue.entries().map(({ run }) => run)).toEqual(['b-1']); // it waits for the GPU
  });

  test('can be put into another order, in which runs then begin', async () => {
    const { workbench, trainers, store } = desk();
    const [, b, c] = workbench.commands.create([config('a'), config('b'), config('c')], 0);
    workbench.commands.reorder([c]);
    expect((await workbench.views.get(b)).state).toEqual({ state: 'queued', ahead: 2 });
    trainers.last.end();
    await expect.poll(async () => (await workbench.views.get(c)).state.state, patience).toBe('starting');
    workbench.commands.create([config('d'), config('e')], 0);
    const order = () => store.queue.entries().map(({ run }) => run);
    expect(order()).toEqual(['b-1', 'd-1', 'e-1']);
    workbench.commands.reorder(['e-1', 'd-1'], 'b-1');
    expect(order()).toEqual(['e-1', 'd-1', 'b-1']);
    workbench.commands.reorder(['e-1'], null);
    expect(order()).toEqual(['d-1', 'b-1', 'e-1']);
    expect(() => {
      workbench.commands.reorder(['b-1'], 'b-1');
    }).toThrow('b-1 cannot begin before itself');
    expect(() => {
      workbench.commands.reorder(['b-1'], c);
    }).toThrow(`${c} does not wait in the queue`);
    expect(() => {
      workbench.commands.reorder(['a-1']);
    }).toThrow('a-1 does not wait in the queue');
  });

  test('begins nothing any more while its owner is about to leave', async () => {
    const { workbench, trainers } = desk();
    const [a, b] = workbench.commands.create([config('a'), config('b')], 0);
    workbench.scheduler.hold();
    trainers.last.end();
    await expect.poll(async () => (await workbench.views.get(a)).state.state, patience).toBe('interrupted');
    expect((await workbench.views.get(b)).state.state).toBe('queued');
    expect(trainers.all).toHaveLength(1);
  });
});

describe('a damaged run', () => {
  const harm = (path: string, sql: string) => {
    const database = new Database(join(path, 'sparrow.db'));
    database.exec(sql);
    database.close();
  };
  const cutConfig = (id: string) => `UPDATE runs SET config = '{' WHERE id = '${id}'`;

  test('in the queue is told once and keeps nobody from beginning', async () => {
    const first = desk({ start: false });
    const [bad, good] = first.workbench.commands.create([config('bad'), config('good')], 0);
    harm(first.path, cutConfig(bad));
    const { workbench, trainers, defects } = desk({ path: first.path });
    expect((await workbench.views.get(good)).state).toEqual({ state: 'starting' });
    expect(trainers.all).toHaveLength(1);
    const [another] = workbench.commands.create([config('another')], 0);
    expect((await workbench.views.get(another)).state.state).toBe('queued');
    expect((await workbench.views.list()).damaged.map(({ id }) => id)).toEqual([bad]);
    expect(defects.map(String)).toEqual([expect.stringContaining(`UserError: run ${bad} is damaged in the database`)]);
  });

  test('that is all there is in the queue is nothing to do', () => {
    const { workbench, path } = desk({ start: false });
    const [bad] = workbench.commands.create([config('bad')], 0);
    expect(workbench.scheduler.idle).toBe(false);
    harm(path, cutConfig(bad));
    expect(workbench.scheduler.idle).toBe(true);
  });

  test('or a damaged place of one keeps nobody from the list and the others', async () => {
    const { workbench, path, store } = desk({ start: false });
    const [bad, good] = workbench.commands.create([config('bad'), config('good')], 0);
    harm(path, `UPDATE queue SET threads = -1 WHERE run = (SELECT key FROM runs WHERE id = '${bad}')`);
    const { runs, damaged } = await workbench.views.list();
    expect(runs.map(({ record, state }) => [record.id, state])).toEqual([[good, { state: 'queued', ahead: 0 }]]);
    expect(damaged.map(({ id }) => id)).toEqual([bad]);
    expect(damaged[0].problem).toContain('a place in the queue is damaged');
    workbench.commands.reorder([good]);
    workbench.commands.trash([bad]);
    expect(store.queue.entries().map(({ run }) => run)).toEqual([good]);
  });

  test('can be put into the trash and deleted', async () => {
    const { workbench, path, runsFolder } = desk({ start: false });
    const [bad] = workbench.commands.create([config('bad')], 0);
    mkdirSync(join(runsFolder, bad), { recursive: true });
    harm(path, cutConfig(bad));
    expect(() => workbench.commands.purge([bad])).toThrow(`${bad} is not in the trash`);
    workbench.commands.trash([bad]);
    workbench.commands.purge([bad]);
    expect(await workbench.views.list({ trash: true })).toEqual({ runs: [], damaged: [], next: null });
    expect(existsSync(join(runsFolder, bad))).toBe(false);
  });
});

describe('a run', () => {
  test('that was left by an owner that is gone is interrupted for the next one', async () => {
    const first = desk();
    const [id] = first.workbench.commands.create([config('left')], 0);
    const next = desk({ path: first.path });
    expect((await next.workbench.views.get(id)).state).toMatchObject({ state: 'interrupted' });
    next.workbench.commands.resume(id, { restarts: 0 });
    expect((await next.workbench.views.get(id)).state).toEqual({ state: 'starting' });
  });

  test('is restarted until that no longer brings a new checkpoint', async () => {
    const { workbench, trainers } = desk();
    const [id] = workbench.commands.create([config('frail')], 2);
    const die = async (count: number) => {
      trainers.last.end('SIGSEGV');
      await expect.poll(() => trainers.all.length, patience).toBe(count);
    };
    await die(2);
    await die(3);
    trainers.last.tell(told.started, told.checkpoint);
    await expect.poll(() => trainers.last.acknowledged, patience).toBe(1);
    await die(4);
    await die(5);
    trainers.last.end('SIGSEGV');
    await expect
      .poll(async () => (await workbench.views.get(id)).state, patience)
      .toMatchObject({
        state: 'interrupted',
        reason: 'the trainer ended with SIGSEGV',
      });
    expect(trainers.all).toHaveLength(5);
  });

  test('that was stopped is not restarted', async () => {
    const { workbench, trainers } = desk();
    const [id] = workbench.commands.create([config('frail')], 2);
    workbench.commands.stop(id, true);
    await expect.poll(async () => (await workbench.views.get(id)).state.state, patience).toBe('interrupted');
    expect(trainers.all).toHaveLength(1);
  });

  test('whose beginning cannot be written down is not begun, and who asked is told', async () => {
    const { workbench, trainers, store } = desk();
    const begin = store.runs.beginAttempt.bind(store.runs);
    store.runs.beginAttempt = () => {
      throw new UserError('the disk is full');
    };
    expect(() => workbench.commands.create([config('full')], 0)).toThrow('the disk is full');
    expect(trainers.last.isGone).toBe(true);
    expect((await workbench.views.get('full-1')).state).toEqual({ state: 'queued', ahead: 0 });
    store.runs.beginAttempt = begin;
    workbench.commands.resume('full-1', { restarts: 0 });
    expect((await workbench.views.get('full-1')).state).toEqual({ state: 'starting' });
  });

  test('whose end cannot be written down is told all the same', async () => {
    const { workbench, trainers, store } = desk();
    const [id] = workbench.commands.create([config('full')], 0);
    store.runs.endAttempt = () => {
      throw new UserError('the disk is full');
    };
    trainers.last.say({ refused: { message: 'no corpus' } });
    trainers.last.end();
    const told = async () =>
      (await workbench.news.after({ runs: [id], after: 0, version: '', limit: 1, waitMs: 0 })).states[id];
    await expect.poll(told, patience).toEqual({ state: 'failed', error: 'no corpus', begun: false });
  });

  test('whose end cannot be written down by a defect has that told, too', async () => {
    const { workbench, trainers, store, defects } = desk();
    workbench.commands.create([config('odd')], 0);
    store.runs.endAttempt = () => {
      throw new TypeError('odd');
    };
    trainers.last.end();
    await expect.poll(() => defects, patience).toEqual([new TypeError('odd')]);
  });

  test('keeps the threads it was resumed with when it is restarted or handed over', async () => {
    const { workbench, trainers, store } = desk();
    const [id] = workbench.commands.create([config('frugal')], 0);
    trainers.last.end();
    await expect.poll(async () => (await workbench.views.get(id)).state.state, patience).toBe('interrupted');
    workbench.commands.resume(id, { restarts: 1, threads: 3 });
    trainers.last.end('SIGSEGV');
    await expect.poll(() => trainers.all.length, patience).toBe(3);
    expect(trainers.last.commands[0]).toMatchObject({ config: { device: { threads: 3 } } });
    const closing = workbench.close(() => true);
    trainers.last.end();
    await closing;
    expect(store.queue.entries()).toMatchObject([{ run: id, threads: 3 }]);
  });

  test('that is asked of an owner which is about to end is left to the next one', async () => {
    const { workbench } = desk({ start: false });
    expect(workbench.commands.asked).toBe(false);
    const client = clientInMemory(routerOf(workbench, '1.0.0'));
    await workbench.close(() => false);
    await expect(client.runs.create({ configs: [config('late')] })).rejects.toBeInstanceOf(OwnerLeaves);
    expect(workbench.commands.asked).toBe(false);
  });

  test('that never began can be discarded as if it had never been', async () => {
    const { workbench, trainers, runsFolder } = desk();
    const [id] = workbench.commands.create([config('x')], 0);
    expect(() => {
      workbench.commands.discard(id);
    }).toThrow(`${id} has begun`);
    mkdirSync(join(runsFolder, id), { recursive: true });
    trainers.last.say({ refused: { message: 'no corpus' } });
    trainers.last.end();
    await expect.poll(async () => (await workbench.views.get(id)).state.state, patience).toBe('failed');
    workbench.commands.discard(id);
    expect((await workbench.views.list()).runs).toEqual([]);
    expect(existsSync(join(runsFolder, id))).toBe(false);
    expect(workbench.commands.create([config('x')], 0)).toEqual([id]);
  });

  test('takes no number whose folder is there', () => {
    const { workbench, runsFolder } = desk();
    mkdirSync(join(runsFolder, 'x-1'), { recursive: true });
    expect(workbench.commands.create([config('x')], 0)).toEqual(['x-2']);
  });

  test('that is being trained does not go into the trash', async () => {
    const { workbench } = desk();
    const [a, b] = workbench.commands.create([config('a'), config('b')], 0);
    expect(() => {
      workbench.commands.trash([b, a]);
    }).toThrow(`${a} is being trained`);
    expect((await workbench.views.get(b)).state.state).toBe('queued');
    workbench.commands.trash([b]);
    expect((await workbench.views.list({ trash: true })).runs.map(({ record }) => record.id)).toEqual([b]);
    expect(() => workbench.commands.purge([a])).toThrow(`${a} is not in the trash`);
  });
});

test('a run at whose folder a process is still at work is not deleted', () => {
  const { workbench, trainers, runsFolder } = desk({ start: false });
  const [id] = workbench.commands.create([config('held')], 0);
  workbench.commands.stop(id, false);
  workbench.commands.trash([id]);
  const folder = join(runsFolder, id);
  mkdirSync(folder, { recursive: true });
  const lock = new ProcessLock(join(folder, 'trainer.lock'), 'the run');
  expect(() => workbench.commands.purge([id])).toThrow(`${id} is still in use by its trainer (process ${process.pid})`);
  expect(existsSync(folder)).toBe(true);
  lock.release();
  workbench.commands.purge([id]);
  expect(existsSync(folder)).toBe(false);
  expect(trainers.all).toEqual([]);
});

describe('a run that a person has paused', () => {
  const rest = async ({ workbench, trainers }: Desk) => {
    const [id, next] = workbench.commands.create([config('resting'), config('next')], 0);
    trainers.last.tell(told.started);
    workbench.commands.pause(id);
    trainers.last.tell(told.checkpoint, told.paused);
    await expect.poll(() => trainers.last.acknowledged, patience).toBe(2);
    return { id, next };
  };
  const stateOf = async ({ workbench }: Desk, id: string) => (await workbench.views.get(id)).state;

  test('rests on when its owner leaves, keeps nobody from its device, and goes on when it is told to', async () => {
    const first = desk();
    const { id, next } = await rest(first);
    expect(first.workbench.scheduler.hasWork).toBe(true);
    const closing = first.workbench.close(() => true);
    first.trainers.last.tell(told.checkpoint, told.stopped);
    first.trainers.last.end();
    await closing;
    expect(first.store.queue.entries().map(({ run }) => run)).toEqual([next]);
    const second = desk({ path: first.path });
    expect(await stateOf(second, id)).toEqual({ state: 'paused' });
    expect(await stateOf(second, next)).toEqual({ state: 'starting' });
    second.workbench.commands.resume(id, { restarts: 0, threads: 3 });
    expect(await stateOf(second, id)).toEqual({ state: 'queued', ahead: 1 });
    second.trainers.last.end();
    await expect.poll(() => second.trainers.all.length, patience).toBe(2);
    expect(second.trainers.last.commands[0]).toMatchObject({ resume: true, config: { device: { threads: 3 } } });
    expect(await stateOf(second, id)).toEqual({ state: 'starting' });
  });

  test('rests on when its owner is killed; stopped then, it is stopped', async () => {
    const first = desk();
    const { id } = await rest(first);
    const second = desk({ path: first.path, start: false });
    expect(await stateOf(second, id)).toEqual({ state: 'paused' });
    expect(() => {
      second.workbench.commands.pause(id);
    }).toThrow(`${id} is paused: only a run that is being trained can be paused`);
    second.workbench.commands.stop(id, false);
    expect(await stateOf(second, id)).toEqual({ state: 'stopped' });
    second.workbench.commands.resume(id, { restarts: 0 });
    expect(await stateOf(second, id)).toMatchObject({ state: 'queued' });
  });

  test('goes on where it rests, with the threads it has, and no longer rests with the next owner', async () => {
    const first = desk();
    const { id } = await rest(first);
    expect(() => {
      first.workbench.commands.resume(id, { restarts: 0, threads: 2 });
    }).toThrow(`${id} rests with the threads it has`);
    first.workbench.commands.resume(id, { restarts: 0 });
    expect(await stateOf(first, id)).toEqual({ state: 'running' });
    expect(first.trainers.last.asked).toEqual(['train', 'pause', 'continue']);
    const second = desk({ path: first.path, start: false });
    expect(await stateOf(second, id)).toMatchObject({ state: 'interrupted' });
  });

  test('is interrupted if its trainer dies while it rests', async () => {
    const here = desk();
    const { id } = await rest(here);
    here.trainers.last.end('SIGKILL');
    await expect.poll(() => stateOf(here, id), patience).toMatchObject({ state: 'interrupted' });
  });
});

describe('a sweep', () => {
  const values = (settings: string[], seeds = 1) =>
    sweep({}, settings, seeds).map(({ seed, method, training }) => [seed, method?.density, training?.epochs]);

  test('has one run of each combination, the last field changing fastest, and each seed of it', () => {
    expect(values(['method.density=[0.1,0.2]', 'training.epochs=[3,4]'])).toEqual([
      ...[
        [undefined, 0.1, 3],
        [undefined, 0.1, 4],
        [undefined, 0.2, 3],
        [undefined, 0.2, 4],
      ],
    ]);
    expect(values(['seed=7', 'method.density=[0.1,0.2]'], 2).map(([seed]) => seed)).toEqual([7, 8, 7, 8]);
    expect(values([])).toEqual([[undefined, undefined, undefined]]);
  });
});
