import { beforeAll, expect, test, vi } from 'vitest';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { trainingWindows } from '../../src/worker/corpus/windows.js';
import type { Engine } from '../../src/worker/engines/engine.js';
import type { GpuBackend } from '../../src/worker/engines/webgpu/backend.js';
import { openRun } from '../../src/worker/run.js';
import * as tf from '../../src/worker/tf.js';
import { trainOnWindow } from '../../src/worker/trainer.js';
import { layouts, storages, useOracle } from './support/numerics.js';
import { computed, expectAgreement, makers, type Sizes } from './support/op-cases.js';
import { modelOf, stepOf } from './support/steps.js';
import { temporaryFolder } from './support/temp-folder.js';
import { trajectory, updates } from './support/updates.js';
import { skipWithoutGpu, useWebGpu } from './support/webgpu.js';
import { whyNoSwiftShader } from '../support/swiftshader.mjs';

skipWithoutGpu();

let engine: Engine;
beforeAll(async () => {
  await useOracle();
  if (whyNoSwiftShader === undefined) ({ engine } = await useWebGpu());
});

/** A step that fills its lanes and one that does not; lines of no, few and all weights; more streams than a workgroup has lanes. */
const sizesOf: readonly Sizes[] = [
  { batch: 3, steps: 4, inputs: 5, units: 6, words: 11 },
  { batch: 8, steps: 1, inputs: 9, units: 4, words: 300, density: 0.1, fullRow: true },
  { batch: 70, steps: 2, inputs: 3, units: 2, words: 5, density: 0 },
];

for (const [name, make] of Object.entries(makers)) {
  test(`${name} computes the same as plain loops do, forward and backward`, async () => {
    for (const storage of storages) {
      for (const sizes of sizesOf) {
        await tf.setBackend('cpu');
        const expected = computed(make, sizes, storage, 7);
        await tf.setBackend('webgpu');
        expectAgreement(computed(make, sizes, storage, 7), expected);
      }
    }
  });
}

test('a step has the losses, gradients, norms of each kind and dropout masks of plain loops', async () => {
  const sizes = sizesOf[0];
  for (const layout of layouts) {
    for (const tied of [false, true]) {
      const on = async (backend: string) => {
        await tf.setBackend(backend);
        const model = modelOf(layout, sizes, tied, 3);
        const steps = stepOf(model, sizes, 4);
        for (const parameter of model.parameters) parameter.dispose();
        return steps.flatMap(({ norm, loss, state, gradients }) => [
          Float32Array.of(norm),
          Float32Array.of(loss),
          ...state,
          ...gradients,
        ]);
      };
      expectAgreement(await on('webgpu'), await on('cpu'));
    }
  }
});

for (const [name, update] of Object.entries(updates)) {
  test(`${name} in place computes what it does by copies`, async () => {
    for (const storage of storages) {
      for (const shape of [[7, 13] as const, [61, 67] as const]) {
        await tf.setBackend('cpu');
        const expected = trajectory(update, shape, storage);
        await tf.setBackend('webgpu');
        expectAgreement(trajectory(update, shape, storage), expected);
      }
    }
  });
}

test('tells what it computes on', () => {
  expect(engine).toMatchObject({ name: 'webgpu', device: { id: 'gpu:0', kind: 'software' } });
});

const long = { timeout: 600_000 };

test('2,000 windows are handed over one at a time, and leave neither tensors nor memory behind', long, async () => {
  const folder = temporaryFolder();
  const config = parseRunConfig({
    model: { embedding: 2, hidden: 2, layers: 1, dropout: { output: 0.1 } },
    method: { kind: 'selfish', density: 0.4 },
    corpus: { vocabulary: 100, tokens: 1000 },
    training: { batch: 2, bptt: 3, evaluationBatch: 2 },
    device: { engine: 'webgpu' },
  });
  const run = await openRun(config, { run: folder, corpora: folder }, false);
  const backend = tf.backend() as unknown as GpuBackend;
  const submit = vi.spyOn(backend.queue, 'submit');
  const windows = trainingWindows(run.streams.train, config, 0);
  const interval = 20;
  /** Trains, and reads what it has told. */
  const trained = async (count: number) => {
    for (let step = 1; step <= count; step++) {
      trainOnWindow(run, windows[step % windows.length]);
      await run.engine.apart!.keepUp();
      if (step % interval === 0) expect(run.later!.read().every(({ loss }) => loss > 0)).toBe(true);
    }
    const { numBytesInGPU, numBytesAllocatedInGPU: allocated } = backend.memory();
    return { kept: { tensors: tf.memory().numTensors, numBytesInGPU }, allocated };
  };
  const before = await trained(100);
  submit.mockClear();
  const after = await trained(2000);
  expect(after.kept).toEqual(before.kept);
  // Buffers that wait to be used again: a few more come while the device is behind, and not one a window.
  expect(after.allocated).toBeLessThan(1.25 * before.allocated);
  expect(submit).toHaveBeenCalledTimes(2000 + 2000 / interval);
  for (const parameter of run.model.parameters) parameter.dispose();
  tf.dispose([...run.state]);
});
