import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interpolation, placeOf } from '../../src/shared/axes.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import type { ReducedSeries, SeriesRequest } from '../../src/shared/series.js';
import { reduce } from '../../src/main/store/reduction.js';
import { Summary } from '../../src/main/store/summary.js';
import type { WritableStore } from '../../src/main/store/store.js';
import { holds } from './support/property.js';
import { begin, evaluation, newStore, started, step, tell } from './support/store.js';

function only(store: WritableStore, request: Omit<SeriesRequest, 'metrics'> & Partial<SeriesRequest>): ReducedSeries {
  const [line] = store.metrics.series({ metrics: ['loss'], ...request }).lines;
  return line;
}

/** What a reduced line must keep of the points it stands for. */
function expectFaithful(line: ReducedSeries, points: { step: number; value: number }[], most: number): void {
  const finite = points.filter(({ value }) => Number.isFinite(value));
  const pairs = line.x.map((x, i) => ({ step: x, value: line.y[i] }));
  expect(pairs.length).toBeLessThanOrEqual(most);
  expect(line.marks.length).toBeLessThanOrEqual(most);
  expect(line.x).toEqual([...line.x].sort((a, b) => a - b));
  const measured = new Set(finite.map(({ step: at, value }) => `${at} ${value}`));
  expect(pairs.filter(({ step: at, value }) => !measured.has(`${at} ${value}`))).toEqual([]);
  expect(line.values).toBe(points.length);
  const bad = line.marks.reduce(
    (sum, { nan, plusInfinity, minusInfinity }) => sum + nan + plusInfinity + minusInfinity,
    0,
  );
  expect(bad).toBe(points.length - finite.length);
  if (finite.length === 0) return;
  expect(Math.min(...line.y)).toBe(Math.min(...finite.map(({ value }) => value)));
  expect(Math.max(...line.y)).toBe(Math.max(...finite.map(({ value }) => value)));
  expect(pairs[0]).toEqual(finite[0]);
  expect(pairs.at(-1)).toEqual(finite.at(-1));
}

describe('a reduced curve', () => {
  const curve = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.oneof(fc.double({ noNaN: false }), fc.constant(0))), {
      maxLength: 400,
    })
    .map((parts) => {
      let at = 0;
      return parts.map(([by, value]) => ({ step: (at += by), value: value + 0 }));
    });

  test('has few enough points, all measured, with first, last, lowest and highest; and marks for all else', () => {
    holds(
      fc.property(curve, fc.integer({ min: 4, max: 60 }), (points, most) => {
        const parts = points.map(({ step: at, value }) => {
          const part = new Summary();
          part.add(at, value);
          return part;
        });
        const first = points.find(({ value }) => Number.isFinite(value));
        const { steps, values, marks } = reduce(parts, most, first);
        const line = {
          run: '',
          metric: 'loss',
          x: steps,
          y: values,
          marks: marks.map((m) => ({ x: m.step, ...m })),
          values: points.length,
          lastStep: null,
        };
        expectFaithful(line, points, most);
      }),
    );
  });

  test('of several metrics stand together, with the newest event they know and the step to go on from', () => {
    const store = newStore();
    const [run, other] = [begin(store), begin(store)];
    tell(store, run, [step(1, 5), step(10, 4)]);
    const request = { runs: [run, other], metrics: ['loss', 'learningRate'] };
    const { cursor, lines } = store.metrics.series(request);
    expect(cursor).toBe(store.events.lastCursor());
    expect(lines.map(({ run: of, metric, x, lastStep }) => [of, metric, x, lastStep])).toEqual([
      [run, 'loss', [1, 10], 10],
      [run, 'learningRate', [1, 10], 10],
      [other, 'loss', [], null],
      [other, 'learningRate', [], null],
    ]);
    tell(store, run, [step(20, 3)], 2);
    expect(store.metrics.series({ ...request, fromStep: 11 }).lines[0]).toMatchObject({
      x: [20],
      y: [3],
      lastStep: 20,
    });
    expect(store.metrics.series({ ...request, fromStep: 21 }).lines[0]).toMatchObject({ x: [], lastStep: 20 });
  });

  test('with few points is what was measured', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [step(1, 5), step(10, NaN), step(20, 4), step(30, Infinity), step(40, 3)]);
    expect(only(store, { runs: [run] })).toEqual({
      run,
      metric: 'loss',
      lastStep: 40,
      x: [1, 20, 40],
      y: [5, 4, 3],
      marks: [
        { x: 10, step: 10, nan: 1, plusInfinity: 0, minusInfinity: 0 },
        { x: 30, step: 30, nan: 0, plusInfinity: 1, minusInfinity: 0 },
      ],
      values: 5,
    });
  });

  test('is empty for a run without the metric, and in the order asked for', () => {
    const store = newStore();
    const [one, other] = [begin(store), begin(store)];
    tell(store, other, [step(1, 5)]);
    const { lines } = store.metrics.series({ runs: [other, one, other], metrics: ['loss'] });
    expect(lines.map(({ run, y }) => [run, y])).toEqual([
      [other, [5]],
      [one, []],
      [other, [5]],
    ]);
    expect(() => store.metrics.series({ runs: ['owl-1'], metrics: ['loss'] })).toThrow('owl-1: there is no such run');
    expect(store.metrics.names(one)).toEqual([]);
    expect(store.metrics.names(other)).toContain('gradientNorm');
  });
});

