import { describe, expect, test } from 'vitest';
import { compareRuns } from '../../src/shared/comparison.js';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import type { RunRecord } from '../../src/shared/run-records.js';
import { tableRow } from '../../src/shared/run-table.js';

function record(id: string, config: PartialRunConfig, progress: Partial<RunRecord['progress']> = {}): RunRecord {
  const attempt = { pid: null, device: null, ended: null, from: 0, end: null };
  return {
    ...{
      id,
      name: id,
      config: parseRunConfig(config),
      colour: '#cc6677',
      created: 0,
      pinned: null,
      note: '',
      tags: [],
    },
    ...{ trashed: null, paused: null, queued: null },
    attempts: [
      { ...attempt, number: 1, started: 1000, last: 5000, pausedMs: 500 },
      { ...attempt, number: 2, started: 9000, last: 10_000, pausedMs: 0 },
    ],
    progress: {
      ...{
        step: 0,
        epoch: 0,
        stepsPerEpoch: null,
        nextSequence: 0,
        lastEvent: null,
        failure: null,
        loss: null,
        tokensPerSecond: null,
        flops: null,
        flopsOfDense: null,
      },
      ...{ validationPerplexity: null, bestValidationPerplexity: null, testPerplexity: null, parameters: null },
      engine: null,
      computedBy: null,
      ...progress,
    },
  };
}

describe('a row of the table', () => {
  const training = { epochs: 10, batch: 20, bptt: 35 };

  test('says how far a run is and, while it is running, how long it will take', () => {
    const run = record('a', { training }, { step: 250, stepsPerEpoch: 100, tokensPerSecond: 7000 });
    // 750 steps of 700 words are left.
    expect(tableRow(run, { state: 'running' })).toMatchObject({
      progress: 0.25,
      remainingMs: 75_000,
      durationMs: 4500,
    });
    expect(tableRow(run, { state: 'stopped' })).toMatchObject({ progress: 0.25, remainingMs: null });
    expect(tableRow(run, { state: 'finished' }).progress).toBe(1);
  });

  test('does not guess before the run has started', () => {
    expect(tableRow(record('a', { training }), { state: 'running' })).toMatchObject({
      ...{ progress: null, remainingMs: null, parameters: null, testPerplexity: null },
    });
  });
});

describe('runs side by side', () => {
  const curve = (...values: number[]) => values.map((value, i) => ({ step: 10 * (i + 1), value }));
  const candidate = (run: RunRecord, validation = curve()) => ({
    row: tableRow(run, { state: 'finished' }),
    validation,
  });
  const one = record('one', { seed: 1 }, { bestValidationPerplexity: 80, testPerplexity: 78 });
  const two = record('two', { seed: 2, name: 'b' }, { bestValidationPerplexity: 77.5, testPerplexity: null });

  test('are measured against the first, or the one that is named', () => {
    const { baseline, runs } = compareRuns([candidate(one), candidate(two)]);
    expect(baseline).toBe('one');
    expect(runs.map(({ bestDelta, testDelta }) => [bestDelta, testDelta])).toEqual([
      [0, 0],
      [-2.5, null],
    ]);
    const named = compareRuns([candidate(one), candidate(two)], { baseline: 'two' });
    expect(named.runs.map(({ bestDelta, testDelta }) => [bestDelta, testDelta])).toEqual([
      [2.5, null],
      [0, null],
    ]);
  });

  test('tell when each perplexity was reached first, if it was', () => {
    const validation = curve(200, NaN, 100, 120, 90);
    const { runs } = compareRuns([candidate(one, validation)], { reach: [150, 100, 95, 50] });
    expect(runs[0].stepsToReach).toEqual([30, 30, 50, null]);
  });

  test('show every field that is not the same in all of them, but names', () => {
    const three = record('three', { seed: 1, method: { density: 0.1 } });
    expect(compareRuns([candidate(one), candidate(two), candidate(three)]).differences).toEqual([
      { field: 'seed', values: [1, 2, 1] },
      { field: 'method.density', values: [0.33, 0.33, 0.1] },
    ]);
    expect(compareRuns([candidate(one), candidate(one)]).differences).toEqual([]);
  });
});
