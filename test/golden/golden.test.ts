import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { engines } from '../../src/shared/engines.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { whyNoNative } from '../../src/worker/engines/native/start.js';
import { whyNoTensorflow } from '../../src/worker/engines/tensorflow/library.js';
import * as tf from '../../src/worker/tf.js';
import { whyNoSwiftShader } from '../support/swiftshader.mjs';
import { readCases } from './case.js';
import { runCase } from './run-case.js';

const missing = {
  wasm: undefined,
  native: whyNoNative(),
  tensorflow: whyNoTensorflow(),
  webgpu: whyNoSwiftShader,
};

for (const engine of ['wasm', 'native', 'tensorflow', 'webgpu'] as const) {
  describe(engine, () => {
    const reason = missing[engine];
    beforeAll(async () => {
      if (reason === undefined)
        await startEngine({ engine, ...(engine === 'tensorflow' ? { id: 'cpu' } : {}), threads: 0 });
    });
    beforeEach((context) => {
      if (reason !== undefined) context.skip(`the ${engine} engine is not there: ${reason}`);
    });

    for (const golden of readCases(join(import.meta.dirname, 'cases'))) {
      test(`golden case ${golden.name} on ${engine}`, (context) => {
        const before = tf.memory().numTensors;
        const verdicts = [...runCase(golden, engines[engine].layouts)];
        const unsupported = verdicts.find(({ status }) => status === 'unsupported');
        if (unsupported !== undefined) context.skip(unsupported.detail);
        expect(verdicts.filter(({ status }) => status !== 'pass')).toEqual([]);
        expect(tf.getBackend()).toBe(engine);
        expect(tf.memory().numTensors).toBe(before);
      });
    }
  });
}
