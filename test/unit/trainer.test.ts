import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent, RunEventOf } from '../../src/shared/run-events.js';
import { adoptWeights, openRun, weightsOf, type Run } from '../../src/worker/run.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { readMasks } from '../../src/worker/storage/masks.js';
import * as tf from '../../src/worker/tf.js';
import { train } from '../../src/worker/trainer.js';
import { story } from '../support/sparrow.js';

/** Whole trainings in this process: small enough for seconds, with everything a large one has. */
const tiny: PartialRunConfig = {
  model: { embedding: 8, hidden: 8, layers: 2, dropout: { input: 0.1, hidden: 0.2, output: 0.1 } },
  method: { kind: 'selfish', density: 0.4, removingRate: 0.5 },
  optimizer: { kind: 'snt-asgd', learningRate: 5, averagingFrom: 2 },
  corpus: { name: 'built-in', vocabulary: 100, tokens: 1000 },
  training: { epochs: 4, batch: 8, bptt: 16, evaluationBatch: 4, reportEvery: 3 },
};

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sparrow-trainer-'));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

let folders = 0;
const newFolder = () => join(scratch, `run-${folders++}`);

interface Result {
  readonly end: 'finished' | 'stopped';
  /** The log of the run: a resumed run replaces what it had told after its checkpoint. */
  readonly events: readonly RunEvent[];
  readonly run: Run;
  readonly folder: string;
  readonly asked: number;
}

/** Trains, goes on from what a run in the same folder left, or both; stops when asked for the `stopAt`-th time. */
async function trained(
  config: PartialRunConfig,
  options: {
    before?: Result;
    stopAt?: number | undefined;
    pause?: boolean;
    onEvent?: (event: RunEvent, run: Run) => void;
  } = {},
): Promise<Result> {
  const folder = options.before?.folder ?? newFolder();
  const run = await openRun(parseRunConfig(config), { run: folder, corpora: scratch }, options.before !== undefined);
  const events = [...(options.before?.events ?? [])].slice(0, run.sequence);
  let asked = 0;
  const end = await train(run, {
    emit: (sequence, event) => {
      events.length = sequence;
      events.push(event);
      options.onEvent?.(event, run);
    },
    settled: () => Promise.resolve(),
    admitted: () => Promise.resolve(),
    stopRequested: () => ++asked === options.stopAt,
    pauseRequested: () => options.pause === true,
    released: () => Promise.resolve(),
  });
  return { end, events, run, folder, asked };
}

function of<Type extends RunEvent['type']>(events: readonly RunEvent[], type: Type): RunEventOf<Type>[] {
  return events.filter((event): event is RunEventOf<Type> => event.type === type);
}

/** The weights kept of the best epoch, and the masks of the whole run: bytes. */
function outcome({ run, folder }: Result) {
  const best = [...run.checkpoints.readBest()].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer).toString('hex'),
  ]);
  const masks = run.masks === undefined ? '' : readFileSync(join(folder, 'masks.bin')).toString('hex');
  return { best: Object.fromEntries(best) as Record<string, string>, masks };
}

function dispose({ run }: Result): void {
  for (const parameter of run.model.parameters) parameter.dispose();
  tf.dispose([...run.state]);
}

