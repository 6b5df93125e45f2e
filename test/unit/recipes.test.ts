import { describe, expect, test } from 'vitest';
import { presetNamed, presets } from '../../src/shared/presets.js';
import { published } from '../../src/shared/published.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { modelKinds } from '../../src/worker/models/build.js';

/** The published recipes, written down again from the algorithm page: appendix A and its sections 2 and 4.6. */

const recipe = (name: string) => parseRunConfig(presetNamed(name).config);

const lstm = {
  seed: 1111,
  model: {
    ...{ kind: 'stacked-lstm', embedding: 1500, hidden: 1500, layers: 2, tied: false },
    dropout: { embedding: 0, input: 0.65, hidden: 0.65, output: 0.65 },
  },
  method: {
    ...{ kind: 'selfish', density: 0.33, initialiser: 'uniform', gateMode: 'auto', removal: 'auto', growth: 'auto' },
    ...{ redistribution: 'auto', removingRate: 0.8, finalRemovingRate: 0.005, rateSchedule: 'cosine' },
    ...{ interval: 1, intervalUnit: 'epochs', updateOnTrigger: false, excludeJustRemoved: false },
  },
  optimizer: {
    ...{ kind: 'snt-asgd', learningRate: 40, weightDecay: 1.2e-6, clip: 0.25, clipNorm: 'all', nonmonotone: 5 },
    ...{ averagingFrom: 0, schedule: { kind: 'constant' } },
  },
  corpus: { name: 'ptb' },
  training: { epochs: 100, batch: 20, bptt: 35, windows: 'fixed', evaluationBatch: 20 },
};

const rhn = {
  seed: 42,
  model: {
    ...{ kind: 'rhn', embedding: 830, hidden: 830, depth: 10, coupled: true, tied: true },
    dropout: { embedding: 0.2, input: 0.65, recurrent: 0.25, output: 0.65 },
  },
  method: { ...lstm.method, density: 0.472, removingRate: 0.5 },
  optimizer: { ...lstm.optimizer, learningRate: 15 },
  corpus: { name: 'ptb' },
  training: { ...lstm.training, epochs: 500 },
};

const onLstm = {
  seed: 141,
  model: {
    ...{ kind: 'on-lstm', embedding: 400, hidden: 1150, hiddenLast: 0, layers: 3, chunk: 10, tied: true },
    dropout: { embedding: 0.1, input: 0.5, hidden: 0.3, output: 0.45, weight: 0.45 },
    ...{ activationReg: 2, temporalActivationReg: 1 },
  },
  method: { ...rhn.method, density: 0.45 },
  optimizer: { ...rhn.optimizer, frozenRate: false, restartAverages: '500,1000' },
  corpus: { name: 'ptb' },
  training: { epochs: 1000, batch: 20, bptt: 70, windows: 'random', windowDelta: 0, evaluationBatch: 10 },
};

const mos = {
  seed: 1882,
  model: {
    ...{ kind: 'awd-lstm-mos', embedding: 300, hidden: 1150, hiddenLast: 650, layers: 3, experts: 15, tied: true },
    dropout: { embedding: 0.1, input: 0.55, hidden: 0.2, output: 0.4, weight: 0.5, latent: 0.29 },
    ...{ activationReg: 2, temporalActivationReg: 1 },
  },
  method: onLstm.method,
  optimizer: { ...onLstm.optimizer, restartAverages: '' },
  corpus: { name: 'wikitext-2' },
  training: { ...onLstm.training, batch: 15, microBatch: 5, windowDelta: 20 },
};

const awd = {
  seed: 141,
  model: {
    ...{ kind: 'awd-lstm', embedding: 400, hidden: 1150, hiddenLast: 0, layers: 3, tied: true },
    dropout: { embedding: 0.1, input: 0.4, hidden: 0.25, output: 0.4, weight: 0.5 },
    ...{ activationReg: 2, temporalActivationReg: 1 },
  },
  method: { kind: 'dense', density: 1 },
  optimizer: { ...lstm.optimizer, kind: 'nt-asgd', learningRate: 30 },
  corpus: { name: 'ptb' },
  training: { ...onLstm.training, epochs: 500 },
};

const dense = { kind: 'dense', density: 1 };

const adam = { learningRate: 1e-3, beta1: 0, beta2: 0.999, epsilon: 1e-9, plateauFactor: 0.5, plateauPatience: 2 };

