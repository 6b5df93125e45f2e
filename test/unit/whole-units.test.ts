import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { initialParameters, modelKinds } from '../../src/worker/models/build.js';
import { noDropout } from '../../src/worker/models/model.js';
import { shrunkSpecs, shrunkValues, UnitGroups } from '../../src/worker/models/unit-groups.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { DenseParameter } from '../../src/worker/sparsity/parameter.js';
import { readMasks } from '../../src/worker/storage/masks.js';
import * as tf from '../../src/worker/tf.js';
import { story } from '../support/sparrow.js';
import { integers } from './support/numerics.js';
import { dispose, of, outcome, tiny, trained } from './support/trainings.js';

const words = 30;
/** Every kind of model of which units can be taken out. */
const models: Record<string, PartialRunConfig['model']> = {
  'stacked LSTM': { kind: 'stacked-lstm', embedding: 5, hidden: 6, layers: 2 },
  'tied stacked LSTM': { kind: 'stacked-lstm', embedding: 6, hidden: 6, layers: 2, tied: true },
  'Elman network': { kind: 'elman-rnn', embedding: 5, hidden: 6, layers: 2 },
  GRU: { kind: 'gru', embedding: 5, hidden: 6, layers: 2 },
  RHN: { kind: 'rhn', embedding: 5, hidden: 6, depth: 3 },
  'tied RHN': { kind: 'rhn', embedding: 6, hidden: 6, depth: 3, tied: true },
  'RHN with a carry gate of its own': { kind: 'rhn', embedding: 5, hidden: 6, depth: 2, coupled: false },
  'AWD-LSTM': { kind: 'awd-lstm', embedding: 5, hidden: 6, layers: 3, hiddenLast: 4 },
  'tied AWD-LSTM': { kind: 'awd-lstm', embedding: 5, hidden: 6, layers: 2, tied: true },
  'mixture of softmaxes': { kind: 'awd-lstm-mos', embedding: 5, hidden: 6, layers: 2, experts: 2, tied: true },
};

function network(model: PartialRunConfig['model'], seed = 1) {
  const config = parseRunConfig({ model }).model;
  const kind = modelKinds[config.kind];
  const specs = kind.parameters(config, words);
  const parameters = initialParameters(specs, new Map(), 'masked', seed);
  return { config, kind, specs, parameters, groups: new UnitGroups(specs) };
}

/** Mean cross-entropy of a window of random words. */
function lossOf(
  create: ReturnType<typeof network>['kind']['create'],
  config: ReturnType<typeof network>['config'],
  parameters: Parameters<typeof create>[1],
) {
  const batch = 4;
  const window = { inputs: integers(1, 8 * batch, words), targets: integers(2, 8 * batch, words), batch };
  return tf.tidy(() => {
    const model = create(config, parameters);
    const { loss, state } = model.loss(window, model.initialState(batch), noDropout);
    return { loss: loss.dataSync()[0], state: state.map((one) => one.shape[1]) };
  });
}

