import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { adoptWeights, openRun, weightsOf, type Run } from '../../src/worker/run.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { readMasks } from '../../src/worker/storage/masks.js';
import * as tf from '../../src/worker/tf.js';
import { story } from '../support/sparrow.js';
import { dispose, newFolder, of, outcome, scratch, tiny, trained } from './support/trainings.js';

test('the same seed gives the same curve, another seed another one', async () => {
  const [first, second] = [await trained(tiny), await trained(tiny)];
  const other = await trained({ ...tiny, seed: 2 });
  expect(story(second.events)).toEqual(story(first.events));
  expect(outcome(second)).toEqual(outcome(first));
  expect(story(other.events)).not.toEqual(story(first.events));
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
  const { run, events, folder } = await trained({
    ...tiny,
    method: { kind: 'dense', density: 1 },
    optimizer: { kind: 'sgd', learningRate: 5 },
  });
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
  // Averages that begin anew keep no update from its epoch.
  const anew = { ...tiny, optimizer: { ...tiny.optimizer, restartAverages: '1,3' } };
  expect(await epochs(anew)).toEqual({ begins: [...configured, [3, 'restart']], updates: [0, 1, 3, 4] });
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

test('a run that diverges tells the measure that is no number, says at which step, and what to lower', async () => {
  const optimizer = { learningRate: 1000, clip: 1e9, weightDecay: 1 };
  const config = { ...tiny, optimizer, corpus: { name: 'built-in', vocabulary: 100, tokens: 10_000 } };
  const events: RunEvent[] = [];
  const training = trained(config, {
    onEvent: (event) => {
      events.push(event);
    },
  });
  await expect(training).rejects.toThrow(/^training diverged at step \d+, .*optimizer\.learningRate/);
  const [last] = of(events, 'step').slice(-1);
  await expect(training).rejects.toThrow(`at step ${last.step},`);
  expect([last.loss, last.gradientNorm].every(Number.isFinite)).toBe(false);
});

test('a validation perplexity that is no number is told, and no success', async () => {
  const events: RunEvent[] = [];
  const everyStep = { ...tiny, training: { ...tiny.training, reportEvery: 1 } };
  const training = trained(everyStep, {
    onEvent: (event, run) => {
      events.push(event);
      const isLast = event.type === 'step' && event.step === of(events, 'started')[0].stepsPerEpoch;
      // After the last step and before the epoch is measured.
      if (isLast) for (const { values } of run.model.parameters) values.dataSync<'float32'>().fill(NaN);
    },
  });
  await expect(training).rejects.toThrow(/^training diverged at step \d+, the validation perplexity is NaN: lower/);
  expect(of(events, 'evaluation')).toEqual([expect.objectContaining({ perplexity: NaN, best: false })]);
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
  await expect(training).rejects.toThrow(
    /^training diverged at step \d+, the test perplexity is NaN: lower optimizer\./,
  );
  expect(events).not.toContain('finished');
});

test('a run goes on with the configuration it began with, wherever it is computed', async () => {
  const stopped = await trained(tiny, { stopAt: 2 });
  const resume = (config: PartialRunConfig) => {
    const folder = newFolder();
    cpSync(stopped.folder, folder, { recursive: true });
    return openRun(parseRunConfig(config), { run: folder, corpora: scratch() }, true);
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
