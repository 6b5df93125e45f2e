import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import * as tf from '../../src/worker/tf.js';
import { readCases } from './case.js';
import { runCase } from './run-case.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

for (const golden of readCases(join(import.meta.dirname, 'cases'))) {
  test(`golden case ${golden.name}`, (context) => {
    const before = tf.memory().numTensors;
    const verdicts = [...runCase(golden)];
    const unsupported = verdicts.find(({ status }) => status === 'unsupported');
    if (unsupported !== undefined) context.skip(unsupported.detail);
    expect(verdicts.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });
}
