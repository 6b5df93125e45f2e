import { beforeAll, beforeEach, expect, test } from 'vitest';
import { startWebGpu } from '../../src/worker/engines/webgpu/start.js';
import * as tf from '../../src/worker/tf.js';
import { whyNoSwiftShader } from '../support/swiftshader.mjs';
import { useOracle } from './support/numerics.js';
import { computed, expectAgreement, makers } from './support/op-cases.js';

beforeAll(async () => {
  if (whyNoSwiftShader === undefined) console.log(await startWebGpu());
});

beforeEach((context) => {
  if (whyNoSwiftShader !== undefined) context.skip(whyNoSwiftShader);
});

for (const [name, make] of Object.entries(makers)) {
  for (const storage of ['packed', 'masked', 'dense'] as const)
    test(`${name} ${storage}`, async () => {
      const sizes = { batch: 3, steps: 4, inputs: 5, units: 6, words: 11 };
      await useOracle();
      const expected = computed(make, sizes, storage, 7);
      await tf.setBackend('webgpu');
      expectAgreement(computed(make, sizes, storage, 7), expected);
    });
}
