import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { needsMaskedLayout } from '../../src/shared/optimizer-config.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import { SparseParameter, type Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { averaging, columns, histories, replay, rows, size, step, type History } from './support/histories.js';
import { layouts, matrix, numbers, optimizerConfig, randomPattern } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

for (const kind of ['sgd', 'momentum', 'snt-asgd', 'adam'] as const) {
  test(`inactive weights, averages and moments are exactly 0 after every step of ${kind}`, () => {
    fc.assert(
      fc.property(histories, (history) => {
        replay(
          { ...history, layout: 'masked' },
          (parameters) =>
            kind === 'snt-asgd'
              ? averaging(parameters, history.learningRate, history.weightDecay)
              : createOptimizer(optimizerConfig({ kind, weightDecay: history.weightDecay }), parameters),
          ({ mask, parameter, optimizer }) => {
            for (const slot of ['values', ...optimizer.slots] as const) {
              if (slot === 'activeSince') continue; // a count, which nobody evaluates
              const stored = parameter.slot(slot).dataSync();
              expect(stored.every((number, j) => mask[j] === 1 || number === 0)).toBe(true);
            }
          },
        );
      }),
      { seed: 3, numRuns: 20 },
    );
  });

  test(`a step of ${kind} is the same in both layouts to the last bit`, () => {
    fc.assert(
      fc.property(histories, (history) => {
        const [packed, masked] = layouts.map((layout) => {
          const seen: Float32Array[] = [];
          replay(
            { ...history, layout },
            (parameters) =>
              kind === 'snt-asgd'
                ? averaging(parameters, history.learningRate, history.weightDecay)
                : createOptimizer(optimizerConfig({ kind, weightDecay: history.weightDecay }), parameters),
            ({ parameter, optimizer }) => {
              for (const slot of ['values', ...optimizer.slots] as const) seen.push(parameter.read(slot).slice());
            },
          );
          return seen;
        });
        expect(packed).toEqual(masked);
      }),
      { seed: 4, numRuns: 20 },
    );
  });

  test(`steps of ${kind} keep the number of tensors`, () => {
    for (const layout of layouts) {
      const counts = new Set<number>();
      const history: History = {
        layout,
        learningRate: 0.1,
        weightDecay: 0.1,
        seed: 1,
        changes: new Array<boolean>(6).fill(false),
      };
      replay(
        history,
        (parameters) =>
          kind === 'snt-asgd' ? averaging(parameters, 0.1) : createOptimizer(optimizerConfig({ kind }), parameters),
        () => counts.add(tf.memory().numTensors),
      );
      expect(counts.size).toBe(1);
    }
  });
}

const resumable = {
  sgd: { kind: 'sgd' },
  'SNT-ASGD before its trigger': { kind: 'snt-asgd' },
  'SNT-ASGD while it averages': { kind: 'snt-asgd', averagingFrom: 2 },
  'momentum, with a rate that falls when validation stalls': {
    kind: 'momentum',
    schedule: { kind: 'plateau', patience: 0 },
  },
  'SNT-ASGD, with a rate that falls at set epochs': {
    kind: 'snt-asgd',
    averagingFrom: 3,
    schedule: { kind: 'decay', from: 2 },
  },
  Adam: { kind: 'adam', adam: { beta1: 0.9, plateauPatience: 1 } },
  'Adam with dense moments': { kind: 'adam', adam: { beta1: 0.9, denseMoments: true } },
  'averaging without masks': { kind: 'asgd' },
} as const;

for (const [name, settings] of Object.entries(resumable)) {
  test(`${name}, restored from its state and slots, goes on as if never interrupted`, () => {
    const config = optimizerConfig({ ...settings, nonmonotone: 2 });
    const epochs = [3, 2.5, 2.6, 2.4, 2.7, 2.8, 2.9];

    /** Epochs of three steps; an interruption takes only plain data over into a new optimiser and a new parameter. */
    const train = (layout: Layout, interruptedAfter?: number) => {
      let parameter = matrix('weight', [rows, columns], layout, { seed: 1 }) as SparseParameter;
      let optimizer = createOptimizer(config, [parameter]);
      const seen: unknown[] = [];
      for (const [index, loss] of epochs.entries()) {
        for (let t = 0; t < 3; t++) step(optimizer, parameter, numbers(10 * index + t, size));
        const cause = optimizer.afterValidation([parameter], loss, index + 1);
        parameter.changePattern(randomPattern(index, rows, columns, 0.5), optimizer.fills);
        seen.push([cause, optimizer.learningRate, [...parameter.read('values')]]);
        if (index !== interruptedAfter) continue;

        const state: unknown = JSON.parse(JSON.stringify(optimizer.state()));
        const held = (['values', ...optimizer.slots] as const).map(
          (slot) => [slot, parameter.read(slot).slice()] as const,
        );
        const fresh = new SparseParameter(
          parameter.name,
          parameter.shape,
          parameter.gates,
          parameter.pattern,
          new Float32Array(parameter.activeCount),
          layout,
        );
        parameter.dispose();
        parameter = fresh;
        optimizer = createOptimizer(config, [parameter]);
        optimizer.restore(state);
        for (const [slot, active] of held) parameter.load(slot, active);
      }
      seen.push(...optimizer.slots.map((slot) => [...parameter.read(slot)]), optimizer.state());
      parameter.dispose();
      return seen;
    };
    const masked = needsMaskedLayout(config, { kind: 'selfish' });
    for (const layout of masked ? (['masked'] as const) : layouts) {
      const uninterrupted = train(layout);
      for (const epoch of epochs.keys()) expect(train(layout, epoch)).toEqual(uninterrupted);
    }
  });
}

test('a state that is not one of the optimiser is refused', () => {
  for (const kind of ['snt-asgd', 'adam'] as const) {
    const optimizer = createOptimizer(optimizerConfig({ kind }), []);
    expect(() => {
      optimizer.restore({ steps: -1 });
    }).toThrow();
  }
});
