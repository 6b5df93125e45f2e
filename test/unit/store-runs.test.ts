import Database from 'better-sqlite3';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { spaceOf, purgeRun } from '../../src/main/store/trash.js';
import { derivedState } from '../../src/shared/derived-state.js';
import { UserError } from '../../src/shared/errors.js';
import { runColours } from '../../src/shared/run-colours.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { begin, contentOf, evaluation, finished, newStore, sparsity, started, step, tell } from './support/store.js';

const config = (name = '') => parseRunConfig({ name, training: { epochs: 3 } });

function expectRefused(attempt: () => unknown, message: string): void {
  expect(attempt).toThrow(UserError);
  expect(attempt).toThrow(message);
}

test('runs are listed piece by piece from the newest on, or those that are named', () => {
  const store = newStore();
  const ids = store.runs.create(Array.from({ length: 5 }, () => config('owl'))).map(({ id }) => id);
  const idsOf = (list: ReturnType<typeof store.runs.list>) => list.runs.map(({ id }) => id);
  const first = store.runs.list({ most: 2 });
  expect(idsOf(first)).toEqual(ids.slice(3));
  store.runs.create([config('late')]); // moves nothing of what follows
  const second = store.runs.list({ most: 2, before: first.next! });
  expect(idsOf(second)).toEqual(ids.slice(1, 3));
  const last = store.runs.list({ most: 2, before: second.next! });
  expect([idsOf(last), last.next]).toEqual([[ids[0]], null]);
  expect(idsOf(store.runs.list({ ids: [ids[3], 'nobody', ids[1]] }))).toEqual([ids[1], ids[3]]);
});

describe('a new run', () => {
  test.each([
    { name: 'Night Owl', stem: 'night-owl' },
    { name: '  lr=20, clip 0.25! ', stem: 'lr-20-clip-0-25' },
    { name: '../../etc/passwd', stem: 'etc-passwd' },
    { name: 'a\nb', stem: 'a-b' },
    { name: '', stem: 'selfish' },
    { name: '鳥', stem: 'selfish' },
    { name: 'a'.repeat(200), stem: 'a'.repeat(60) },
    { name: `${'a'.repeat(59)} bc`, stem: 'a'.repeat(59) },
  ])('called $name has the id $stem-1, its whole configuration, and nothing told', ({ name, stem }) => {
    const store = newStore({ now: () => 7 });
    const [run] = store.runs.create([config(name)]);
    expect(run).toEqual(store.runs.get(`${stem}-1`));
    expect(run).toMatchObject({
      id: `${stem}-1`,
      name: name === '' ? 'selfish-1' : name,
      config: config(name),
      created: 7,
    });
    expect(run).toMatchObject({ attempts: [], tags: [], note: '', pinned: null, trashed: null, queued: null });
    expect(run.progress).toMatchObject({ step: 0, nextSequence: 0, lastEvent: null, loss: null, parameters: null });
  });

  test('takes the first number of its name that neither a run nor anything else has', () => {
    const store = newStore();
    store.runs.create([config('owl')]);
    const taken = (id: string) => id === 'owl-2';
    expect(store.runs.create([config('owl'), config('owl')], taken).map(({ id }) => id)).toEqual(['owl-3', 'owl-4']);
  });

  test('is made with others of a sweep, or none is', () => {
    const store = newStore();
    const taken = (id: string) => {
      if (id === 'wren-1') throw new Error('no');
      return false;
    };
    expect(() => store.runs.create([config('owl'), config('wren')], taken)).toThrow('no');
    expect(store.runs.list().runs).toEqual([]);
  });

  test('has a colour that no other has, while there are some', () => {
    const store = newStore();
    const colours = store.runs.create(runColours.map(() => config('owl'))).map(({ colour }) => colour);
    expect(new Set(colours).size).toBe(runColours.length);
    store.runs.trash('owl-3');
    expect(store.runs.create([config('owl')])[0].colour).toBe(colours[2]);
    store.runs.setColour('owl-1', '#ABCDEF');
    expect(store.runs.get('owl-1').colour).toBe('#abcdef');
    expectRefused(() => {
      store.runs.setColour('owl-1', 'red');
    }, 'red is no colour: write it as #rrggbb');
  });
});