const variants: Record<string, PartialRunConfig> = {
  'selfish with averaging, masked': tiny,
  'selfish with averaging, packed': { ...tiny, device: { layout: 'packed' } },
  'per-gate, packed, clipped by its active gradient': {
    ...tiny,
    method: { ...tiny.method, gateMode: 'per-gate' },
    optimizer: { ...tiny.optimizer, clipNorm: 'active' },
    device: { layout: 'packed' },
  },
  'equal shares, independent draws, a sketched norm': {
    ...tiny,
    method: { ...tiny.method, gateMode: 'fused-equal', sampling: 'bernoulli', excludeJustRemoved: true },
    optimizer: { ...tiny.optimizer, clipNorm: 'sketched' },
  },
  'static Erdős-Rényi masks, Adam, tied': {
    ...tiny,
    model: { ...tiny.model, tied: true },
    method: { kind: 'static', density: 0.4, initialiser: 'er' },
    optimizer: { kind: 'adam', adam: { learningRate: 0.01, plateauPatience: 0 } },
  },
  'an RHN, packed': {
    ...tiny,
    model: { kind: 'rhn', embedding: 8, hidden: 8, depth: 2, tied: true, dropout: { embedding: 0.1, recurrent: 0.2 } },
    device: { layout: 'packed' },
  },
  'an ON-LSTM with random windows, dropped weights and penalties': {
    ...tiny,
    model: {
      ...{ kind: 'on-lstm', embedding: 6, hidden: 8, layers: 2, chunk: 2, tied: true },
      ...{ activationReg: 2, temporalActivationReg: 1, dropout: { embedding: 0.1, weight: 0.3, output: 0.2 } },
    },
    training: { ...tiny.training, windows: 'random' },
  },
  'an AWD-LSTM with random windows whose averaging keeps its first rate, packed': {
    ...tiny,
    model: {
      ...{ kind: 'awd-lstm', embedding: 6, hidden: 8, layers: 2, tied: true },
      ...{ activationReg: 2, temporalActivationReg: 1, dropout: { embedding: 0.1, weight: 0.3, hidden: 0.2 } },
    },
    optimizer: { ...tiny.optimizer, frozenRate: true },
    training: { ...tiny.training, windows: 'random', windowDelta: 2 },
    device: { layout: 'packed' },
  },
  'a mixture of softmaxes in micro-batches': {
    ...tiny,
    model: {
      ...{ kind: 'awd-lstm-mos', embedding: 6, hidden: 8, layers: 2, experts: 2, tied: true },
      ...{ dropout: { latent: 0.2, weight: 0.3, hidden: 0.2 } },
    },
    training: { ...tiny.training, windows: 'random', microBatch: 3 },
  },
  'a GRU with a neural cache at the end': {
    ...tiny,
    model: { ...tiny.model, kind: 'gru' },
    evaluation: { cacheWindow: 20 },
  },
  'an Elman network, packed': { ...tiny, model: { ...tiny.model, kind: 'elman-rnn' }, device: { layout: 'packed' } },
  'dense, plain SGD': { ...tiny, method: { kind: 'dense', density: 1 }, optimizer: { kind: 'sgd', learningRate: 5 } },
};

for (const [name, config] of Object.entries(variants)) {
  test(`stopped at any moment and resumed, a run ends as one that never stopped: ${name}`, async () => {
    const whole = await trained(config);
    expect(whole.end).toBe('finished');
    // Every place at which the trainer asks: between steps, inside validation, after an epoch, inside the last test.
    const moments = Array.from({ length: 8 }, (_, i) => 1 + Math.round((i * (whole.asked - 1)) / 7));
    for (const moment of moments) {
      const stopped = await trained(config, { stopAt: moment });
      expect(stopped.end).toBe('stopped');
      const resumed = await trained(config, { before: stopped });
      expect(resumed.end).toBe('finished');
      expect(story(resumed.events)).toEqual(story(whole.events));
      expect(outcome(resumed)).toEqual(outcome(whole));
      dispose(stopped);
      dispose(resumed);
    }
    dispose(whole);
  });
}

test('a run that is stopped at every single step ends as one that never stopped', async () => {
  const whole = await trained(tiny);
  const { stepsPerEpoch, epochs } = of(whole.events, 'started')[0];
  // The first question comes after a step; an evaluation has one for each of its two windows, and must come to its end.
  const stopAt = ({ epoch, window }: Run['progress']) => {
    if (epoch === epochs) return undefined;
    return window === stepsPerEpoch ? 3 : 1;
  };
  let last = await trained(tiny, { stopAt: 1 });
  let attempts = 1;
  while (last.end === 'stopped') {
    const before = last;
    last = await trained(tiny, { before, stopAt: stopAt(before.run.progress) });
    dispose(before);
    attempts += 1;
  }
  expect(attempts).toBe(epochs * (stepsPerEpoch + 1) + 1);
  expect(story(last.events)).toEqual(story(whole.events));
  expect(outcome(last)).toEqual(outcome(whole));
});