describe('a curve too long to be read', () => {
  // So many runs are asked for at once that each line may read few rows: summaries must serve.
  const long = Array.from({ length: 20_000 }, (_, i) => ({
    step: i + 1,
    value: i === 12_345 ? -7 : i === 17_000 ? 99 : i % 5000 === 4999 ? NaN : Math.sin(i / 100) + i / 1e5,
  }));

  function storeWith(points: typeof long): { store: WritableStore; run: string } {
    const store = newStore();
    const run = begin(store);
    tell(
      store,
      run,
      points.map(({ step: at, value }) => step(at, value)),
    );
    return { store, run };
  }

  test.each([
    { level: 'single values', copies: 1 },
    { level: 'summaries of 64 steps', copies: 100 },
    { level: 'summaries of 4,096 steps', copies: 1000 },
  ])('keeps its spikes, ends and marks when reduced from $level, in any range', ({ copies }) => {
    const { store, run } = storeWith(long);
    const runs = [run, ...Array<string>(copies - 1).fill(begin(store))];
    for (const [fromStep, toStep] of [
      [0, 20_000],
      [100, 13_000],
      [4097, 12_345],
      [12_300, 12_400],
      [12_289, 20_000],
      [19_999, 50_000],
    ]) {
      const line = only(store, { runs, points: 200, fromStep, toStep });
      const wanted = long.filter(({ step: at }) => at >= fromStep && at <= toStep);
      expectFaithful(line, wanted, 200);
    }
    expect(only(store, { runs, fromStep: 30_000 }).x).toEqual([]);
  });

  test('is drawn from fewer values the more runs are asked for', () => {
    const { store, run } = storeWith(long.slice(0, 10_000));
    const pointsWith = (copies: number) =>
      only(store, { runs: Array<string>(copies).fill(run), points: 5000 }).x.length;
    const [single, fine, coarse] = [pointsWith(1), pointsWith(100), pointsWith(1000)];
    expect(single).toBeGreaterThan(4000);
    expect(fine).toBeGreaterThan(2 * 150);
    expect(fine).toBeLessThanOrEqual(2 * 157 + 2);
    expect(coarse).toBeLessThanOrEqual(2 * 3 + 2);
  });
});