describe('where a run stands', () => {
  test('is read from what it told, and taken back with it', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [started(10), step(1, 5), evaluation(10, 4), step(11, 3), evaluation(20, 4.5), finished(20)]);
    expect(store.runs.get(run).progress).toEqual({
      ...{
        step: 20,
        epoch: 1,
        stepsPerEpoch: 10,
        nextSequence: 6,
        lastEvent: 'finished',
        failure: null,
        loss: 3,
        tokensPerSecond: 1000,
      },
      ...{ validationPerplexity: Math.exp(4.5), bestValidationPerplexity: Math.exp(4), testPerplexity: 54.6 },
      ...{ parameters: { total: 1000, active: 330 }, engine: 'native', computedBy: 'native (1)' },
      ...{ flops: null, flopsOfDense: null },
    });
    tell(store, run, [step(2, 4.75)], 2);
    expect(store.runs.get(run).progress).toMatchObject({
      ...{ step: 2, nextSequence: 3, lastEvent: 'step', loss: 4.75 },
      ...{ validationPerplexity: null, bestValidationPerplexity: null, testPerplexity: null },
    });
  });

  test('is not known where the value is no number', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [step(1, NaN), evaluation(2, Infinity)]);
    expect(store.runs.get(run).progress).toMatchObject({ loss: null, bestValidationPerplexity: null });
  });
});

describe('attempts', () => {
  test('follow each other, and one that nobody ended is interrupted by the next', () => {
    const at = { ms: 100 };
    const store = newStore({ now: () => at.ms });
    const [{ id }] = store.runs.create([config()]);
    expect(store.runs.beginAttempt(id, { pid: 42, device: 'cpu' })).toEqual({
      ...{
        number: 1,
        started: 100,
        last: 100,
        ended: null,
        pausedMs: 0,
        pid: 42,
        device: 'cpu',
        from: null,
        end: null,
      },
    });
    at.ms = 200;
    store.runs.beginAttempt(id);
    at.ms = 300;
    store.runs.endAttempt(id, { state: 'failed', error: 'no', stack: 'at x', begun: true });
    expect(store.runs.get(id).attempts).toMatchObject([
      { number: 1, ended: 200, pid: null, end: { state: 'interrupted' } },
      { number: 2, ended: 300, end: { state: 'failed', error: 'no', stack: 'at x', begun: true } },
    ]);
  });

  test('are settled at a start: as their last event says, or as interrupted; those that live are left', () => {
    const store = newStore({ now: () => 5 }); // in the same millisecond
    const runs = Array.from({ length: 6 }, () => begin(store));
    const [done, stopped, failed, killed, silent, alive] = runs;
    tell(store, done, [started(), finished(3)]);
    tell(store, stopped, [started(), { type: 'stopped', step: 1, epoch: 1 }]);
    tell(store, failed, [started(), { type: 'failed', message: 'diverged', stack: 'at y' }]);
    tell(store, killed, [started()]);
    tell(store, silent, [started(), { type: 'stopped', step: 1, epoch: 1 }]);
    store.runs.endAttempt(silent, { state: 'stopped' });
    store.runs.beginAttempt(silent); // and died before it told anything

    const read = runs.map((id) => derivedState(store.runs.get(id), {}));
    const settled = store.runs.settle(new Set([alive]));
    expect(settled.sort()).toEqual(runs.slice(0, 5).sort());
    const ends = runs.map((id) => store.runs.get(id).attempts.at(-1)!.end);
    expect(ends).toMatchObject([
      { state: 'finished' },
      { state: 'stopped' },
      { state: 'failed', error: 'diverged', stack: 'at y', begun: true },
      { state: 'interrupted' },
      { state: 'interrupted' },
      null,
    ]);
    expect(read.slice(0, 5)).toEqual(ends.slice(0, 5)); // what a reader said before
    expect(store.runs.settle(new Set([alive]))).toEqual([]);
  });

  test('are settled although their last event is damaged', () => {
    const store = newStore();
    const [run, other] = [begin(store), begin(store)];
    tell(store, run, [{ type: 'failed', message: 'diverged' }]);
    const database = new Database(store.path);
    database.exec("UPDATE events SET body = '{'");
    database.close();
    expect(store.runs.settle(new Set())).toEqual([run, other]);
    expect(store.runs.get(other).attempts[0].end).toMatchObject({ state: 'interrupted' });
  });
});

