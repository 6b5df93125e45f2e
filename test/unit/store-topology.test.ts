import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { WritableStore } from '../../src/main/store/store.js';
import type { PartialRunConfig } from '../../src/shared/run-config.js';
import { MaskLog } from '../../src/worker/storage/masks.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import { withMasks } from './support/masks.js';
import { begin, newStore, sparsity, tell } from './support/store.js';

const small: PartialRunConfig = {
  model: { embedding: 3, hidden: 4, layers: 1 },
  method: { kind: 'selfish', density: 0.5 },
};

const folderOf = (store: WritableStore, run: string) => join(dirname(store.path), 'runs', run);

function runWithMasks(store: WritableStore, seeds: readonly number[], config = small): string {
  const run = begin(store, config);
  tell(store, run, withMasks(folderOf(store, run), seeds));
  return run;
}

const whole = (store: WritableStore, run: string) =>
  store.topology.connections(run).filter(({ layer }) => layer === null);

test('each update has its step and epoch, and a row for the network and each layer', () => {
  const store = newStore();
  const rows = store.topology.connections(runWithMasks(store, [1, 2, 2]));
  expect(rows.map(({ layer }) => layer).slice(0, 5)).toEqual([
    ...[null, 'embedding.weight', 'lstm.0.weight_ih', 'lstm.0.weight_hh', 'decoder.weight'],
  ]);
  expect(rows.filter(({ layer }) => layer === null)).toMatchObject([
    { update: 0, step: 0, epoch: 0, toStart: 0 },
    { update: 1, step: 10, epoch: 1 },
    { update: 2, step: 20, epoch: 2, removed: 0, grown: 0, toPrevious: 0 },
  ]);
});

test('masks that a trainer has written and not told of are not there yet, and those that are cut off are not either', () => {
  const store = newStore();
  const run = begin(store, small);
  const told = withMasks(folderOf(store, run), [1, 2, 3]);
  tell(store, run, told.slice(0, 2));
  expect(whole(store, run).map(({ update }) => update)).toEqual([0, 1]);
  expect(store.topology.distance({ run }, { run, update: 1 }, false)).toMatchObject({ distance: 0, a: { update: 1 } });
  expect(() => store.topology.distance({ run, update: 2 }, { run }, false)).toThrow(
    `run ${run} has no topology update 2: its last one is 1`,
  );
  tell(store, run, told.slice(2), 2);
  const path = join(folderOf(store, run), 'masks.bin');
  truncateSync(path, readFileSync(path).length - 3);
  expect(whole(store, run).map(({ update }) => update)).toEqual([0, 1]);
  expect(() => store.topology.distance({ run }, { run }, false)).toThrow('has no topology update 2');
});

test('the masks of runs are compared as they were after any update', () => {
  const store = newStore();
  const [one, other] = [runWithMasks(store, [1, 2, 3]), runWithMasks(store, [3, 1])];
  const { topology } = store;
  const same = topology.distance({ run: one, update: 0 }, { run: other }, true);
  expect(same).toMatchObject({ distance: 0, matched: 0, a: { run: one, update: 0 }, b: { run: other, update: 1 } });
  expect(topology.distance({ run: one }, { run: other, update: 0 }, false).distance).toBe(0);
  const far = topology.distance({ run: one }, { run: other }, true);
  expect(far.layers.map(({ layer }) => layer)).toHaveLength(4);
  expect(far.distance).toBeGreaterThan(0.3);
  expect(far.matched!).toBeLessThan(far.distance);
});

test('of very many updates some are told, the first and the last among them', () => {
  const store = newStore();
  const run = begin(store, small);
  const folder = folderOf(store, run);
  mkdirSync(folder, { recursive: true });
  const pattern = (position: number) => [Pattern.fromPositions(1, 8, Int32Array.of(position % 8))];
  const log = MaskLog.create(join(folder, 'masks.bin'), ['lstm.0.weight_hh'], pattern(0));
  const updates = 2500;
  for (let update = 1; update < updates; update++) log.append(pattern(update));
  tell(
    store,
    run,
    Array.from({ length: updates }, (_, update) => sparsity(update, update)),
  );
  const rows = whole(store, run);
  expect(rows.length).toBeLessThanOrEqual(1001);
  expect(rows.length).toBeGreaterThan(500);
  expect(rows[0].update).toBe(0);
  expect(rows.at(-1)).toMatchObject({ update: updates - 1, step: updates - 1, everActive: 8, toPrevious: 1 });
});

test('a run without masks says why, and a damaged file is named', () => {
  const store = newStore();
  const dense = begin(store, { method: { kind: 'dense', density: 1 } });
  expect(() => store.topology.connections(dense)).toThrow(`run ${dense} is dense and has no masks`);
  const queued = begin(store, small);
  expect(() => store.topology.connections(queued)).toThrow(`run ${queued} has no masks yet`);
  const run = runWithMasks(store, [1, 2]);
  const path = join(folderOf(store, run), 'masks.bin');
  const bytes = readFileSync(path);
  bytes[bytes.length - 2] ^= 1;
  writeFileSync(path, bytes);
  expect(() => store.topology.connections(run)).toThrow(`${path} is damaged`);
});