describe.each(Object.entries(models))('%s', (_, model) => {
  test('is the same function without units whose weights are all 0, and smaller', async () => {
    await startEngine(parseRunConfig({ device: { engine: 'wasm' } }).device);
    const { config, kind, specs, parameters, groups } = network(model);
    const gone = new Map([...groups.layers.keys()].map((layer, i) => [layer, i === 0 ? [1, 4] : [0]]));
    const values = parameters.map((parameter) => parameter.read('values'));
    for (const [i, { shape, gates, units }] of specs.entries()) {
      if (shape.length !== 2) continue;
      let row = 0;
      for (const gate of gates) {
        for (let unit = 0; unit < gate.rows; unit++, row++) {
          for (let column = 0; column < shape[1]; column++) {
            const dead = (layer: string | undefined, at: number) =>
              layer !== undefined && gone.get(layer)!.includes(at);
            if (dead(units?.rows, unit) || dead(units?.columns, column)) values[i][row * shape[1] + column] = 0;
          }
        }
      }
    }
    parameters.forEach((parameter, i) => {
      parameter.load('values', values[i]);
    });
    const kept = groups.left(values);
    for (const [layer, units] of groups.layers) {
      const left = Array.from({ length: units }, (__, unit) => unit).filter((unit) => !gone.get(layer)!.includes(unit));
      expect([...kept.get(layer)!]).toEqual(left);
    }
    const smaller = shrunkSpecs(specs, kept).map(
      ({ name, shape, gates }, i) => new DenseParameter(name, shape, gates, shrunkValues(specs[i], values[i], kept)),
    );
    const [before, after] = [lossOf(kind.create, config, parameters), lossOf(kind.create, config, smaller)];
    expect(after.loss).toBeCloseTo(before.loss, 5);
    expect(after.state.every((units, i) => units < before.state[i])).toBe(true);
    for (const parameter of [...parameters, ...smaller]) parameter.dispose();
  });

  test('has a penalty whose gradient is that of its formula', () => {
    const { specs, parameters, groups } = network(model, 7);
    const values = parameters.map((parameter) => parameter.read('values'));
    const penalty = () => {
      let sum = 0;
      for (const norms of groups.squaredNorms(values).values()) for (const norm of norms) sum += Math.sqrt(norm + 1e-8);
      return sum;
    };
    const zeros = parameters.map(({ shape }) => tf.zeros([...shape]));
    const gradients = groups.penalised(parameters, zeros, 0.5);
    for (const [i, gradient] of gradients.entries()) {
      const told = gradient.dataSync<'float32'>();
      for (const at of [0, 7, told.length - 1].filter((position) => position < told.length)) {
        const here = values[i][at];
        values[i][at] = here + 1e-3;
        const step = values[i][at] - here;
        const above = penalty();
        values[i][at] = here - step;
        const below = penalty();
        values[i][at] = here;
        const expected = specs[i].shape.length === 2 ? (0.5 * (above - below)) / (2 * step) : 0;
        expect(told[at]).toBeCloseTo(expected, 4);
      }
    }
    tf.dispose(gradients);
    for (const parameter of parameters) parameter.dispose();
  });
});

test('the group of a unit is each of its weights once', () => {
  const { specs, groups } = network({ kind: 'elman-rnn', embedding: 2, hidden: 2, layers: 1 });
  const named: Record<string, number[]> = { 'elman.0.weight_ih': [1, 2, 10, 20], 'elman.0.weight_hh': [3, 4, 30, 40] };
  const values = specs.map(({ name, shape }) =>
    Float32Array.from(
      named[name] ?? new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(name === 'decoder.weight' ? 1 : 7),
    ),
  );
  // Rows into the unit, its column in the recurrent matrix (without what both have in common), and in the decoder.
  const [first, second] = groups.squaredNorms(values).get('elman.0')!;
  expect(first).toBe(1 + 4 + 9 + 16 + 900 + words);
  expect(second).toBe(100 + 400 + 900 + 1600 + 16 + words);
});

const iss: PartialRunConfig = {
  ...tiny,
  method: { kind: 'iss', density: 1, groupLasso: 0.01, zeroBelow: 0.08 },
  optimizer: { kind: 'sgd', learningRate: 5 },
};

