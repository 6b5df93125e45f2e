import { beforeAll, expect, test } from 'vitest';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { Streams } from '../../src/worker/corpus/batches.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { evaluate } from '../../src/worker/evaluate.js';
import { initialParameters } from '../../src/worker/models/build.js';
import { lossAndGradients } from '../../src/worker/models/gradients.js';
import { noDropout, type Dropout, type LanguageModel, type State } from '../../src/worker/models/model.js';
import { stackedLstm } from '../../src/worker/models/stacked-lstm.js';
import { dropoutMask } from '../../src/worker/ops/dropout-mask.js';
import { clipScale, gradientNorm, watchGradients } from '../../src/worker/optimizers/clipping.js';
import { createOptimizer } from '../../src/worker/optimizers/optimizer.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import * as tf from '../../src/worker/tf.js';
import { integers, layouts, optimizerConfig, randomPattern } from './support/numerics.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const words = 13;
const onwards = () => Promise.resolve(true);

function modelOf(layout: Layout = 'masked', p = 0): LanguageModel {
  const dropout = { input: p, hidden: p, output: p };
  const { model } = parseRunConfig({ model: { embedding: 5, hidden: 7, layers: 2, dropout } });
  const specs = stackedLstm.parameters(model, words);
  const patterns = new Map(
    specs
      .filter(({ shape }) => shape.length === 2)
      .map(({ name, shape: [rows, columns] }, i) => [name, randomPattern(i, rows, columns, 0.4)]),
  );
  const parameters = initialParameters(
    specs.map((spec) => ({ ...spec, initialBound: 1 })), // large weights: every loss is different
    patterns,
    layout,
    1,
  );
  return stackedLstm.create(model, parameters);
}

/** A model whose windows have given losses, and whose state counts the windows before. */
function scripted(losses: readonly number[]): LanguageModel & { dropouts: Dropout[]; states: number[] } {
  const zeros = () => [tf.zeros<tf.Rank.R2>([1, 1])];
  const model = {
    parameters: [],
    dropouts: [] as Dropout[],
    states: [] as number[],
    initialState: zeros,
    loss: (_window: unknown, state: State, dropout: Dropout) => {
      const index = state[0].dataSync()[0];
      model.states.push(index);
      model.dropouts.push(dropout);
      return { loss: tf.scalar(losses[index]), state: [state[0].add<tf.Tensor2D>(1)] };
    },
    logits: () => {
      throw new Error('an evaluation needs no logits');
    },
  };
  return model;
}

function dispose(model: LanguageModel): void {
  for (const parameter of model.parameters) parameter.dispose();
}

test('the loss is the sum over windows of length times loss, over the rows that are predicted', async () => {
  const streams = new Streams(new Int32Array(2 * 8), 2); // windows of 3, 3 and 1 rows
  expect(await evaluate(scripted([1, 2, 4]), streams, 3, onwards)).toBeCloseTo((3 * 1 + 3 * 2 + 1 * 4) / 7, 6);
});

test('the state begins with zeros and goes from window to window, and nothing is dropped', async () => {
  const model = scripted([1, 1, 1]);
  await evaluate(model, new Streams(new Int32Array(8), 1), 3, onwards);
  expect(model.states).toEqual([0, 1, 2]);
  expect(model.dropouts).toEqual([noDropout, noDropout, noDropout]);
});

test('the length of windows makes no difference to the loss', async () => {
  const model = modelOf();
  const streams = new Streams(integers(1, 3 * 18, words), 3);
  const whole = (await evaluate(model, streams, 17, onwards))!;
  for (const bptt of [1, 2, 5, 16, 100]) {
    expect(Math.abs((await evaluate(model, streams, bptt, onwards))! / whole - 1)).toBeLessThan(1e-6);
  }
  dispose(model);
});

test('dropout of the model has no part in evaluation', async () => {
  const streams = new Streams(integers(1, 30, words), 2);
  const losses = [];
  for (const p of [0, 0.9]) {
    const model = modelOf('masked', p);
    losses.push(await evaluate(model, streams, 4, onwards));
    dispose(model);
  }
  expect(losses[1]).toBe(losses[0]);
});

for (const [perplexity, loss] of [
  [71.65, 4.271793],
  [60.35, 4.100161],
  [63.05, 4.143928],
  [56.31, 4.030872],
]) {
  test(`a loss of ${loss} nats is a perplexity of ${perplexity}`, async () => {
    const measured = (await evaluate(scripted([loss]), new Streams(new Int32Array(4), 1), 5, onwards))!;
    expect(Math.exp(measured)).toBeCloseTo(perplexity, 3);
  });
}

/** Training losses of a few windows, with or without an evaluation in between that must not be noticed. */
async function trainingLosses(layout: Layout, evaluated: boolean): Promise<number[]> {
  const model = modelOf(layout, 0.3);
  const { parameters } = model;
  const optimizer = createOptimizer(optimizerConfig({ kind: 'adam', adam: { learningRate: 0.05 } }), parameters);
  const [text, heldOut] = [new Streams(integers(1, 2 * 25, words), 2), new Streams(integers(2, 4 * 11, words), 4)];
  let state: State = model.initialState(2);
  const losses: number[] = [];
  for (const [step, { start, length }] of text.windows(4).entries()) {
    watchGradients(parameters, 'all', { seed: 1, step });
    const dropout: Dropout = (site, p, shape) => dropoutMask({ seed: 1, step, site }, p, shape);
    const pass = lossAndGradients(model, text.window(start, length), state, dropout);
    const norm = gradientNorm(parameters, pass.gradients, 'all', { seed: 1, step });
    optimizer.step(parameters, pass.gradients, clipScale(norm, 0.25));
    losses.push(pass.loss.dataSync()[0]);
    tf.dispose([pass.loss, ...pass.gradients, ...state]);
    state = pass.state;
    if (!evaluated || step % 2 === 0) continue;

    const snapshot = () => ({
      slots: parameters.map((parameter) =>
        (['values', ...optimizer.slots] as const).map((slot) => parameter.slot(slot).dataSync().slice()),
      ),
      state: state.map((tensor) => tensor.dataSync().slice()),
      optimizer: optimizer.state(),
      tensors: tf.memory().numTensors,
    });
    const before = snapshot();
    await evaluate(model, heldOut, 3, onwards);
    expect(snapshot()).toEqual(before);
  }
  tf.dispose([...state]);
  dispose(model);
  return losses;
}

for (const layout of layouts) {
  test(`evaluation changes no weight, no state and no later training loss (${layout})`, async () => {
    const losses = await trainingLosses(layout, true);
    expect(losses).toEqual(await trainingLosses(layout, false));
    expect(new Set(losses).size).toBe(losses.length);
  });
}

test('the same weights have the same loss however often they are evaluated', async () => {
  const model = modelOf('packed');
  const streams = new Streams(integers(3, 40, words), 2);
  expect(await evaluate(model, streams, 4, onwards)).toBe(await evaluate(model, streams, 4, onwards));
  dispose(model);
});

test('an evaluation is given up after the window at which proceed answers false, and leaves no tensor', async () => {
  const before = tf.memory().numTensors;
  const model = scripted([1, 2, 3, 4, 5]);
  let asked = 0;
  const twice = () => Promise.resolve(++asked < 2);
  expect(await evaluate(model, new Streams(new Int32Array(16), 1), 3, twice)).toBeUndefined();
  expect(model.states).toEqual([0, 1]);
  expect(tf.memory().numTensors).toBe(before);
});
