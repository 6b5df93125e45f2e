import { join } from 'node:path';
import { expect, test } from 'vitest';
import { methodKinds, methods } from '../../src/shared/methods.js';
import type { PartialRunConfig } from '../../src/shared/run-config.js';
import type { Run } from '../../src/worker/run.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { readMasks } from '../../src/worker/storage/masks.js';
import { story } from '../support/sparrow.js';
import { dispose, of, outcome, tiny, trained } from './support/trainings.js';

/** Methods whose masks change, with a threshold and a noise at which something happens in so few steps. */
const changing = methodKinds.flatMap((kind) => {
  const { masks } = methods[kind];
  if (masks !== 'rewired' && masks !== 'pruned') return [];
  const density = kind === 'l1' ? 1 : 0.4;
  return [{ kind, density, removingRate: 0.5, threshold: 0.05, noise: 1, temperature: 0.01, pruneUntil: 0.6 }];
});

for (const method of changing) {
  const { kind } = method;
  test(`packed and masked layouts give the same run to the last bit where both have the same products (${kind})`, async () => {
    const config = { ...tiny, method };
    const masked = await trained({ ...config, device: { engine: 'wasm', layout: 'masked' } });
    const packed = await trained({ ...config, device: { engine: 'wasm', layout: 'packed' } });
    expect(story(packed.events)).toEqual(story(masked.events));
    expect(outcome(packed)).toEqual(outcome(masked));
  });
}

test('each method that changes masks comes to masks of its own', async () => {
  const last = new Map<string, string>();
  for (const method of changing) {
    const { kind } = method;
    const result = await trained({ ...tiny, method: { ...method, gateMode: 'fused' } });
    const masks = [...readMasks(join(result.folder, 'masks.bin'))];
    expect(masks.length).toBeGreaterThan(1);
    last.set(
      kind,
      masks
        .at(-1)!
        .map(({ pattern }) => pattern.positions().join())
        .join('|'),
    );
    dispose(result);
  }
  // One-shot pruning and a lottery ticket part ways after their one update, in the weights.
  expect(last.get('lottery')).toBe(last.get('one-shot'));
  expect(new Set(last.values()).size).toBe(changing.length - 1);
});

test('updates come every so many epochs or steps, and end with the step that was given', async () => {
  const stepsOf = async (method: PartialRunConfig['method']) => {
    const { events } = await trained({ ...tiny, method: { ...tiny.method, ...method, updateOnTrigger: true } });
    return of(events, 'sparsity').map(({ step }) => step);
  };
  const { stepsPerEpoch } = of((await trained(tiny)).events, 'started')[0];
  expect(stepsPerEpoch).toBe(8);
  expect(await stepsOf({ interval: 2 })).toEqual([0, 16, 32]);
  expect(await stepsOf({ interval: 5, intervalUnit: 'steps' })).toEqual([0, 5, 10, 15, 20, 25, 30]);
  expect(await stepsOf({ interval: 5, intervalUnit: 'steps', endStep: 15 })).toEqual([0, 5, 10, 15]);
  expect(await stepsOf({ endStep: 17 })).toEqual([0, 8, 16]);
});

test('a constant removing rate stays, a cosine falls to its end', async () => {
  const rates = async (method: PartialRunConfig['method']) => {
    const { events } = await trained({ ...tiny, method: { ...tiny.method, ...method } });
    return of(events, 'sparsity')
      .slice(1)
      .map(({ removingRate }) => removingRate);
  };
  expect(await rates({ rateSchedule: 'constant', removingRate: 0.3 })).toEqual([0.3, 0.3, 0.3]);
  const [first, second, third] = await rates({ endStep: 32 });
  expect(first).toBeCloseTo(0.005 + (0.495 * (1 + Math.cos(Math.PI / 4))) / 2, 9);
  expect(second).toBeCloseTo(0.005 + (0.495 * (1 + Math.cos((3 * Math.PI) / 4))) / 2, 9);
  expect(third).toBeCloseTo(0.005, 9);
});

test('in a step that an update follows weights rest where the run skips it', async () => {
  let before: Float32Array[] = [];
  let compared = 0;
  const method = { ...tiny.method, kind: 'rigl', interval: 4, intervalUnit: 'steps', skipStep: true } as const;
  const config = { ...tiny, method, training: { ...tiny.training, reportEvery: 1 } };
  const values = (run: Run) =>
    run.model.parameters.filter((one) => !(one instanceof SparseParameter)).map((one) => one.read('values'));
  await trained(config, {
    onEvent: (event, run) => {
      if (event.type === 'sparsity' && event.update > 0) {
        expect(values(run)).toEqual(before); // biases, which no mask touches
        compared += 1;
      }
      if (event.type === 'step') before = values(run);
    },
  });
  expect(compared).toBe(8);
});

