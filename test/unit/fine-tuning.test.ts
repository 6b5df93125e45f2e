import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { openRun } from '../../src/worker/run.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { story } from '../support/sparrow.js';
import { newFolder, of, outcome, scratch, tiny, trained } from './support/trainings.js';

test('training stops when validation has stalled, where the run asks for it', async () => {
  const optimizer = { kind: 'sgd', learningRate: 60, nonmonotone: 0, clip: 5 } as const;
  const training = { ...tiny.training, epochs: 12 };
  const whole = await trained({ ...tiny, optimizer, training });
  const losses = of(whole.events, 'evaluation').map(({ loss }) => loss);
  const stall = losses.findIndex((loss, epoch) => epoch > 0 && loss > Math.min(...losses.slice(0, epoch)));
  expect(stall).toBeGreaterThan(0);
  expect(stall).toBeLessThan(11);
  const stopped = await trained({ ...tiny, optimizer, training: { ...training, stop: 'nonmonotone' } });
  // The cosine of the removing rate is that of the whole training: both are one run up to there.
  expect(of(stopped.events, 'evaluation').map(({ loss }) => loss)).toEqual(losses.slice(0, stall + 1));
  expect(of(stopped.events, 'finished')[0].epoch).toBe(stall + 1);
  expect(stopped.end).toBe('finished');
});

test('fine-tuning starts from the best weights and masks of another run, averages at once, and resumes', async () => {
  const first = await trained(tiny);
  const name = basename(first.folder);
  const config: PartialRunConfig = {
    ...tiny,
    method: { kind: 'static', density: 0.4 },
    optimizer: { kind: 'snt-asgd', learningRate: 1 },
    training: { ...tiny.training, startFrom: name },
  };
  const run = await openRun(parseRunConfig(config), { run: newFolder(), corpora: scratch() }, false);
  const best = first.run.checkpoints.readBest();
  for (const parameter of run.model.parameters) {
    expect(parameter.read('values')).toEqual(best.get(`values.${parameter.name}`)!.data);
    if (parameter instanceof SparseParameter)
      expect(parameter.pattern.toBits()).toEqual(best.get(`pattern.${parameter.name}`)!.data);
  }
  expect(run.optimizer.averaging).toBe('average');
  const whole = await trained(config);
  expect(of(whole.events, 'evaluation').map(({ averaged }) => averaged)).toEqual([true, true, true, true]);
  const stopped = await trained(config, { stopAt: 12 });
  const resumed = await trained(config, { before: stopped });
  expect(story(resumed.events)).toEqual(story(whole.events));
  expect(outcome(resumed)).toEqual(outcome(whole));
});

test('a run cannot start from one that is not there, has no epoch, or is another model', async () => {
  const open = (config: PartialRunConfig) =>
    openRun(parseRunConfig(config), { run: newFolder(), corpora: scratch() }, false);
  const from = (startFrom: string) => ({ ...tiny, training: { ...tiny.training, startFrom } });
  await expect(open(from('nobody'))).rejects.toThrow(
    'training.startFrom: "nobody" cannot be started from: there is no such run',
  );
  const begun = await trained(tiny, { stopAt: 1 });
  await expect(open(from(basename(begun.folder)))).rejects.toThrow('it has no epoch behind it yet');
  const whole = await trained(tiny);
  const other = { ...from(basename(whole.folder)), model: { ...tiny.model, hidden: 9 } };
  await expect(open(other)).rejects.toThrow(/training\.startFrom: the weights of ".*" do not fit this run/);
});

test('averages without masks are kept as they were measured, weights outside the masks included', async () => {
  const result = await trained({ ...tiny, optimizer: { kind: 'asgd', learningRate: 5 } });
  const { active } = of(result.events, 'started')[0].parameters;
  const kept = [...result.run.checkpoints.readBest()].filter(([name]) => name.startsWith('values.'));
  expect(of(result.events, 'finished')[0].bestEpoch).toBeGreaterThan(1);
  expect(kept.reduce((sum, [, { data }]) => sum + data.length, 0)).toBeGreaterThan(active);
  expect(result.run.layout).toBe('masked');
});