describe('what people add to a run', () => {
  test('is kept: name, note, tags, pins', () => {
    const store = newStore();
    const [a, b, c] = [begin(store), begin(store), begin(store)];
    store.runs.rename(a, ' Nightjar ');
    store.runs.rename(b, '');
    store.runs.setNote(a, 'lost\nthe plot');
    store.runs.addTags(a, ['paper', 'b', 'paper']);
    store.runs.addTags(a, ['a', 'b']);
    store.runs.removeTags(a, ['paper', 'never']);
    store.runs.pin([c, a]);
    store.runs.pin([b, c]);
    expect(store.runs.get(a)).toMatchObject({ name: 'Nightjar', note: 'lost\nthe plot', tags: ['a', 'b'] });
    expect(store.runs.get(b).name).toBe(b);
    expect([a, b, c].map((id) => store.runs.get(id).pinned)).toEqual([null, 0, 1]);
  });

  test.each(['', 'two words', 'a:b', '"', 'x'.repeat(65)])('is refused where it is no tag: %j', (tag) => {
    const store = newStore();
    const run = begin(store);
    expectRefused(() => {
      store.runs.addTags(run, ['fine', tag]);
    }, 'is no tag: 1 to 64 characters');
    expect(store.runs.get(run).tags).toEqual([]);
  });

  test('needs a run', () => {
    const { runs, queue } = newStore();
    for (const attempt of [
      () => {
        runs.rename('owl-1', 'x');
      },
      () => {
        runs.addTags('owl-1', ['x']);
      },
      () => {
        runs.pin(['owl-1']);
      },
      () => {
        runs.trash('owl-1');
      },
      () => runs.purge('owl-1'),
      () => runs.beginAttempt('owl-1'),
      () => queue.add('owl-1'),
      () => runs.get('owl-1'),
    ]) {
      expectRefused(attempt, 'owl-1: there is no such run in ');
    }
  });
});

describe('the trash', () => {
  test('keeps everything of a run, but its place in the queue, until it is restored', () => {
    const store = newStore({ now: () => 5 });
    const [kept, run] = [begin(store), begin(store)];
    tell(store, run, [started(), sparsity(0, 0), step(1, 5)]);
    store.queue.add(run);
    const before = contentOf(store.path);
    store.runs.trash(run);
    expect(store.runs.list().runs.map(({ id }) => id)).toEqual([kept]);
    expect(store.runs.list({ trash: true }).runs.map(({ id, trashed }) => [id, trashed])).toEqual([[run, 5]]);
    expect(store.queue.entries()).toEqual([]);
    expectRefused(() => store.queue.add(run), 'is in the trash: restore it first');
    store.runs.restore(run);
    expect(store.runs.list().runs.map(({ id }) => id)).toEqual([kept, run]);
    expect(contentOf(store.path)).toEqual(before);
  });

  test('is emptied for good: rows, files, and the space of both', () => {
    const store = newStore();
    const [kept, run] = [begin(store), begin(store)];
    tell(store, kept, [started(), sparsity(0, 0), step(1, 5)]);
    const before = contentOf(store.path);
    tell(store, run, [started(), ...Array.from({ length: 2000 }, (_, i) => step(i, i)), sparsity(2000, 1)]);
    const folder = join(store.path, '..', run);
    mkdirSync(join(folder, 'checkpoints'), { recursive: true });
    writeFileSync(join(folder, 'masks.bin'), Buffer.alloc(1000));
    writeFileSync(join(folder, 'checkpoints', 'a'), Buffer.alloc(500));
    expect(spaceOf(folder)).toBe(1500);

    expectRefused(() => purgeRun(store.runs, run, folder), `${run} is not in the trash`);
    expectRefused(() => store.runs.purge(run), `${run} is not in the trash`);
    expect(spaceOf(folder)).toBe(1500);
    store.runs.trash(run);
    const freed = purgeRun(store.runs, run, folder);
    expect(freed).toBeGreaterThan(1500 + 2000 * 200);
    expect(spaceOf(folder)).toBe(0);
    expect(store.runs.has(run)).toBe(false);
    expect(contentOf(store.path)).toEqual(before);
    expect(store.problems()).toEqual([]);
    store.close();
    expect(statSync(store.path).size).toBeLessThan(250_000);
    expect(() => {
      newStore({}, store.path);
    }).not.toThrow();
  });
});