test('gradual pruning follows its cubic, ends at its density, and the network that is tested has that', async () => {
  const { run, events } = await trained({
    ...tiny,
    training: { ...tiny.training, epochs: 6 },
    method: { kind: 'gmp', density: 0.4, pruneUntil: 0.5, updateOnTrigger: true },
  });
  const { layers } = of(events, 'started')[0];
  const size = (i: number) => layers[i].shape[0] * layers[i].shape[1];
  const topologies = of(events, 'sparsity');
  expect(topologies.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
  const duration = Math.floor((6 * run.streams.train.rows) / 16);
  for (const { step, epoch, layers: now } of topologies) {
    const x = Math.min(1, step / (0.5 * duration));
    const sparsity = 0.6 * (1 - (1 - x) ** 3);
    expect(now.map(({ active }) => active)).toEqual(layers.map((_, i) => size(i) - Math.trunc(sparsity * size(i))));
    if (epoch === 3) expect(sparsity).toBe(0.6);
  }
  const tested = run.model.parameters.filter((parameter) => parameter instanceof SparseParameter);
  expect(tested.map(({ activeCount }) => activeCount)).toEqual(topologies.at(-1)!.layers.map(({ active }) => active));
  expect(of(events, 'finished')[0].bestEpoch).toBeGreaterThan(3);
});

for (const kind of ['one-shot', 'lottery'] as const) {
  test(`pruned once, a network trains on from ${kind === 'lottery' ? 'where it began' : 'where it was'} (${kind})`, async () => {
    const weights = (run: Run) => run.model.parameters.map((parameter) => parameter.read('values'));
    const patterns = (run: Run) =>
      run.model.parameters.map((one) => (one instanceof SparseParameter ? one.pattern.positions() : undefined));
    let initial: Float32Array[] = [];
    let before: Float32Array[] = [];
    let after: { weights: Float32Array[]; patterns: (Int32Array | undefined)[] } | undefined;
    const method = { kind, density: 0.4 } as const;
    const result = await trained(
      { ...tiny, method },
      {
        onEvent: (event, run) => {
          if (event.type === 'started') initial = weights(run);
          if (event.type === 'averaging' && before.length === 0) before = weights(run); // in the epoch of the pruning, and before it
          if (event.type === 'checkpoint' && before.length > 0)
            after ??= { weights: weights(run), patterns: patterns(run) };
        },
      },
    );
    const from = kind === 'lottery' ? initial : before;
    after!.patterns.forEach((positions, i) => {
      const expected = positions === undefined ? from[i] : positions.map((position) => position);
      if (positions === undefined) expect(after!.weights[i]).toEqual(expected);
      else expect([...after!.weights[i]]).toEqual([...positions].map((position) => from[i][position]));
    });
    // What stays is the largest of the network, by the weights that were trained, but for the last weight of a layer.
    const [kept, gone]: [number[], number[]] = [[], []];
    for (const [i, positions] of after!.patterns.entries()) {
      if (positions === undefined) continue;
      before[i].forEach((weight, at) => (positions.includes(at) ? kept : gone).push(Math.abs(weight)));
      if (positions.length === 1) kept.pop();
    }
    expect(Math.min(...kept)).toBeGreaterThanOrEqual(Math.max(...gone));
    expect(of(result.events, 'sparsity')[1].layers.reduce((sum, { removed }) => sum + removed, 0)).toBe(gone.length);
    // A ticket begins anew with everything: it averages from the second epoch of its second life.
    const causes = of(result.events, 'averaging').map(({ epoch }) => epoch);
    expect(causes).toEqual(kind === 'lottery' ? [2, 4] : [2]);
    expect(of(result.events, 'finished')[0].bestEpoch).toBeGreaterThan(2);
  });
}

test('under an L1 penalty what falls below the threshold goes for good, and more of it under a larger one', async () => {
  const left = async (l1: number) => {
    const { events } = await trained({ ...tiny, method: { kind: 'l1', density: 1, l1, threshold: 0.05 } });
    const active = of(events, 'sparsity').map(({ layers }) => layers.reduce((sum, layer) => sum + layer.active, 0));
    expect(active).toEqual([...active].sort((a, b) => b - a));
    return active.at(-1)!;
  };
  expect(await left(0.01)).toBeLessThan(await left(0));
});