test.each<[string, object]>([
  ['selfish-lstm-ptb', lstm],
  ['selfish-lstm-ptb-checkpoint', { ...lstm, seed: 5, method: { ...lstm.method, removingRate: 0.7 } }],
  ['selfish-rhn-ptb', rhn],
  ['selfish-on-lstm-ptb', onLstm],
  ['selfish-on-lstm-1300-ptb', { ...onLstm, training: { ...onLstm.training, epochs: 1300 } }],
  ['selfish-mos-wikitext-2', mos],
  ...(['rigl', 'snfs', 'dsr', 'set', 'static'] as const).map(
    (kind) => [`${kind}-lstm-ptb`, { ...lstm, method: { ...lstm.method, kind } }] as [string, object],
  ),
  ['static-er-lstm-ptb', { ...lstm, method: { ...lstm.method, kind: 'static', initialiser: 'er' } }],
  ['dense-lstm-ptb', { ...lstm, method: dense }],
  ['selfish-adam-lstm-ptb', { ...lstm, optimizer: { kind: 'adam', weightDecay: 1.2e-6, clip: 0.25, adam } }],
  [
    'global-magnitude-lstm-ptb',
    { ...lstm, method: { ...lstm.method, kind: 'global-magnitude', initialiser: 'er', removingRate: 0.7 } },
  ],
  [
    'dense-rhn-ptb',
    {
      ...{ ...rhn, seed: 1, method: dense },
      model: {
        ...{ ...rhn.model, initialRange: 0.04, transformBias: -2 },
        dropout: { embedding: 0.25, input: 0.75, recurrent: 0.25, output: 0.75 },
      },
      // Its loss is the sum of 35 steps.
      optimizer: {
        ...{ kind: 'sgd', learningRate: 0.2 * 35, weightDecay: 1e-7 / 35, clip: 10 / 35 },
        schedule: { kind: 'decay', factor: 1 / 1.02, from: 20, every: 1 },
      },
    },
  ],
  [
    'dense-on-lstm-ptb',
    { ...onLstm, method: dense, optimizer: { ...onLstm.optimizer, kind: 'nt-asgd', learningRate: 30 } },
  ],
  ['awd-lstm-ptb', awd],
  [
    'awd-lstm-wikitext-2',
    {
      ...{ ...awd, seed: 1882, corpus: { name: 'wikitext-2' } },
      model: { ...awd.model, dropout: { ...awd.model.dropout, input: 0.65, hidden: 0.2 } },
      training: { ...awd.training, epochs: 750, batch: 80 },
    },
  ],
  ['awd-lstm-mos-wikitext-2', { ...mos, method: dense, optimizer: { ...mos.optimizer, kind: 'nt-asgd' } }],
  [
    'awd-lstm-mos-ptb',
    {
      ...{ ...mos, seed: 28, method: dense, corpus: { name: 'ptb' } },
      model: {
        ...{ ...mos.model, embedding: 280, hidden: 960, hiddenLast: 620 },
        dropout: { ...mos.model.dropout, input: 0.4, hidden: 0.225 },
      },
      optimizer: { ...mos.optimizer, kind: 'nt-asgd', learningRate: 20 },
      training: { ...mos.training, batch: 12, microBatch: 0, windowDelta: 40 },
    },
  ],
])('%s is as published', (name, expected) => {
  expect(recipe(name)).toMatchObject(expected);
});

test.each([
  ['selfish-lstm-ptb', 66_034_000],
  ['selfish-rhn-ptb', 23_484_060],
  ['selfish-on-lstm-ptb', 25_232_180],
  ['selfish-mos-wikitext-2', 34_909_528],
  ['awd-lstm-mos-ptb', 21_500_620],
  ['awd-lstm-ptb', 24_221_600],
  ['awd-lstm-wikitext-2', 33_556_078],
])('%s has %i parameters', (name, total) => {
  const { model, corpus } = recipe(name);
  const specs = modelKinds[model.kind].parameters(model, corpus.name === 'ptb' ? 10_000 : 33_278);
  const sizes = specs.map(({ shape }) => shape.reduce((product, length) => product * length, 1));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(total);
});

describe('published results', () => {
  test('are those that may be quoted (7.1)', () => {
    expect(
      Object.fromEntries(published.map(({ name, validation, test: tested }) => [name, [validation, tested]])),
    ).toEqual({
      'selfish-lstm-ptb': [73.79, 71.65],
      'selfish-rhn-ptb': [62.1, 60.35],
      'selfish-on-lstm-ptb': [58.17, 56.31],
      'selfish-on-lstm-1300-ptb': [57.67, 55.82],
      'selfish-mos-wikitext-2': [65.96, 63.05],
      'large-lstm-ptb': [82.62, 78.29],
      'global-magnitude-lstm-ptb': [null, 69.73],
      'dense-rhn-ptb': [67.9, 65.4],
      'dense-on-lstm-ptb': [null, 56.17],
      'awd-lstm-ptb': [61.2, 58.8],
      'awd-lstm-wikitext-2': [68.7, 65.6],
      'awd-lstm-mos-ptb': [58.34, 56.18],
    });
  });

  test.each(published.filter(({ name }) => presets.some((preset) => preset.name === name)))(
    '$name says what its recipe says',
    ({ name, corpus, model, density }) => {
      const config = recipe(name);
      expect([corpus, model, density]).toEqual([config.corpus.name, config.model.kind, config.method.density]);
    },
  );
});
