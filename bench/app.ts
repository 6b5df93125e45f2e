import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openReadable, openWritable } from '../src/main/store/open.js';
import type { WritableStore } from '../src/main/store/store.js';
import { parseRunConfig } from '../src/shared/run-config.js';
import type { RunEvent } from '../src/shared/run-events.js';
import { openBrowser, openPage, patienceMs, Server } from '../test/browser/support/window.js';
import { copyCurves, told } from './curves.js';
import { longestScrollFrame, stepsShown, watchPaint } from './in-page.mjs';

/**
 * How fast the window is, in a real Chromium, on a data folder of 1,000 runs of which 50 have 100,000 points: until the table is
 * painted, until 50 curves are, how late a live figure is, and the longest frame while the table is scrolled.
 *
 *     npm run bench:app [-- --json]
 */
const runs = 1000;
const lines = 50;
const pointsOfLine = 100_000;
const longEpochs = 100;
const stepsPerEpoch = pointsOfLine / longEpochs;
const bars = { runsFirstPaintMs: 500, compareFirstPaintMs: 1000, liveLatencyMs: 300, longestFrameMs: 50 };

const folder = mkdtempSync(join(tmpdir(), 'sparrow-bench-'));
const bundle = join(import.meta.dirname, 'sparrow.js');
const browser = await openBrowser();
let server: Server | undefined;
try {
  const long = fill(join(folder, 'sparrow.db'));
  const begun = performance.now();
  server = new Server({ path: folder }, { bundle });
  const { page } = await openPage(await browser.newContext({ viewport: { width: 1440, height: 900 } }));
  await page.addInitScript(watchPaint);
  const link = await server.link();
  await page.goto(link);
  await painted(page, '[data-run]');
  const coldStartMs = performance.now() - begun;
  const origin = new URL(link).origin;
  const runsFirstPaintMs = await median(3, () => firstPaint(page, `${origin}/#/runs`, '[data-run] svg path[d^="M"]'));
  const longestFrameMs = await page.evaluate(longestScrollFrame);
  const compare = `${origin}/#/compare?runs=${long.join(',')}`;
  const compareFirstPaintMs = await median(3, () =>
    firstPaint(page, compare, '.chart[data-drawn]:not([data-drawn="0"])', '.empty'),
  );
  const liveLatencyMs = await liveLatency(page, origin);
  report({ runsFirstPaintMs, compareFirstPaintMs, liveLatencyMs, longestFrameMs, coldStartMs });
} finally {
  await browser.close();
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
}

/** @returns the runs with long curves */
function fill(path: string): string[] {
  const store = openWritable(path);
  const ids = store.runs
    .create(Array.from({ length: runs }, (_, i) => parseRunConfig({ name: `run ${i}` })))
    .map(({ id }) => id);
  const long = ids.slice(0, lines);
  store.transaction(() => {
    for (const id of ids) tellShort(store, id, long.includes(id));
  });
  const [first, ...others] = long;
  const before = 1 + longEpochs; // events that it has told
  for (let i = 0; i < pointsOfLine; i += 1000) store.events.ingest(told(first, before + i, 1000));
  store.close();
  copyCurves(path, first, others, ['loss']);
  return long;
}

/** What every run has: that it has started, and some epochs. */
function tellShort(store: WritableStore, run: string, isLong: boolean): void {
  store.runs.beginAttempt(run);
  const reference = { unigram: 300, bigram: 120 };
  const started: RunEvent = {
    type: 'started',
    engine: { name: 'native', version: '1', threads: 2, features: [] },
    layout: 'packed',
    corpus: {
      name: 'built-in',
      vocabulary: 2000,
      tokens: { train: 700_000, valid: 70_000, test: 70_000 },
      reference: { valid: reference, test: reference },
    },
    parameters: { total: 1_000_000, active: 330_000 },
    layers: [],
    stepsPerEpoch,
    epochs: 100,
    resumedFrom: null,
  };
  const epochs = isLong ? longEpochs : 20;
  const evaluations = Array.from({ length: epochs }, (_, i): RunEvent => {
    const loss = 4.2 + Math.exp(-i / 5);
    return {
      type: 'evaluation',
      step: (i + 1) * stepsPerEpoch,
      epoch: i + 1,
      trainingLoss: loss + 0.1,
      loss,
      perplexity: Math.exp(loss),
      best: true,
      averaged: false,
    };
  });
  store.events.ingest([started, ...evaluations].map((event, sequence) => ({ run, sequence, event })));
  store.runs.endAttempt(run, { state: 'stopped' });
}

/** Milliseconds since the page was asked for. */
async function painted(page: Page, selector: string, without?: string): Promise<number> {
  const told: unknown = await page.evaluate(`paintedWith(${JSON.stringify(selector)}, ${JSON.stringify(without)})`);
  return Number(told);
}

async function firstPaint(page: Page, url: string, selector: string, without?: string): Promise<number> {
  await page.goto('about:blank');
  await page.goto(url);
  return painted(page, selector, without);
}

/** From when an event is on disk to when its step is on the screen: the 95th percentile of a run that is being trained. */
async function liveLatency(page: Page, origin: string): Promise<number> {
  await page.goto(`${origin}/#/new?preset=quick-selfish&set=name%3Dlive`);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('heading', { name: 'live' }).waitFor();
  const seen = await page.evaluate(stepsShown, patienceMs);
  const store = openReadable(join(folder, 'sparrow.db'));
  const times = new Map<number, number>();
  for (const { event, time } of store.events.of('live-1', {
    types: ['step', 'evaluation', 'sparsity', 'checkpoint'],
  })) {
    if ('step' in event) times.set(event.step, Math.max(time, times.get(event.step) ?? 0));
  }
  store.close();
  const late = seen.flatMap(([step, at]) => (times.has(step) ? [at - times.get(step)!] : [])).sort((a, b) => a - b);
  if (late.length < 5) throw new Error(`only ${late.length} steps were seen`);
  return Math.max(0, late[Math.floor(late.length * 0.95)]);
}

async function median(times: number, measure: () => Promise<number>): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) taken.push(await measure());
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)];
}

function report(figures: Readonly<Record<keyof typeof bars | 'coldStartMs', number>>): void {
  const rounded = Object.fromEntries(Object.entries(figures).map(([name, ms]) => [name, Number(ms.toFixed(1))]));
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(rounded)}\n`);
    return;
  }
  for (const [name, ms] of Object.entries(rounded)) {
    const bar = (bars as Readonly<Record<string, number>>)[name] as number | undefined;
    process.stdout.write(`${name.padEnd(20)} ${String(ms).padStart(8)}${bar === undefined ? '' : `   bar ${bar}`}\n`);
  }
}
