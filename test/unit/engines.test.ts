import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent, RunEventOf } from '../../src/shared/run-events.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { openRun, type Run } from '../../src/worker/run.js';
import { whyNoTensorflow } from '../../src/worker/engines/tensorflow/library.js';
import * as tf from '../../src/worker/tf.js';
import { train } from '../../src/worker/trainer.js';
import { story } from '../support/sparrow.js';
import { memoryInUse } from './support/memory.js';
import { skipWithoutGpu } from './support/webgpu.js';
import { skipWithoutNative } from './support/native.js';
import { temporaryFolder } from './support/temp-folder.js';

/** 200 steps in 25 epochs, each with a topology update; averages from the 12th on. The rate is too low for chaos. */
const small: PartialRunConfig = {
  model: { embedding: 8, hidden: 12, layers: 2, dropout: { input: 0.1, hidden: 0.2, output: 0.1 } },
  method: { kind: 'selfish', density: 0.4, removingRate: 0.5 },
  optimizer: { kind: 'snt-asgd', learningRate: 2, averagingFrom: 12, nonmonotone: 100 },
  corpus: { name: 'built-in', vocabulary: 100, tokens: 1000 },
  training: { epochs: 25, batch: 8, bptt: 16, evaluationBatch: 6, reportEvery: 1 },
};

const locked = { embedding: 0.1, input: 0.1, output: 0.2 };
const penalised = { activationReg: 2, temporalActivationReg: 1 };

/** The other cells, as small and with all that they drop; windows shorter than the text leave a state to carry. */
const cells: Readonly<Record<string, NonNullable<PartialRunConfig['model']>>> = {
  'an Elman network': { ...small.model, kind: 'elman-rnn' },
  'a GRU': { ...small.model, kind: 'gru' },
  'an RHN': { kind: 'rhn', embedding: 12, hidden: 12, depth: 3, tied: true, dropout: { ...locked, recurrent: 0.2 } },
  'an ON-LSTM': {
    ...{ kind: 'on-lstm', embedding: 8, hidden: 12, layers: 2, chunk: 4, tied: true, ...penalised },
    dropout: { ...locked, hidden: 0.2, weight: 0.3 },
  },
  'an AWD-LSTM with a mixture of softmaxes': {
    ...{ kind: 'awd-lstm-mos', embedding: 8, hidden: 12, layers: 2, experts: 3, tied: true, ...penalised },
    dropout: { ...locked, hidden: 0.2, weight: 0.3, latent: 0.2 },
  },
};

interface Result {
  readonly end: 'finished' | 'stopped';
  readonly events: readonly RunEvent[];
  readonly run: Run;
  readonly folder: string;
  /** The masks of the whole run: bytes. */
  readonly masks: string;
}

type Device = NonNullable<PartialRunConfig['device']>;

/** Trains on an engine, or goes on from what a run in the same folder left; stops after `stopAfter` steps. */
async function trainedOn(
  device: Device,
  { config = small, before, stopAfter }: { config?: PartialRunConfig; before?: Result; stopAfter?: number } = {},
): Promise<Result> {
  const folder = before?.folder ?? temporaryFolder();
  const folders = { run: folder, corpora: folder };
  const run = await openRun(parseRunConfig({ ...config, device }), folders, before !== undefined);
  const events = (before?.events ?? []).slice(0, run.sequence);
  const end = await train(run, {
    emit: (sequence, event) => {
      events.length = sequence;
      events.push(event);
    },
    settled: () => Promise.resolve(),
    admitted: () => Promise.resolve(),
    stopRequested: () => run.progress.step === stopAfter,
    pauseRequested: () => false,
    released: () => Promise.resolve(),
  });
  for (const parameter of run.model.parameters) parameter.dispose();
  tf.dispose([...run.state]);
  const masks = readFileSync(join(folder, 'masks.bin')).toString('hex');
  return { end, events, run, folder, masks };
}

function of<Type extends RunEvent['type']>({ events }: Result, type: Type): RunEventOf<Type>[] {
  return events.filter((event): event is RunEventOf<Type> => event.type === type);
}

