import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openReadable } from '../../src/main/store/open.js';
import { newOfRun } from '../../src/main/store/events.js';
import { UserError } from '../../src/shared/errors.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { holds } from './support/property.js';
import {
  begin,
  checkpoint,
  contentOf,
  evaluation,
  eventLists,
  finished,
  fuzz,
  newStore,
  sparsity,
  started,
  step,
  tell,
} from './support/store.js';

const story: RunEvent[] = [started(), sparsity(0, 0), step(1, 5), step(10, 4.5), evaluation(10, 4.2), checkpoint(10)];

describe('events', () => {
  test('are read back as they were told, with cursors that ascend', () => {
    const store = newStore({ now: () => 1234 });
    const run = begin(store);
    const stored = store.events.ingest(story.map((event, sequence) => ({ run, sequence, event })));
    expect(stored.map(({ event }) => event)).toEqual(story);
    expect(stored.map(({ sequence, time }) => [sequence, time])).toEqual(story.map((_, i) => [i, 1234]));
    expect(store.events.after(0)).toEqual(stored);
    expect(store.events.of(run)).toEqual(stored);
    expect(store.events.lastCursor()).toBe(stored.at(-1)!.cursor);
  });

  test('of a run, after a cursor or from a number, at most so many', () => {
    const store = newStore();
    const [one, other] = [begin(store), begin(store)];
    tell(store, one, story);
    tell(store, other, story);
    tell(store, one, [step(20, 4)], story.length);
    const cursor = store.events.of(one).at(-2)!.cursor;
    expect(store.events.after(cursor, { run: one }).map(({ event }) => event)).toEqual([step(20, 4)]);
    expect(store.events.after(cursor).map(({ run }) => run)).toEqual([...story.map(() => other), one]);
    expect(store.events.after(0, { limit: 2 }).map(({ sequence }) => sequence)).toEqual([0, 1]);
    expect(store.events.of(one, { from: 4, limit: 2 }).map(({ event }) => event)).toEqual(story.slice(4, 6));
  });

  test('are on disk when they are told: another connection sees them at once', () => {
    const store = newStore();
    const run = begin(store);
    const reader = openReadable(store.path);
    for (let sequence = 0; sequence < 3; sequence++) {
      tell(store, run, [step(sequence, 5)], sequence);
      expect(reader.events.of(run)).toHaveLength(sequence + 1);
    }
    reader.close();
  });

  test('with a number that is there replace it and all after it, and get new cursors', () => {
    const store = newStore();
    const run = begin(store);
    tell(
      store,
      run,
      [0, 1, 2, 3, 4].map((at) => step(at, at)),
    );
    const seen = store.events.lastCursor();
    tell(store, run, [step(2, 20), step(3, 30)], 2);
    expect(store.events.of(run).map(({ event }) => event)).toEqual([step(0, 0), step(1, 1), step(2, 20), step(3, 30)]);
    expect(store.events.after(seen).map(({ sequence }) => sequence)).toEqual([2, 3]);
    tell(store, run, [started()], 0);
    expect(store.events.of(run).map(({ event }) => event)).toEqual([started()]);
  });

  test('never use a cursor twice, not even of a run that is gone', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, story);
    const last = store.events.lastCursor();
    store.runs.trash(run);
    store.runs.purge(run);
    const [event] = store.events.ingest([{ run: begin(store), sequence: 0, event: started() }]);
    expect(event.cursor).toBeGreaterThan(last);
  });

  test('cannot leave out a number, and then none of their batch is written', () => {
    const store = newStore();
    const [run, other] = [begin(store), begin(store)];
    tell(store, run, [step(0, 0), step(1, 1)]);
    const before = contentOf(store.path);
    const batch = [
      { run: other, sequence: 0, event: started() },
      { run, sequence: 1, event: step(1, 10) },
      { run, sequence: 3, event: step(3, 3) },
    ];
    expect(() => store.events.ingest(batch)).toThrow(UserError);
    expect(() => store.events.ingest(batch)).toThrow(`${run} ends with event 1 in ${store.path}, and goes on with 3`);
    expect(contentOf(store.path)).toEqual(before);
  });

  test('of a run that is not there are refused', () => {
    const store = newStore();
    expect(() => {
      tell(store, 'owl-1', story);
    }).toThrow('owl-1: there is no such run');
  });

  test('of one run are found by its cursor, not among all that it has told', () => {
    const store = newStore();
    tell(store, begin(store), [started(), step(1, 5)]);
    const database = new Database(store.path, { readonly: true });
    const plan = (sql: string, ...values: number[]) =>
      (database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[]).map(
        ({ detail }) => detail,
      );
    const found = plan(newOfRun, 1, 0, 10);
    const ofWhole = plan('SELECT max(sequence) FROM events WHERE run = ?', 1);
    database.close();
    expect(found).toContain('SEARCH events USING INDEX new_events (run=? AND rowid>?)');
    expect(found.join()).not.toContain('TEMP B-TREE');
    expect(ofWhole.join()).toContain('sqlite_autoindex_events_1');
  });

  test('keep NaN and infinities on disk as such', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [step(1, NaN), step(2, Infinity), step(3, -Infinity), step(4, 1.5)]);
    expect([...store.metrics.values(run, 'loss')].map(({ value }) => value)).toEqual([NaN, Infinity, -Infinity, 1.5]);
    expect(store.events.of(run).map(({ event }) => 'loss' in event && event.loss)).toEqual([
      NaN,
      Infinity,
      -Infinity,
      1.5,
    ]);
    const database = new Database(store.path, { readonly: true });
    const bodies = database.prepare('SELECT body FROM events ORDER BY cursor').pluck().all() as string[];
    database.close();
    expect(bodies.map((body) => (JSON.parse(body) as { loss: unknown }).loss)).toEqual([
      'NaN',
      'Infinity',
      '-Infinity',
      1.5,
    ]);
  });

  test('of topology updates are rows for each layer and gate', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [sparsity(0, 0), sparsity(10, 1)]);
    const rows = store.sparsity.rows(run);
    expect(rows.map(({ update, gate, size, active }) => [update, gate, size, active])).toEqual([
      [0, null, 200, 70],
      [0, 'input', 100, 30],
      [0, 'forget', 100, 40],
      [1, null, 200, 70],
      [1, 'input', 100, 31],
      [1, 'forget', 100, 39],
    ]);
    expect(rows[4]).toEqual({
      ...{ update: 1, step: 10, epoch: 1, removingRate: 0.5, layer: 'lstm.0', gate: 'input' },
      ...{ size: 100, active: 31, removed: 1, grown: 1 },
    });
  });
});