test('a run that is paused after every step, with a checkpoint each time, ends as one that never was', async () => {
  const whole = await trained(tiny);
  const paused = await trained(tiny, { pause: true });
  expect(of(paused.events, 'paused').map(({ step }) => step)).toEqual(
    Array.from({ length: of(whole.events, 'finished')[0].step }, (_, i) => i + 1),
  );
  expect(of(paused.events, 'checkpoint').length).toBeGreaterThan(of(paused.events, 'paused').length);
  expect(story(paused.events)).toEqual(story(whole.events));
  expect(outcome(paused)).toEqual(outcome(whole));
});

test('the same seed gives the same curve, another seed another one', async () => {
  const [first, second] = [await trained(tiny), await trained(tiny)];
  const other = await trained({ ...tiny, seed: 2 });
  expect(story(second.events)).toEqual(story(first.events));
  expect(outcome(second)).toEqual(outcome(first));
  expect(story(other.events)).not.toEqual(story(first.events));
});

test('packed and masked layouts give the same run to the last bit where both have the same products', async () => {
  const masked = await trained({ ...tiny, device: { engine: 'wasm', layout: 'masked' } });
  const packed = await trained({ ...tiny, device: { engine: 'wasm', layout: 'packed' } });
  expect(story(packed.events)).toEqual(story(masked.events));
  expect(outcome(packed)).toEqual(outcome(masked));
});

test('what is reported, and how often, changes no result', async () => {
  const seldom = await trained({ ...tiny, training: { ...tiny.training, reportEvery: 1000 } });
  const often = await trained({ ...tiny, training: { ...tiny.training, reportEvery: 1 } });
  const withoutSteps = (events: readonly RunEvent[]) => story(events.filter(({ type }) => type !== 'step'));
  expect(withoutSteps(often.events)).toEqual(withoutSteps(seldom.events));
  expect(of(seldom.events, 'step').map(({ step }) => step)).toEqual([1]); // the first one always: a sign of life
  const { stepsPerEpoch } = of(often.events, 'started')[0];
  expect(of(often.events, 'step').map(({ step }) => step)).toEqual(
    Array.from({ length: 4 * stepsPerEpoch }, (_, i) => i + 1),
  );
});

test('every layer keeps its budget and every weight that is inactive is exactly 0, epoch after epoch', async () => {
  const budgets: number[][] = [];
  const result = await trained(
    { ...tiny, device: { layout: 'masked' } },
    {
      onEvent: (event) => {
        if (event.type === 'sparsity') budgets.push(event.layers.map(({ active }) => active));
      },
    },
  );
  expect(budgets).toHaveLength(4); // the initial topology, and every epoch but that in which averaging began
  for (const active of budgets) expect(active).toEqual(budgets[0]);
  for (const parameter of result.run.model.parameters) {
    if (!(parameter instanceof SparseParameter)) continue;
    const mask = parameter.pattern.toMask();
    const outside = parameter.values.dataSync<'float32'>().filter((_, i) => mask[i] === 0);
    expect(outside.every((value) => value === 0)).toBe(true);
  }
});

test('the masks file rebuilds the mask of every update', async () => {
  const live: number[][] = [];
  const result = await trained(tiny, {
    onEvent: (event) => {
      if (event.type === 'sparsity') live.push(event.layers.flatMap(({ gates }) => gates.map(({ active }) => active)));
    },
  });
  const rebuilt = [...readMasks(join(result.folder, 'masks.bin'))];
  expect(rebuilt).toHaveLength(live.length);
  const sparse = result.run.model.parameters.filter((parameter) => parameter instanceof SparseParameter);
  for (const [update, layers] of rebuilt.entries()) {
    const active = layers.flatMap(({ pattern }, i) => {
      const gateRows = sparse[i].gates.map(({ rows }) => rows);
      let row = 0;
      return gateRows.map((rows) => pattern.rowStart[(row += rows)] - pattern.rowStart[row - rows]);
    });
    expect(active).toEqual(live[update]);
  }
  // The last update comes after the last evaluation: the model that is tested has the masks of its best epoch.
  const best = of(result.events, 'finished')[0].bestEpoch;
  const maskOfEpoch = of(result.events, 'sparsity').findLastIndex(({ epoch }) => epoch < best);
  expect(sparse.map(({ pattern }) => pattern.toBits())).toEqual(
    rebuilt[maskOfEpoch].map(({ pattern }) => pattern.toBits()),
  );
});