/** The largest difference of numbers that two runs have told, relative to what the second told. */
function apart(ours: readonly number[], theirs: readonly number[]): number {
  expect(ours).toHaveLength(theirs.length);
  return Math.max(...ours.map((number, i) => Math.abs(number - theirs[i]) / Math.abs(theirs[i])));
}

/** What whole runs tell, each trained once for all tests. */
const wholeRuns = new Map<string, Promise<Result>>();

function wholeRun(engine: 'native' | 'wasm'): Promise<Result> {
  const run = wholeRuns.get(engine) ?? trainedOn({ engine, threads: 1 });
  wholeRuns.set(engine, run);
  return run;
}

/** That both tell the same losses and gradient norms at each step, and the same evaluations, to float tolerance. */
function expectSameCurves(one: Result, other: Result): void {
  for (const field of ['loss', 'gradientNorm'] as const) {
    const told = (result: Result) => of(result, 'step').map((event) => event[field]);
    expect(apart(told(one), told(other)), field).toBeLessThan(1e-4);
  }
  expect(apart(evaluationLosses(one), evaluationLosses(other))).toBeLessThan(1e-4);
}

function evaluationLosses(result: Result): number[] {
  return of(result, 'evaluation').map(({ loss }) => loss);
}

describe('the native engine', () => {
  skipWithoutNative();

  for (const layout of ['packed', 'masked'] as const) {
    test(`trains as wasm does, step for step, through updates of the topology and averaging (${layout})`, async () => {
      const native =
        layout === 'packed' ? await wholeRun('native') : await trainedOn({ engine: 'native', threads: 1, layout });
      const wasm = await wholeRun('wasm');
      expect(of(native, 'started')[0]).toMatchObject({ engine: { name: 'native' }, layout });
      expect(of(wasm, 'started')[0]).toMatchObject({ engine: { name: 'wasm' }, layout: 'masked' });
      expect(of(native, 'step')).toHaveLength(200);
      expectSameCurves(native, wasm);
      const averaged = (result: Result) => of(result, 'evaluation').map((event) => event.averaged);
      expect(averaged(native)).toEqual(averaged(wasm));
      expect(new Set(averaged(native)).size).toBe(2);
      expect(of(native, 'sparsity').length).toBeGreaterThan(20);
      expect(native.masks).toBe(wasm.masks);
    });
  }

  for (const [name, model] of Object.entries(cells)) {
    test(`trains ${name} as wasm does for 200 steps`, async () => {
      // Masks stay: rounding may decide which of two weights is the smaller one.
      const config: PartialRunConfig = { ...small, model, method: { kind: 'static', density: 0.4 } };
      const native = await trainedOn({ engine: 'native', threads: 2, layout: 'packed' }, { config });
      const wasm = await trainedOn({ engine: 'wasm', threads: 1 }, { config });
      expect(of(native, 'step')).toHaveLength(200);
      expectSameCurves(native, wasm);
      const losses = evaluationLosses(native);
      expect(losses.at(-1)).toBeLessThan(0.97 * losses[0]); // it does learn
    });
  }

  for (const [first, second, stopAfter] of [
    ['native', 'wasm', 53],
    ['wasm', 'native', 150], // averaging
  ] as const) {
    test(`a run that was begun on ${first} goes on on ${second} and ends as it would have`, async () => {
      const whole = await wholeRun(first);
      const begun = await trainedOn({ engine: first, threads: 1 }, { stopAfter });
      expect(begun.end).toBe('stopped');
      const resumed = await trainedOn({ engine: second, threads: 1 }, { before: begun });
      expect(resumed.end).toBe('finished');
      expect(of(resumed, 'started').map(({ engine }) => engine.name)).toEqual([first, second]);
      const losses = (result: Result) => of(result, 'step').map(({ loss }) => loss);
      expect(apart(losses(resumed), losses(whole))).toBeLessThan(1e-4);
      const perplexities = (result: Result) => of(result, 'finished').map(({ testPerplexity }) => testPerplexity);
      expect(apart(perplexities(resumed), perplexities(whole))).toBeLessThan(1e-4);
      expect(resumed.masks).toBe(whole.masks);
    });
  }

  test('tells the same run, with the same masks and weights to the last bit, on any number of threads', async () => {
    const config = {
      ...small,
      training: { ...small.training, epochs: 6 },
      optimizer: { ...small.optimizer, averagingFrom: 3 },
    };
    for (const layout of ['packed', 'masked'] as const) {
      const results = [];
      for (const threads of [1, 2]) {
        const result = await trainedOn({ engine: 'native', threads, layout }, { config });
        expect(of(result, 'started')[0].engine.threads).toBe(threads);
        const best = [...result.run.checkpoints.readBest()].map(([name, { data }]) => [name, data]);
        results.push({ best, masks: result.masks, events: story(result.events) });
      }
      expect(results[1]).toEqual(results[0]);
    }
  });

  test('a device that it has not is refused with those that it has', async () => {
    const message = 'device.id: "cuda:0" is no device of the native engine: it has cpu';
    await expect(startEngine({ engine: 'native', id: 'cuda:0', threads: 1 })).rejects.toThrow(message);
    await expect(startEngine({ engine: 'auto', id: 'gpu:99', threads: 1 })).rejects.toThrow(
      /^device.id: no engine works on gpu:99/,
    );
  });

  test('tells with its run what it computes on', async () => {
    const [{ engine }] = of(await wholeRun('native'), 'started');
    expect(engine.device).toMatchObject({ id: 'cpu', kind: 'cpu', driver: null });
    expect(engine.device!.name).toContain(engine.features[0]);
    expect(engine.device!.memory).toBeGreaterThan(1e8);
  });

  test('a run that diverges says so', async () => {
    const config = { ...small, optimizer: { learningRate: 1000, clip: 1e9, weightDecay: 1 } };
    await expect(trainedOn({ engine: 'native', threads: 2 }, { config })).rejects.toThrow(
      /^training diverged at step \d+/,
    );
  });

  test('is what "auto" means', async () => {
    const engine = await startEngine({ engine: 'auto', threads: 1 });
    expect(engine).toMatchObject({ name: 'native', threads: 1 });
    expect([0.05, 0.7, 0.71, 1].map((density) => engine.preferredLayout(density))).toEqual([
      'packed',
      'packed',
      'masked',
      'masked',
    ]);
  });
});

