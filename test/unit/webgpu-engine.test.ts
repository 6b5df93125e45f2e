import { beforeAll, beforeEach, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import * as tf from '../../src/worker/tf.js';
import { whyNoSwiftShader } from '../support/swiftshader.mjs';
import { useOracle } from './support/numerics.js';
import { computed, expectAgreement, makers } from './support/op-cases.js';
import { clipNorms, modelOf, stepOf } from './support/steps.js';

beforeAll(async () => {
  if (whyNoSwiftShader === undefined) console.log(await startEngine({engine: 'webgpu', threads: 0}));
});

beforeEach((context) => {
  if (whyNoSwiftShader !== undefined) context.skip(whyNoSwiftShader);
});

for (const [name, make] of Object.entries(makers)) {
  for (const storage of ['packed'] as const)
  test(`${name} ${storage}`, async () => {
    const sizes = { batch: 3, steps: 4, inputs: 5, units: 6, words: 11 };
    await useOracle();
    const expected = computed(make, sizes, storage, 7);
    await tf.setBackend('webgpu');
    expectAgreement(computed(make, sizes, storage, 7), expected);
  });
}
test('step', async() => {
  for (const layout of ['packed', 'masked'] as const) {
    const sizes = { batch: 3, steps: 4, inputs: 5, units: 6, words: 11 };
    await useOracle();
    const a = stepOf(modelOf(layout, sizes, false, 3), sizes, 4);
    await tf.setBackend('webgpu');
    const b = stepOf(modelOf(layout, sizes, false, 3), sizes, 4);
    console.log(a.map(x=>[x.norm,x.loss]), b.map(x=>[x.norm,x.loss]));
    a.forEach((x,i)=> expectAgreement(b[i].gradients, x.gradients));
  }
});
