import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adoptEarlierRuns } from '../../src/main/earlier-runs.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { tableRow } from '../../src/shared/run-table.js';
import { checkpoint, newStore, started, step } from './support/store.js';
import { temporaryFolder } from './support/temp-folder.js';

const noon = Date.UTC(2026, 10, 1, 12);
const minute = 60_000;

/** A run's folder as the first version wrote it; times are minutes after noon. */
function write(runs: string, id: string, told: readonly (readonly [minutes: number, event: RunEvent])[]): void {
  mkdirSync(join(runs, id), { recursive: true });
  writeFileSync(join(runs, id, 'config.json'), JSON.stringify(parseRunConfig({ name: 'old' })));
  const lines = told.map(([minutes, event], sequence) => {
    const time = new Date(noon + minutes * minute).toISOString();
    return `${JSON.stringify({ sequence, time, event })}\n`;
  });
  writeFileSync(join(runs, id, 'events.jsonl'), lines.join(''));
}

test('earlier runs keep the times of their events, and count only the time of training', () => {
  const runs = temporaryFolder();
  const resumed: RunEvent = { ...started(), resumedFrom: 10 };
  write(runs, 'old-1', [
    ...([
      [0, started()],
      [10, step(10, 5)],
      [10, checkpoint(10)],
      [10, { type: 'stopped', step: 10, epoch: 1 }],
    ] as const),
    ...([
      [600, checkpoint(10)],
      [600, resumed],
      [605, step(20, 4)],
    ] as const), // after a night
  ]);
  const store = newStore();
  adoptEarlierRuns(store, runs, (text) => expect.fail(text));
  expect(store.events.of('old-1').map(({ time }) => (time - noon) / minute)).toEqual([0, 10, 10, 10, 600, 600, 605]);
  const record = store.runs.get('old-1');
  expect(record.attempts.map(({ end }) => end?.state)).toEqual(['stopped', 'interrupted']);
  expect(tableRow(record, { state: 'stopped' }).durationMs).toBe(15 * minute);
  const elapsed = [...store.metrics.values('old-1', 'elapsedMs')].map(({ value }) => value / minute);
  expect(elapsed).toEqual([10, 15]);
});

test('an earlier run that cannot be read is told and left, whatever the reason', () => {
  const runs = temporaryFolder();
  write(runs, 'old-2', [[0, started()]]);
  mkdirSync(join(runs, 'old-1', 'config.json'), { recursive: true }); // no file, which no permission of root's can read
  const store = newStore();
  const said: string[] = [];
  adoptEarlierRuns(store, runs, (text) => said.push(text));
  expect(said).toEqual([expect.stringMatching(/^the run old-1 of an earlier version is left as it is: EISDIR/)]);
  expect(store.runs.list().runs.map(({ id }) => id)).toEqual(['old-2']);
});