describe('training time', () => {
  const clock = () => {
    const at = { ms: 0 };
    return { at, now: () => at.ms };
  };

  test('goes on over attempts, without what lies between them', () => {
    const { at, now } = clock();
    const store = newStore({ now });
    const run = begin(store);
    at.ms = 1000;
    tell(store, run, [step(1, 5)]);
    at.ms = 50_000;
    store.runs.beginAttempt(run);
    at.ms = 52_000;
    tell(store, run, [step(2, 5)], 1);
    expect([...store.metrics.values(run, 'elapsedMs')]).toEqual([
      { step: 1, value: 1000 },
      { step: 2, value: 3000 },
    ]);
    expect(store.runs.get(run).attempts.map(({ from, started: begun, last }) => [from, begun, last])).toEqual([
      [0, 0, 1000],
      [1, 50_000, 52_000],
    ]);
  });

  test('leaves out pauses', () => {
    const { at, now } = clock();
    const store = newStore({ now });
    const run = begin(store);
    const told: [number, RunEvent][] = [
      [100, step(1, 5)],
      [200, { type: 'paused', step: 1, epoch: 1 }],
      [5200, step(2, 5)],
      [5300, finished(2)],
    ];
    told.forEach(([ms, event], sequence) => {
      at.ms = ms;
      tell(store, run, [event], sequence);
    });
    expect([...store.metrics.values(run, 'elapsedMs')].map(({ value }) => value)).toEqual([100, 200, 300]);
    expect(store.runs.get(run).attempts[0].pausedMs).toBe(5000);
  });

  test('never goes back when the clock of the machine does', () => {
    const { at, now } = clock();
    at.ms = 1000;
    const store = newStore({ now });
    const run = begin(store);
    for (const [sequence, ms] of [1500, 700, 1600].entries()) {
      at.ms = ms;
      tell(store, run, [step(sequence, 5)], sequence);
    }
    expect([...store.metrics.values(run, 'elapsedMs')].map(({ value }) => value)).toEqual([500, 500, 600]);
  });
});

