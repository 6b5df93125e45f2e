import { expect, test } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { expectedTrainingFlops, forwardFlops, trainingFlops } from '../../src/worker/flops.js';
import { modelKinds } from '../../src/worker/models/build.js';
import { isSparsifiable } from '../../src/worker/models/model.js';
import { initialDensities } from '../../src/worker/sparsity/initial-topology.js';
import { dispose, of, tiny, trained } from './support/trainings.js';

/** FLOPs of a published recipe, and their share of those of the dense network (algorithm page 7.2). */
function recipe(preset: PartialRunConfig, method: PartialRunConfig['method'] = {}) {
  const config = parseRunConfig({ ...preset, method: { density: 0.33, ...preset.method, ...method } });
  const specs = modelKinds[config.model.kind].parameters(config.model, 10_000).filter(isSparsifiable);
  const densities = initialDensities(
    config.method,
    specs.map(({ shape }) => [shape[0], shape[1]]),
  );
  const layers = specs.map(({ name, shape }, i) => ({ name, shape, activeCount: densities[i] * shape[0] * shape[1] }));
  const forward = forwardFlops(layers, config.model);
  const share = expectedTrainingFlops(config, forward, stepsPerEpoch) / (3 * forward.dense);
  return { dense: forward.dense, share };
}

const stepsPerEpoch = 1328;
const wordsPerStep = 20 * 35;
const lstm: PartialRunConfig = { model: { kind: 'stacked-lstm', embedding: 1500, hidden: 1500, layers: 2 } };
const rhn: PartialRunConfig = {
  model: { kind: 'rhn', embedding: 830, hidden: 830, depth: 10, tied: true },
  method: { density: 0.472 },
};

test('the networks of the paper cost what the algorithm page says', () => {
  expect(wordsPerStep * recipe(lstm).dense).toBeCloseTo(7.14e10, -8);
  expect((wordsPerStep * recipe(rhn).dense) / 1e10).toBeCloseTo(3.28, 2);
  const training = 3 * wordsPerStep * recipe(lstm).dense * 100 * stepsPerEpoch;
  expect(training / 1e16).toBeCloseTo(2.84, 2);
  expect((3 * wordsPerStep * recipe(rhn).dense * 500 * stepsPerEpoch) / 1e16).toBeCloseTo(6.54, 2);
});

test.each([
  ['selfish', lstm, {}, 0.33],
  ['selfish', lstm, { initialiser: 'er' }, 0.3344],
  ['rigl', lstm, {}, 0.3302],
  ['snfs', lstm, {}, 0.553],
  ['selfish', rhn, {}, 0.472],
  ['selfish', rhn, { initialiser: 'er' }, 0.472],
  ['snfs', rhn, {}, 0.648],
] as const)('%s of the paper costs its share of dense training', (kind, preset, more, share) => {
  const digits = String(share).length - 2;
  expect(recipe(preset, { kind, ...more }).share).toBeCloseTo(share, digits);
});

test('a step costs three forward passes, one that computes the whole gradient what that takes', () => {
  expect(trainingFlops({ sparse: 10, dense: 100 }, false)).toBe(30);
  expect(trainingFlops({ sparse: 10, dense: 100 }, true)).toBe(120);
});

const steps = { interval: 4, intervalUnit: 'steps', updateOnTrigger: true } as const;
test.each([
  { kind: 'static', density: 0.4 },
  { kind: 'rigl', density: 0.4, ...steps },
  { kind: 'snfs', density: 0.4, ...steps },
  { kind: 'dsr', density: 0.4, threshold: 0.05, ...steps },
  { kind: 'gmp', density: 0.4, pruneUntil: 0.5, ...steps },
  { kind: 'lottery', density: 0.4 },
  { kind: 'dense', density: 1 },
] as const)('a run tells what it cost, step by step, with the masks it had then ($kind)', async (method) => {
  const result = await trained({ ...tiny, method, training: { ...tiny.training, reportEvery: 1 } });
  const { layers } = of(result.events, 'started')[0];
  const { batch, bptt } = result.run.config.training;
  const rows = Math.floor(of(result.events, 'started')[0].corpus.tokens.train / batch);
  let active = new Map(layers.map(({ name, active: count }) => [name, count]));
  const work = (counts: ReadonlyMap<string, number>) =>
    2 * [...counts].reduce((sum, [name, count]) => sum + (name === 'embedding.weight' ? 0 : count), 0);
  const dense = work(new Map(layers.map(({ name, shape }) => [name, shape[0] * shape[1]])));
  const told = { training: 0, dense: 0 };
  let stepOfEpoch = 0;
  // Masks serve from the next step on. An update after a step is told before the step is, one after an epoch when it is over.
  let next = active;
  for (const event of result.events) {
    if (event.type === 'sparsity') next = new Map(event.layers.map((layer) => [layer.name, layer.active]));
    if (event.type === 'sparsity' && !('intervalUnit' in method)) active = next;
    if (event.type !== 'step') continue;
    const words = Math.min(bptt, rows - 1 - stepOfEpoch * bptt) * batch;
    stepOfEpoch = (stepOfEpoch + 1) % of(result.events, 'started')[0].stepsPerEpoch;
    const wholeGradient = method.kind === 'snfs' || (method.kind === 'rigl' && event.step % 4 === 0);
    const forward = work(active);
    told.training += words * (wholeGradient ? 2 * forward + dense : 3 * forward);
    told.dense += words * 3 * dense;
    expect(event.flops).toEqual(told);
    active = next;
  }
  expect(told.dense).toBeGreaterThan(0);
  expect(of(result.events, 'evaluation').at(-1)!.flops).toEqual(told);
  const tested = new Map(
    result.run.model.parameters.filter(({ shape }) => shape.length === 2).map((one) => [one.name, one.activeCount]),
  );
  expect(of(result.events, 'finished')[0].flopsPerWord).toEqual({ sparse: work(tested), dense });
  dispose(result);
});