describe('the webgpu engine', { timeout: 600_000 }, () => {
  skipWithoutGpu();
  skipWithoutNative();

  /** 104 steps, averages from the 6th epoch on. */
  const config: PartialRunConfig = {
    ...small,
    optimizer: { ...small.optimizer, averagingFrom: 6 },
    training: { ...small.training, epochs: 13 },
  };
  const native = { engine: 'native', threads: 1, layout: 'packed' } as const;
  let onNative: Promise<Result> | undefined;
  const wholeOnNative = () => (onNative ??= trainedOn(native, { config }));

  for (const layout of ['packed', 'masked'] as const) {
    test(`trains as native does, step for step, through updates of the topology and averaging (${layout})`, async () => {
      const expected = await wholeOnNative();
      const ours = await trainedOn({ engine: 'webgpu', layout }, { config });
      expect(of(ours, 'started')[0]).toMatchObject({ engine: { name: 'webgpu' }, layout });
      expect(of(ours, 'step')).toHaveLength(104);
      expectSameCurves(ours, expected);
      expect(ours.masks).toBe(expected.masks);
    });
  }

  test('a run goes on from native on webgpu and on native again, and ends as it would have', async () => {
    const whole = await wholeOnNative();
    const begun = await trainedOn(native, { config, stopAfter: 21 });
    const before = await trainedOn({ engine: 'webgpu' }, { config, before: begun, stopAfter: 70 }); // averaging
    const resumed = await trainedOn(native, { config, before });
    expect(of(resumed, 'started').map(({ engine }) => engine.name)).toEqual(['native', 'webgpu', 'native']);
    expectSameCurves(resumed, whole);
    expect(resumed.masks).toBe(whole.masks);
  });
});

