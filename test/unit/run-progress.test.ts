import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openWritable } from '../../src/main/store/open.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { progressAfter } from '../../src/shared/run-progress.js';

const folder = mkdtempSync(join(tmpdir(), 'sparrow-progress-'));
const store = openWritable(join(folder, 'sparrow.db'));
afterAll(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

const reference = { unigram: 300, bigram: 100 };
const started: RunEvent = {
  type: 'started',
  engine: { name: 'wasm', version: '4', threads: 1, features: [] },
  layout: 'packed',
  corpus: {
    name: 'x',
    vocabulary: 9,
    tokens: { train: 9, valid: 9, test: 9 },
    reference: { valid: reference, test: reference },
  },
  parameters: { total: 90, active: 30 },
  layers: [],
  stepsPerEpoch: 10,
  epochs: 3,
  resumedFrom: null,
};
const step = (at: number, loss: number): RunEvent => ({
  type: 'step',
  step: at,
  epoch: 1,
  loss,
  gradientNorm: 1,
  learningRate: 1,
  removingRate: 0,
  tokensPerSecond: 100 + at,
  flops: { training: 6 * at, dense: 20 * at },
});
const evaluation = (at: number, perplexity: number): RunEvent => ({
  type: 'evaluation',
  step: at,
  epoch: at / 10,
  trainingLoss: 3,
  loss: Math.log(perplexity),
  perplexity,
  best: false,
  averaged: false,
});
const topology = (update: number, size: number, active: number): RunEvent => ({
  type: 'sparsity',
  ...{ step: 10 * update, epoch: update, update, removingRate: 0.5 },
  layers: [
    {
      ...{ name: 'hidden', active, removed: 10 * update, grown: 0 },
      gates: [
        { name: 'a', size: size / 2, active, removed: 10 * update, grown: 0 },
        { name: 'b', size: size / 2, active: 0, removed: 0, grown: 0 },
      ],
    },
  ],
});
const story: readonly RunEvent[] = [
  started,
  topology(0, 80, 30),
  step(1, 5),
  topology(1, 80, 20),
  step(10, NaN),
  evaluation(10, 90),
  { type: 'checkpoint', step: 10, epoch: 1, file: 'a.json', bytes: 1 },
  step(20, 4),
  evaluation(20, Infinity),
  { type: 'paused', step: 20, epoch: 2 },
  evaluation(30, 95),
  {
    type: 'finished',
    step: 30,
    epoch: 3,
    testLoss: 4,
    testPerplexity: 54,
    bestValidationPerplexity: 90,
    bestEpoch: 1,
    bigramPerplexity: 100,
    parameters: { total: 1000, active: 40 },
    trainingMs: 5,
  },
];

test('what a page makes of events is what the database says', () => {
  const [{ id }] = store.runs.create([parseRunConfig({ name: 'owl' })]);
  store.runs.beginAttempt(id);
  let { progress } = store.runs.get(id);
  story.forEach((event, sequence) => {
    store.events.ingest([{ run: id, sequence, event }]);
    progress = progressAfter(progress, sequence, event)!;
    expect(progress).toEqual(store.runs.get(id).progress);
  });
});

test('active parameters are those of the last masks, and what has none', () => {
  const [{ id }] = store.runs.create([parseRunConfig({ name: 'wren' })]);
  store.runs.beginAttempt(id);
  story.slice(0, 4).forEach((event, sequence) => store.events.ingest([{ run: id, sequence, event }]));
  expect(store.runs.get(id).progress.parameters).toEqual({ total: 90, active: 20 + 10 });
});

test('a failure is told until something follows', () => {
  const [{ id }] = store.runs.create([parseRunConfig({ name: 'tit' })]);
  store.runs.beginAttempt(id);
  const before = store.runs.get(id).progress;
  const event: RunEvent = { type: 'failed', message: 'too hot' };
  store.events.ingest([{ run: id, sequence: 0, event }]);
  expect(progressAfter(before, 0, event)).toEqual(store.runs.get(id).progress);
});

test('an event out of turn is a question for the database', () => {
  const [{ id }] = store.runs.create([parseRunConfig({ name: 'jay' })]);
  const { progress } = store.runs.get(id);
  expect(progressAfter(progress, 1, started)).toBeUndefined();
  expect(progressAfter(progressAfter(progress, 0, started)!, 0, started)).toBeUndefined();
});
