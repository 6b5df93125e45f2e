import { expect, test } from 'vitest';
import { profileOf, Recorder, type KernelCall } from '../../src/worker/profile.js';
import * as tf from '../../src/worker/tf.js';

/** Calls of so many milliseconds each, one after the other, with a millisecond between them. */
function callsOf(...kernels: readonly (readonly [kernel: string, ms: number])[]): KernelCall[] {
  let now = 100;
  return kernels.map(([kernel, ms]) => {
    const begin = now + 1;
    now = begin + ms;
    return { kernel, begin, end: now };
  });
}

test('a profile names the layers of a step in both directions and adds up to it', () => {
  const calls = callsOf(
    ['SparrowEmbedding', 1],
    ['SparrowDropoutMask', 2],
    ['Multiply', 3],
    ['SparrowLstm', 10],
    ['SparrowLstm', 20],
    ['SparrowDecodeAndCrossEntropy', 30],
    ['SparrowDecodeAndCrossEntropyGradient', 40],
    ['Multiply', 5],
    ['SparrowLstmGradient', 50],
    ['SparrowLstmGradient', 60],
    ['SparrowEmbeddingGradient', 4],
    ['SparrowApplySgd', 6],
    ['SparrowApplySgd', 7],
  );
  const profile = profileOf(calls, { begin: 90, end: 400 });
  expect(profile).toEqual({
    'embedding forward': 1,
    dropout: 10,
    'lstm 0 forward': 10,
    'lstm 1 forward': 20,
    'decoder forward': 30,
    'decoder backward': 40,
    'lstm 1 backward': 50,
    'lstm 0 backward': 60,
    'embedding backward': 4,
    update: 13,
    norm: 1,
    rest: 310 - 238 - 1,
  });
  expect(Object.values(profile).reduce((sum, ms) => sum + ms, 0)).toBe(310);
});

test('kernels between the last gradient and the first update are the norm, others nobody knows are the rest', () => {
  const calls = callsOf(
    ['Add', 2],
    ['SparrowEmbeddingGradient', 4],
    ['BatchMatMul', 8],
    ['Multiply', 1],
    ['SparrowApplyAdam', 3],
  );
  expect(profileOf(calls, { begin: 100, end: 130 })).toEqual({
    'embedding backward': 4,
    norm: 8 + 1 + 3, // with the gaps around them
    update: 3,
    rest: 30 - 19,
  });
  expect(profileOf([], { begin: 1, end: 3 })).toEqual({ rest: 2 });
});

test('a recorder sees the kernels that nobody called but the program, and takes them once', async () => {
  const backend = 'recorded';
  tf.registerBackend(backend, () => ({ dispose: () => undefined }) as unknown as tf.KernelBackend);
  const info: tf.TensorInfo = { dataId: {}, shape: [], dtype: 'float32' };
  const kernel = (kernelName: string, run: () => unknown) => {
    tf.registerKernel({ kernelName, backendName: backend, kernelFunc: () => (run(), info) });
  };
  const call = (kernelName: string) =>
    tf.getKernel(kernelName, backend).kernelFunc({ inputs: {}, backend: {}, attrs: {} });
  kernel('Inner', () => undefined);
  kernel('Outer', () => call('Inner'));
  kernel('Failing', () => {
    throw new Error('no memory');
  });
  await tf.setBackend(backend);
  const recorder = new Recorder();
  expect(call('Outer')).toBe(info);
  expect(() => call('Failing')).toThrow('no memory');
  call('Inner');
  const calls = recorder.take();
  expect(calls.map(({ kernel: name }) => name)).toEqual(['Outer', 'Failing', 'Inner']);
  for (const { begin, end } of calls) expect(end).toBeGreaterThanOrEqual(begin);
  expect(recorder.take()).toEqual([]);
  for (const name of ['Inner', 'Outer', 'Failing']) tf.unregisterKernel(name, backend);
});