test('masks that are static stay as they were drawn, byte for byte', async () => {
  const result = await trained({ ...tiny, method: { kind: 'static', density: 0.4 } });
  const masks = [...readMasks(join(result.folder, 'masks.bin'))];
  expect(masks).toHaveLength(1);
  for (const [i, { pattern }] of masks[0].entries()) {
    const parameter = result.run.model.parameters.filter((candidate) => candidate instanceof SparseParameter)[i];
    expect(parameter.pattern.toBits()).toEqual(pattern.toBits());
  }
  expect(of(result.events, 'sparsity')).toHaveLength(1);
});

test('a dense run has every weight and no masks', async () => {
  const { run, events, folder } = await trained(variants['dense, plain SGD']);
  expect(run.model.parameters.some((parameter) => parameter instanceof SparseParameter)).toBe(false);
  expect(of(events, 'started')[0].parameters.active).toBe(of(events, 'started')[0].parameters.total);
  expect(readdirSync(folder)).toEqual(['checkpoints']);
});

test('the topology stays as it is in the epoch in which averaging begins, unless the run asks otherwise', async () => {
  const epochs = async (config: PartialRunConfig) => {
    const { events } = await trained(config);
    const begins = of(events, 'averaging').map(({ epoch, cause }) => [epoch, cause]);
    return { begins, updates: of(events, 'sparsity').map(({ epoch }) => epoch) };
  };
  const configured = [[2, 'configured']];
  expect(await epochs(tiny)).toEqual({ begins: configured, updates: [0, 1, 3, 4] });
  const eager = { ...tiny, method: { ...tiny.method, updateOnTrigger: true } };
  expect(await epochs(eager)).toEqual({ begins: configured, updates: [0, 1, 2, 3, 4] });
});

test('averaging begins by the trigger when validation has stalled', async () => {
  // A learning rate this large makes validation worse from some epoch on; n = 0 compares with the best of all before.
  const config = { ...tiny, optimizer: { learningRate: 60, nonmonotone: 0, clip: 5 } };
  const { events } = await trained({ ...config, training: { ...tiny.training, epochs: 8 } });
  const [begins] = of(events, 'averaging');
  const losses = of(events, 'evaluation').map(({ loss }) => loss);
  const first = losses.findIndex((loss, epoch) => epoch > 0 && loss > Math.min(...losses.slice(0, epoch)));
  expect(begins).toMatchObject({ cause: 'trigger', epoch: first + 1 });
  expect(of(events, 'evaluation').map(({ averaged }) => averaged)).toEqual(losses.map((_, epoch) => epoch > first));
});

test('once averaging, validation is of the averages, and training goes on from the weights themselves', async () => {
  const training = { ...tiny.training, reportEvery: 1 };
  const config = { ...tiny, training, method: { kind: 'static', density: 0.4 } } as const;
  const slot = (run: Run, name: 'values' | 'average') => run.model.parameters.map((parameter) => parameter.read(name));
  let trainedWeights: Float32Array[] = [];
  let measured: Float32Array[] | undefined;
  let compared = 0;
  const { events } = await trained(config, {
    onEvent: (event, run) => {
      if (event.type === 'step') trainedWeights = slot(run, 'values');
      if (event.type === 'evaluation') measured = event.averaged ? slot(run, 'values') : undefined;
      if (event.type !== 'checkpoint' || measured === undefined) return;
      expect(slot(run, 'average')).toEqual(measured);
      expect(slot(run, 'values')).toEqual(trainedWeights);
      expect(trainedWeights).not.toEqual(measured);
      compared += 1;
    },
  });
  expect(of(events, 'evaluation').map(({ averaged }) => averaged)).toEqual([false, false, true, true]);
  expect(compared).toBe(2);
});