describe('a run that was interrupted and told again', () => {
  /** How a list of events arrives: in batches, each of which may begin with events that were told already. */
  const delivery = eventLists().chain((events) =>
    fc.record({
      events: fc.constant(events),
      parts: fc.array(fc.record({ back: fc.nat(20), length: fc.integer({ min: 1, max: 30 }), lie: fc.boolean() }), {
        maxLength: 12,
      }),
    }),
  );

  const { cases, timeoutMs } = fuzz(40);
  test('leaves what one leaves that was not', { timeout: timeoutMs }, () => {
    const [disturbed, undisturbed] = [newStore(), newStore()];
    holds(
      fc.property(delivery, ({ events, parts }) => {
        const run = begin(disturbed);
        let told = 0;
        for (const { back, length, lie } of parts) {
          const from = Math.max(0, told - back);
          const batch = events.slice(from, from + length);
          if (batch.length === 0) continue;
          // What came after the checkpoint need not be what will be told again.
          tell(disturbed, run, lie ? [...batch, step(70, 9), evaluation(5000, 3), sparsity(9000, 3)] : batch, from);
          told = from + batch.length;
          if (lie) tell(disturbed, run, [batch.at(-1)!], told - 1);
          disturbed.runs.beginAttempt(run);
        }
        if (told < events.length) tell(disturbed, run, events.slice(told), told);
        tell(undisturbed, begin(undisturbed), events);
        expect(contentOf(disturbed.path)).toEqual(contentOf(undisturbed.path));

        for (const store of [disturbed, undisturbed]) {
          store.runs.trash(run);
          store.runs.purge(run);
          expect(Object.values(contentOf(store.path)).flat()).toEqual([]);
        }
      }),
      cases,
    );
    expect(disturbed.problems()).toEqual([]);
  });

  test('leaves the same when all of it arrives at once', () => {
    const [disturbed, undisturbed] = [newStore(), newStore()];
    const run = begin(disturbed);
    const told = [step(1, 5), step(2, 9), step(3, NaN), evaluation(3, 4)];
    const again = [step(2, 4), step(3, 3)];
    disturbed.events.ingest([
      ...told.map((event, sequence) => ({ run, sequence, event })),
      ...again.map((event, i) => ({ run, sequence: 1 + i, event })),
    ]);
    tell(undisturbed, begin(undisturbed), [step(1, 5), ...again]);
    expect(contentOf(disturbed.path)).toEqual(contentOf(undisturbed.path));
  });

  test('leaves no checkpoint or sparsity of what was taken back', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [checkpoint(1), sparsity(1, 1), checkpoint(2), sparsity(2, 2)]);
    tell(store, run, [step(2, 5)], 2);
    expect(store.runs.checkpoints(run).map(({ file }) => file)).toEqual(['step-1.json']);
    expect(store.sparsity.rows(run).map(({ update }) => update)).toEqual([1, 1, 1]);
  });
});
