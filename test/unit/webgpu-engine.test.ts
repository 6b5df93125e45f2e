import { beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../src/worker/engines/engine.js';
import type { GpuBackend } from '../../src/worker/engines/webgpu/backend.js';
import * as tf from '../../src/worker/tf.js';
import { layouts, storages, useOracle } from './support/numerics.js';
import { computed, expectAgreement, makers, type Sizes } from './support/op-cases.js';
import { modelOf, stepOf } from './support/steps.js';
import { skipWithoutGpu, useWebGpu } from './support/webgpu.js';
import { whyNoSwiftShader } from '../support/swiftshader.mjs';

skipWithoutGpu();

let engine: Engine;
let gpu: GpuBackend;
beforeAll(async () => {
  await useOracle();
  if (whyNoSwiftShader === undefined) ({ engine, gpu } = await useWebGpu());
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

test('tells what it computes on', () => {
  expect(engine).toMatchObject({ name: 'webgpu', device: { id: 'gpu:0', kind: 'software' } });
  expect(gpu.memory().numBytesAllocatedInGPU).toBeGreaterThan(0);
});