for (const engine of ['wasm', 'native'] as const) {
  test(`a run comes to a smaller network, which is the one that is kept, tested and told (${engine})`, async () => {
    const result = await trained({ ...iss, device: { engine } });
    const started = of(result.events, 'started')[0];
    const finished = of(result.events, 'finished')[0];
    const topologies = of(result.events, 'sparsity');
    expect(topologies.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3, 4]);
    expect(topologies[0].units).toEqual([
      { layer: 'lstm.0', left: 8, of: 8 },
      { layer: 'lstm.1', left: 8, of: 8 },
    ]);
    const [first, second] = finished.units!.map(({ left }) => left);
    expect(topologies.find(({ epoch }) => epoch === finished.bestEpoch)!.units).toEqual(finished.units);
    expect(first + second).toBeLessThan(16);
    const shapes = Object.fromEntries(result.run.model.parameters.map(({ name, shape }) => [name, shape]));
    expect(shapes).toMatchObject({
      'embedding.weight': [started.corpus.vocabulary, 8],
      'lstm.0.weight_ih': [4 * first, 8],
      'lstm.0.bias_hh': [4 * first],
      'lstm.1.weight_ih': [4 * second, first],
      'lstm.1.weight_hh': [4 * second, second],
      'decoder.weight': [started.corpus.vocabulary, second],
    });
    const left = Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(finished.parameters).toEqual({ total: started.parameters.total, active: left });
    const kept = result.run.checkpoints.readBest();
    expect(kept.get('values.lstm.1.weight_ih')!.shape).toEqual([4 * second, first]);
    // The smallest network counts, and of several of that size the one that validates best.
    const sizes = topologies.map(({ units }) => units!.reduce((sum, one) => sum + one.left, 0));
    expect(first + second).toBe(Math.min(...sizes));
    const masks = [...readMasks(join(result.folder, 'masks.bin'))].at(-1)!;
    expect(masks.map(({ pattern }) => pattern.count)).toEqual(topologies.at(-1)!.layers.map(({ active }) => active));
    dispose(result);
  });
}

test('a larger penalty leaves fewer units, and none leaves all', async () => {
  const left = async (groupLasso: number, zeroBelow = 0.08) => {
    const { events } = await trained({ ...iss, method: { ...iss.method, groupLasso, zeroBelow } });
    return of(events, 'finished')[0].units!.reduce((sum, one) => sum + one.left, 0);
  };
  const [none, some, all] = [await left(0), await left(0.01), await left(0, 100)];
  expect(none).toBe(16);
  expect(some).toBeLessThan(none);
  expect(all).toBe(2); // one a layer: a matrix cannot be empty
});

test('a stopped run goes on bit by bit, the smaller network included', async () => {
  const whole = await trained(iss);
  for (const stopAt of [3, 12, whole.asked - 1]) {
    const stopped = await trained(iss, { stopAt });
    const resumed = await trained(iss, { before: stopped });
    expect(story(resumed.events)).toEqual(story(whole.events));
    expect(outcome(resumed)).toEqual(outcome(whole));
  }
});

test('the smaller network trains on in a run that starts from it, resumes, and can be started from again', async () => {
  const first = await trained(iss);
  const { units, parameters } = of(first.events, 'finished')[0];
  const config = (startFrom: string): PartialRunConfig => ({
    ...tiny,
    method: { kind: 'dense', density: 1 },
    training: { ...tiny.training, startFrom },
  });
  const second = await trained(config(basename(first.folder)));
  const started = of(second.events, 'started')[0];
  expect(started.parameters).toEqual({ total: parameters!.active, active: parameters!.active });
  expect(started.layers.find(({ name }) => name === 'lstm.1.weight_hh')!.shape).toEqual([
    4 * units![1].left,
    units![1].left,
  ]);
  const stopped = await trained(config(basename(first.folder)), { stopAt: 12 });
  const resumed = await trained(config(basename(first.folder)), { before: stopped });
  expect(story(resumed.events)).toEqual(story(second.events));
  expect(outcome(resumed)).toEqual(outcome(second));
  const third = await trained(config(basename(second.folder)));
  expect(of(third.events, 'started')[0].parameters).toEqual(started.parameters);
  // Units can be taken out of it again: what is told is of the network the run began with.
  const again = await trained({ ...iss, training: { ...tiny.training, startFrom: basename(first.folder) } });
  expect(of(again.events, 'sparsity')[0].units!.map(({ of: all }) => all)).toEqual(units!.map(({ left }) => left));
  const { layers } = of((await trained(config(basename(again.folder)))).events, 'started')[0];
  expect(layers.find(({ name }) => name === 'lstm.0.weight_hh')!.shape[1]).toBe(
    of(again.events, 'finished')[0].units![0].left,
  );
});

test('tensors do not pile up', async () => {
  const before = await trained(iss);
  dispose(before);
  const { numTensors } = tf.memory();
  dispose(await trained(iss));
  expect(tf.memory().numTensors).toBe(numTensors);
});