describe('an axis', () => {
  test('of epochs counts fractions of them, one of tokens the words that were predicted', () => {
    const store = newStore();
    const run = begin(store, { training: { batch: 20, bptt: 35 } });
    // 1,000 words in 20 streams are 50 rows; 49 are predicted, in windows of 35 and of 14.
    tell(store, run, [started(2, 1000), step(1, 5), step(2, 5), step(3, 5), evaluation(4, 5)]);
    expect(only(store, { runs: [run], axis: 'epoch' }).x).toEqual([0.5, 1, 1.5]);
    expect(only(store, { runs: [run], axis: 'tokens' }).x).toEqual([700, 980, 1680]);
    expect(store.metrics.series({ runs: [run], metrics: ['validationLoss'], axis: 'tokens' }).lines[0].x).toEqual([
      1960,
    ]);
  });

  test('is unknown until a run has started', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [step(1, 5)]);
    expect(only(store, { runs: [run], axis: 'epoch' }).x).toEqual([]);
  });

  test('of wall time is seconds of training, exact where every value is read', () => {
    const at = { ms: 0 };
    const store = newStore({ now: () => at.ms });
    const run = begin(store);
    const times = [500, 750, 4000];
    times.forEach((ms, i) => {
      at.ms = ms;
      tell(store, run, [step(10 * i, 5)], i);
    });
    expect(only(store, { runs: [run], axis: 'wallTime' }).x).toEqual([0.5, 0.75, 4]);
    expect(only(store, { runs: [run], axis: 'wallTime', fromStep: 10 }).x).toEqual([0.75, 4]);
  });

  test('of wall time is near where summaries are read', () => {
    const store = newStore();
    const run = begin(store);
    const begun = store.runs.get(run).attempts[0].started;
    const timeOf = (i: number) => begun + 10 * i + (i % 7);
    store.events.ingest(
      Array.from({ length: 5000 }, (_, i) => ({ run, sequence: i, event: step(i, i % 13), time: timeOf(i) })),
    );
    const runs = [run, ...Array<string>(99).fill(begin(store))];
    const [steps, seconds] = [only(store, { runs }).x, only(store, { runs, axis: 'wallTime' }).x];
    steps.forEach((at, i) => {
      expect(Math.abs(seconds[i] - (timeOf(at) - begun) / 1000)).toBeLessThan(0.02);
    });
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
  });

  test('of FLOPs is what the run has told; a run that told none has no place on it', () => {
    const store = newStore();
    const [run, silent] = [begin(store), begin(store)];
    const costing = (event: RunEvent, training: number) => ({ ...event, flops: { training, dense: 2 * training } });
    tell(store, run, [costing(step(10, 5), 1e12), costing(evaluation(15, 4), 1.8e12), costing(step(20, 4), 3e12)]);
    tell(store, silent, [step(10, 5)]);
    expect(only(store, { runs: [run], axis: 'flops' }).x).toEqual([1e12, 3e12]);
    expect(only(store, { runs: [run], metrics: ['validationPerplexity'], axis: 'flops' }).x).toEqual([1.8e12]);
    expect(only(store, { runs: [silent], axis: 'flops' }).x).toEqual([]);
    expect([...store.metrics.values(run, 'flopsOfDense')].map(({ value }) => value)).toEqual([0.5, 0.5, 0.5]);
    expect(store.runs.get(run).progress).toMatchObject({ flops: 3e12, flopsOfDense: 0.5 });
    expect(store.runs.get(silent).progress).toMatchObject({ flops: null, flopsOfDense: null });
  });

  test('places every step ascending, and an epoch on its whole number', () => {
    holds(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 200, max: 10_000 }),
        (batch, bptt, trainingTokens) => {
          const rows = Math.max(0, Math.floor(trainingTokens / batch) - 1);
          const stepsPerEpoch = Math.max(1, Math.ceil(rows / bptt));
          const tokens = placeOf('tokens', { batch, bptt, stepsPerEpoch, trainingTokens });
          const places = Array.from({ length: 3 * stepsPerEpoch }, (_, at) => tokens(at));
          expect(places).toEqual(places.toSorted((a, b) => a - b));
          expect(tokens(2 * stepsPerEpoch)).toBe(2 * rows * batch);
        },
      ),
    );
  });

  test('between knots goes straight and beyond them stays', () => {
    const through = interpolation([
      { step: 10, value: 1 },
      { step: 20, value: 3 },
      { step: 20, value: 3 },
      { step: 40, value: 4 },
    ]);
    expect([0, 10, 15, 20, 30, 40, 99].map(through)).toEqual([1, 1, 2, 3, 3.5, 4, 4]);
  });
});
