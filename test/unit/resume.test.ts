import { expect, test } from 'vitest';
import type { PartialRunConfig } from '../../src/shared/run-config.js';
import type { Run } from '../../src/worker/run.js';
import { story } from '../support/sparrow.js';
import { dispose, of, outcome, tiny, trained } from './support/trainings.js';

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
  'SET with a constant rate and an end, packed': {
    ...tiny,
    method: { ...tiny.method, kind: 'set', rateSchedule: 'constant', endStep: 18 },
    device: { layout: 'packed' },
  },
  'RigL after every epoch': { ...tiny, method: { ...tiny.method, kind: 'rigl' } },
  'RigL after every fifth step, which is skipped, packed, a sketched norm': {
    ...tiny,
    method: { ...tiny.method, kind: 'rigl', interval: 5, intervalUnit: 'steps', skipStep: true },
    optimizer: { ...tiny.optimizer, clipNorm: 'sketched' },
    device: { layout: 'packed' },
  },
  'SNFS, packed': { ...tiny, method: { ...tiny.method, kind: 'snfs' }, device: { layout: 'packed' } },
  'DSR with weights that start anew': {
    ...tiny,
    method: { ...tiny.method, kind: 'dsr', threshold: 0.05, reinitialiseRegrown: true },
  },
  'global magnitude, packed': {
    ...tiny,
    method: { ...tiny.method, kind: 'global-magnitude' },
    device: { layout: 'packed' },
  },
  'DeepR, packed, Adam': {
    ...tiny,
    method: { ...tiny.method, kind: 'deepr', noise: 0.1, temperature: 1e-3 },
    optimizer: { kind: 'adam' },
    device: { layout: 'packed' },
  },
  'DeepR with averaging, masked': { ...tiny, method: { ...tiny.method, kind: 'deepr' }, device: { layout: 'masked' } },
  'averaging without masks, of masks that change': { ...tiny, optimizer: { ...tiny.optimizer, kind: 'nt-asgd' } },
  'ASGD from the first step, after every fifth step': {
    ...tiny,
    method: { ...tiny.method, interval: 5, intervalUnit: 'steps' },
    optimizer: { kind: 'asgd', learningRate: 5 },
  },
  'momentum with a plateau, packed, a stop': {
    ...tiny,
    optimizer: { kind: 'momentum', learningRate: 1, nonmonotone: 1, schedule: { kind: 'plateau', patience: 0 } },
    training: { ...tiny.training, stop: 'nonmonotone' },
    device: { layout: 'packed' },
  },
  'gradual pruning, packed, with averaging': {
    ...tiny,
    method: { kind: 'gmp', density: 0.4, pruneUntil: 0.6 },
    device: { layout: 'packed' },
  },
  'gradual pruning every third step': {
    ...tiny,
    method: { kind: 'gmp', density: 0.4, interval: 3, intervalUnit: 'steps' },
    optimizer: { kind: 'momentum', learningRate: 1 },
  },
  'one-shot pruning, averaging without masks': {
    ...tiny,
    method: { kind: 'one-shot', density: 0.4 },
    optimizer: { ...tiny.optimizer, kind: 'nt-asgd' },
  },
  'a lottery ticket, packed, with averaging in both lives': {
    ...tiny,
    method: { kind: 'lottery', density: 0.4, pruneAfter: 2 },
    optimizer: { ...tiny.optimizer, averagingFrom: 1 },
    device: { layout: 'packed' },
  },
  'L1 with a threshold, packed': {
    ...tiny,
    method: { kind: 'l1', density: 1, l1: 0.01, threshold: 0.05 },
    device: { layout: 'packed' },
  },
  'an RHN, packed': {
    ...tiny,
    model: { kind: 'rhn', embedding: 8, hidden: 8, depth: 2, tied: true, dropout: { embedding: 0.1, recurrent: 0.2 } },
    device: { layout: 'packed' },
  },
  'an ON-LSTM with random windows, dropped weights and penalties, whose averages begin anew': {
    ...tiny,
    optimizer: { ...tiny.optimizer, restartAverages: '3' },
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
  'a GRU with a neural cache and dynamic evaluation at the end': {
    ...tiny,
    model: { ...tiny.model, kind: 'gru' },
    evaluation: { cacheWindow: 20, dynamicSteps: 9, dynamicBatch: 20 },
  },
  'an Elman network, packed': { ...tiny, model: { ...tiny.model, kind: 'elman-rnn' }, device: { layout: 'packed' } },
  'dense, plain SGD': { ...tiny, method: { kind: 'dense', density: 1 }, optimizer: { kind: 'sgd', learningRate: 5 } },
};

/** Long for any machine; what counts is that it ends. */
const boundMs = 600_000;

for (const [name, config] of Object.entries(variants)) {
  test(
    `stopped at any moment and resumed, a run ends as one that never stopped: ${name}`,
    async () => {
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
    },
    boundMs,
  );
}

test(
  'the gradient that growth goes by outlives a stop inside the validation between its step and the update',
  async () => {
    const method = { ...tiny.method, kind: 'rigl' } as const;
    const config: PartialRunConfig = { ...tiny, method, optimizer: { kind: 'sgd', learningRate: 5 } };
    const whole = await trained(config);
    const { stepsPerEpoch } = of(whole.events, 'started')[0];
    // The first question of a validation comes after the last step, whose own question comes before.
    for (const moment of [stepsPerEpoch, stepsPerEpoch + 1, stepsPerEpoch + 2]) {
      const stopped = await trained(config, { stopAt: moment });
      expect([stopped.run.progress.epoch, stopped.run.progress.window]).toEqual([0, stepsPerEpoch]);
      const resumed = await trained(config, { before: stopped });
      expect(story(resumed.events)).toEqual(story(whole.events));
      expect(outcome(resumed)).toEqual(outcome(whole));
    }
  },
  boundMs,
);

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