test('the test text is measured with the weights of the best epoch', async () => {
  const result = await trained(tiny);
  const finished = of(result.events, 'finished')[0];
  const evaluations = of(result.events, 'evaluation');
  const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
  expect(finished).toMatchObject({ bestEpoch: best.epoch, bestValidationPerplexity: best.perplexity });
  expect(evaluations.filter((event) => event.best).at(-1)).toBe(best);
  const kept = result.run.checkpoints.readBest();
  for (const parameter of result.run.model.parameters) {
    expect(parameter.read('values')).toEqual(kept.get(`values.${parameter.name}`)!.data);
  }
  adoptWeights(result.run.model.parameters, kept);
});

test('tensors do not pile up from epoch to epoch, nor after a run', async () => {
  const counts: number[] = [];
  const before = tf.memory().numTensors;
  const config = { ...tiny, training: { ...tiny.training, epochs: 6 }, device: { layout: 'packed' } } as const;
  const result = await trained(config, {
    onEvent: ({ type }) => {
      if (type === 'checkpoint') counts.push(tf.memory().numTensors);
    },
  });
  expect(new Set(counts.slice(2)).size).toBe(1); // two slots more from the second epoch on, when averaging begins
  dispose(result);
  expect(tf.memory().numTensors).toBe(before);
});

test('a run that diverges says at which step, and what to lower', async () => {
  const config = { ...tiny, optimizer: { learningRate: 1000, clip: 1e9, weightDecay: 1 } };
  await expect(trained(config)).rejects.toThrow(/^training diverged at step \d+, .*optimizer\.learningRate/);
});

test('a test loss that is no number is no success', async () => {
  const spoil = (_: RunEvent, run: Run) => {
    const best = [...weightsOf(run.model.parameters)].map(([name, { shape, data }]) => {
      return [
        name,
        { shape, data: name.startsWith('values') ? new Float32Array(data.length).fill(NaN) : data },
      ] as const;
    });
    run.checkpoints.readBest = () => new Map(best);
  };
  const events: string[] = [];
  const training = trained(tiny, {
    onEvent: (event, run) => {
      events.push(event.type);
      if (event.type === 'checkpoint') spoil(event, run);
    },
  });
  await expect(training).rejects.toThrow(/^training diverged at step \d+, the test loss is NaN: lower optimizer\./);
  expect(events).not.toContain('finished');
});

test('a run goes on with the configuration it began with, wherever it is computed', async () => {
  const stopped = await trained(tiny, { stopAt: 2 });
  const resume = (config: PartialRunConfig) => {
    const folder = newFolder();
    cpSync(stopped.folder, folder, { recursive: true });
    return openRun(parseRunConfig(config), { run: folder, corpora: scratch }, true);
  };
  const changes: [PartialRunConfig, string][] = [
    [{ ...tiny, model: { ...tiny.model, layers: 3 } }, 'model.layers: was 2 so far and is 3 now: set it back'],
    [{ ...tiny, training: { ...tiny.training, batch: 7 } }, 'training.batch: was 8 so far and is 7 now'],
    [{ ...tiny, method: { kind: 'static', density: 0.4 } }, 'method.kind: was "selfish" so far and is "static" now'],
    [{ ...tiny, optimizer: { kind: 'adam' } }, 'optimizer.kind: was "snt-asgd" so far and is "adam" now'],
    [{ ...tiny, seed: 2 }, 'seed: was 1 so far and is 2 now'],
  ];
  for (const [config, message] of changes) await expect(resume(config)).rejects.toThrow(message);
  const elsewhere = await resume({ ...tiny, name: 'renamed', device: { layout: 'packed', threads: 3 } });
  expect(elsewhere.resumedFrom?.step).toBe(2);
});

test('a model that cannot fit into memory is refused before anything is made', async () => {
  const opening = trained({ ...tiny, model: { hidden: 100_000, layers: 2 } });
  await expect(opening).rejects.toThrow(/^the model needs [\d.]+ GB .*lower model\.hidden/);
});
