import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openReadable, openWritable } from '../src/main/store/open.js';
import { StoreReader } from '../src/main/store/reader.js';
import type { WritableStore } from '../src/main/store/store.js';
import { begin, copyCurves, told } from './curves.js';

/**
 * What the store promises (`docs/performance.md`): metric rows written per second while somebody reads, and the time to
 * reduce the curves of many runs to what a screen can show. Real files, real tables, the functions that the workbench calls.
 *
 *     npm run bench:store [-- --json]
 */
const batch = 1000; // events in a transaction
const metricsOfStep = 6; // that one event `step` becomes
const lines = 50;
const pointsOfLine = 100_000;

const folder = mkdtempSync(join(tmpdir(), 'sparrow-bench-'));
try {
  const path = join(folder, 'sparrow.db');
  const store = openWritable(path);
  const ingest = await ingestWhileReading(store, path);
  const reduction = reduceCurves(store, path);
  store.close();
  report({ ingest, reduction, databaseMb: statSync(path).size / 2 ** 20 });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Writes one run while a thread asks for its curve, again and again. */
async function ingestWhileReading(store: WritableStore, path: string) {
  const run = begin(store, 'live');
  store.events.ingest(told(run, 0, batch));
  const reader = new StoreReader(path);
  const answers: number[] = [];
  const live = { writing: true };
  const reading = (async () => {
    while (live.writing) {
      const start = performance.now();
      await reader.ask('metrics', 'series', { runs: [run], metrics: ['loss'], points: 1000 });
      answers.push(performance.now() - start);
    }
  })();
  let writtenMs = 0;
  let slowestMs = 0;
  for (let from = batch; from < pointsOfLine; from += batch) {
    const events = told(run, from, batch);
    const start = performance.now();
    store.events.ingest(events);
    const ms = performance.now() - start;
    writtenMs += ms;
    slowestMs = Math.max(slowestMs, ms);
    await new Promise(setImmediate); // answers of the reader come in
  }
  live.writing = false;
  await reading;
  await reader.close();
  const rows = (pointsOfLine - batch) * metricsOfStep;
  return {
    rowsPerSecond: rows / (writtenMs / 1000),
    rows,
    slowestBatchMs: slowestMs,
    answersWhileWriting: answers.length,
  };
}

/** Reduces one metric of many runs. One run is ingested (above), the rows of the others are copies of its rows. */
function reduceCurves(store: WritableStore, path: string) {
  const [{ id: first }] = store.runs.list().runs;
  const others = Array.from({ length: lines - 1 }, (_, i) => begin(store, `copy ${i}`));
  copyCurves(path, first, others, ['loss', 'elapsedMs']);
  const runs = [first, ...others];
  const reader = openReadable(path);
  const ms = (['step', 'wallTime'] as const).map((axis) => {
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      const { lines: curves } = reader.metrics.series({ runs, metrics: ['loss'], axis, points: 1000 });
      const taken = performance.now() - start;
      for (const { values, x } of curves) {
        if (values !== pointsOfLine || x.length > 1000) throw new Error(`${values} values in ${x.length} points`);
      }
      return taken;
    });
    return { first: times[0], median: times.sort((a, b) => a - b)[2] };
  });
  reader.close();
  const [step, wallTime] = ms;
  return { lines, pointsOfLine, stepMs: step.median, firstStepMs: step.first, wallTimeMs: wallTime.median };
}

function report(figures: {
  ingest: Awaited<ReturnType<typeof ingestWhileReading>>;
  reduction: ReturnType<typeof reduceCurves>;
  databaseMb: number;
}): void {
  const { ingest, reduction } = figures;
  const ratios = { ingest: ingest.rowsPerSecond / 100_000, reduction: 300 / reduction.stepMs };
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ ...figures, ratios })}\n`);
    return;
  }
  const n = (value: number) => Math.round(value).toLocaleString('en');
  process.stdout.write(
    [
      `ingest: ${n(ingest.rowsPerSecond)} metric rows/s (${n(ingest.rows)} rows in transactions of ${n(batch * metricsOfStep)}, the slowest ${n(ingest.slowestBatchMs)} ms)`,
      `        while a reader got its curve ${n(ingest.answersWhileWriting)} times; ${ratios.ingest.toFixed(1)} times the bar of 100,000`,
      `curves: ${lines} runs of ${n(pointsOfLine)} points over steps in ${n(reduction.stepMs)} ms (the first time ${n(reduction.firstStepMs)}), over wall time in ${n(reduction.wallTimeMs)}`,
      `        ${ratios.reduction.toFixed(1)} times faster than the bar of 300 ms; a database of ${n(figures.databaseMb)} MB`,
      '',
    ].join('\n'),
  );
}
