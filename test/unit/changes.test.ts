import { expect, test } from 'vitest';
import { Changes } from '../../src/main/workbench/changes.js';

/** Whether something has happened by now. */
function watched(happens: Promise<void>): () => boolean {
  let done = false;
  void happens.then(() => (done = true));
  return () => done;
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an event wakes who follows its run and who follows all, and nobody else', async () => {
  const changes = new Changes();
  const own = watched(changes.next(['a'], 60_000));
  const others = watched(changes.next(['b', 'c'], 60_000));
  const all = watched(changes.next(undefined, 60_000));
  changes.wrote('a');
  await turn();
  expect([own(), others(), all()]).toEqual([true, false, true]);
  expect(changes.number).toBe(0);
  changes.touch(['c']);
  await turn();
  expect(others()).toBe(true);
});

test('changes have numbers, an event has none', () => {
  const changes = new Changes();
  changes.touch(['a', 'b']);
  const { number } = changes;
  changes.wrote('a');
  expect(changes.number).toBe(number);
  changes.touch(['b']);
  expect(changes.since(number)).toEqual(['b']);
  expect(changes.since(0)).toEqual(['a', 'b']);
  expect([changes.isNewer('a', number), changes.isNewer('b', number)]).toEqual([false, true]);
});

test('what happens between a look and the wait for more is not missed', async () => {
  const changes = new Changes();
  const { moment } = changes;
  changes.wrote('a');
  const next = watched(changes.next(['a'], 60_000, moment));
  await turn();
  expect(next()).toBe(true);
});

test('at the end nobody waits any more', async () => {
  const changes = new Changes();
  const next = watched(changes.next(['a'], 60_000));
  changes.close();
  await turn();
  expect(next()).toBe(true);
  await changes.next(undefined, 60_000);
});