describe('the queue', () => {
  test('is first come, first served, until it is reordered, and outlives its owner', () => {
    const store = newStore({ now: () => 9 });
    const [a, b, c] = [begin(store), begin(store), begin(store)];
    store.queue.add(a);
    store.queue.add(b, { device: 'gpu:0', threads: 2 });
    store.queue.add(c);
    const order = () => store.queue.entries().map(({ run }) => run);
    expect(order()).toEqual([a, b, c]);
    expect(store.runs.get(b).queued).toEqual({ run: b, position: 2, device: 'gpu:0', threads: 2, queued: 9 });
    expectRefused(() => store.queue.add(a), `${a} is in the queue already`);
    store.queue.reorder([c, b]);
    expect(order()).toEqual([c, b, a]);
    expect(store.queue.remove(c)).toBe(true);
    expect(store.queue.remove(c)).toBe(false);
    expect(store.queue.remove('owl-1')).toBe(false);
    expectRefused(() => {
      store.queue.reorder([c]);
    }, `${c} is not in the queue`);
    store.queue.add(c);
    expect(order()).toEqual([b, a, c]);
    expect(
      newStore({}, store.path)
        .queue.entries()
        .map(({ run }) => run),
    ).toEqual([b, a, c]);
  });
});

describe('corpora and settings', () => {
  test('of corpora the last word counts', () => {
    const store = newStore({ now: () => 3 });
    const tokens = { train: 10, valid: 2, test: 1 };
    store.corpora.put({ name: 'ptb', origin: 'fetched', vocabulary: 100, tokens });
    store.corpora.put({ name: 'mine', origin: 'imported', vocabulary: 5, tokens });
    store.corpora.put({ name: 'ptb', origin: 'imported', vocabulary: 200, tokens });
    expect(store.corpora.list()).toEqual([
      { name: 'mine', origin: 'imported', vocabulary: 5, tokens, added: 3 },
      { name: 'ptb', origin: 'imported', vocabulary: 200, tokens, added: 3 },
    ]);
    expect([store.corpora.remove('mine'), store.corpora.remove('mine')]).toEqual([true, false]);
  });

  test('a setting that does not fit is as if it were not there', () => {
    const store = newStore();
    const schema = z.enum(['light', 'dark']);
    expect(store.settings.get('theme', schema)).toBeUndefined();
    store.settings.set('theme', 'dark');
    expect(store.settings.get('theme', schema)).toBe('dark');
    store.settings.set('theme', { red: true });
    expect(store.settings.get('theme', schema)).toBeUndefined();
    expect(store.settings.get('theme', z.object({ red: z.boolean() }))).toEqual({ red: true });
    store.settings.set('theme', undefined);
    expect(store.settings.get('theme', z.unknown())).toBeUndefined();
  });
});