describe('where the native engine is not there', () => {
  beforeEach(() => {
    vi.stubEnv('SPARROW_NATIVE', 'off');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  const config = { ...small, training: { ...small.training, epochs: 1 } };

  test('whoever asks for it is told why, and what to do', async () => {
    const message = 'device.engine: the native engine is not there: SPARROW_NATIVE is off. Use "wasm", or "auto"';
    await expect(startEngine({ engine: 'native', threads: 0 })).rejects.toThrow(message);
    await expect(trainedOn({ engine: 'native' }, { config })).rejects.toThrow(message);
  });

  test('"auto" is wasm, and the run says so', async () => {
    const result = await trainedOn({ engine: 'auto' }, { config });
    expect(result.end).toBe('finished');
    expect(of(result, 'started')[0]).toMatchObject({ engine: { name: 'wasm', threads: 1 }, layout: 'masked' });
  });
});

describe('the tensorflow engine', () => {
  skipWithoutNative();
  const reason = whyNoTensorflow();
  beforeEach((context) => {
    if (reason !== undefined) context.skip(`the tensorflow engine is not there: ${reason}`);
  });
  const onProcessor: Device = { engine: 'tensorflow', id: 'cpu', threads: 2 };

  test('trains as native does, step for step, through updates of the topology and averaging', async () => {
    const ours = await trainedOn(onProcessor);
    const native = await wholeRun('native');
    expect(of(ours, 'started')[0]).toMatchObject({
      engine: { name: 'tensorflow', device: { id: 'cpu' } },
      layout: 'masked',
    });
    expect(of(ours, 'step')).toHaveLength(200);
    expectSameCurves(ours, native);
    expect(ours.masks).toBe(native.masks);
  });

  test('tells the same run to the last bit when it is trained again, and when it is stopped and goes on', async () => {
    const config = { ...small, training: { ...small.training, epochs: 3 } };
    const whole = await trainedOn(onProcessor, { config });
    const again = await trainedOn(onProcessor, { config });
    expect(story(again.events)).toEqual(story(whole.events));
    const begun = await trainedOn(onProcessor, { config, stopAfter: 11 });
    const resumed = await trainedOn(onProcessor, { config, before: begun });
    expect(of(resumed, 'step')).toEqual(
      of(whole, 'step').map((step, i) => ({ ...step, tokensPerSecond: of(resumed, 'step')[i].tokensPerSecond })),
    );
    expect(resumed.masks).toBe(whole.masks);
  });

  for (const [first, second, stopAfter] of [
    ['native', 'tensorflow', 53],
    ['tensorflow', 'native', 150], // averaging
  ] as const) {
    test(`a run that was begun on ${first} goes on on ${second} and ends as it would have`, async () => {
      const device = (engine: 'native' | 'tensorflow'): Device =>
        engine === 'native' ? { engine, threads: 1 } : onProcessor;
      const whole = await wholeRun('native');
      const begun = await trainedOn(device(first), { stopAfter });
      const resumed = await trainedOn(device(second), { before: begun });
      expect(resumed.end).toBe('finished');
      expect(of(resumed, 'started').map(({ engine }) => engine.name)).toEqual([first, second]);
      const losses = (result: Result) => of(result, 'step').map(({ loss }) => loss);
      expect(apart(losses(resumed), losses(whole))).toBeLessThan(1e-4);
      expect(resumed.masks).toBe(whole.masks);
    });
  }

  test('trains in the masked layout where the packed one was asked for', async () => {
    const config = { ...small, training: { ...small.training, epochs: 1 } };
    const run = await trainedOn({ ...onProcessor, layout: 'packed' }, { config });
    expect(of(run, 'started')[0].layout).toBe('masked');
  });

  test('keeps nothing of 2,000 steps', { timeout: 600_000 }, async () => {
    const after = async (epochs: number) => {
      await trainedOn(onProcessor, { config: { ...small, training: { ...small.training, epochs } } });
      return memoryInUse();
    };
    const early = await after(60);
    const late = await after(250);
    expect(late.tensors).toBe(early.tensors);
    expect(late.residentBytes).toBeLessThan(early.residentBytes + 32 * 2 ** 20);
  });
});
