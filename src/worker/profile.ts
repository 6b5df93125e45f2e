import * as tf from './tf.js';

/** A kernel of tfjs that ran, called by no other kernel; times as performance.now() has them. */
export interface KernelCall {
  readonly kernel: string;
  readonly begin: number;
  readonly end: number;
}

/** Takes the time of every kernel of the backend in use, ours and those of tfjs, from when it is made to the end of the process. */
export class Recorder {
  #calls: KernelCall[] = [];
  #depth = 0;

  constructor() {
    const backendName = tf.getBackend();
    for (const config of tf.getKernelsForBackend(backendName)) {
      tf.unregisterKernel(config.kernelName, backendName);
      tf.registerKernel({ ...config, kernelFunc: (parameters) => this.#timed(config, parameters) });
    }
  }

  /** What ran since the last call of this. */
  take(): KernelCall[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  /** A composed op calls other kernels, whose time is its own. */
  #timed({ kernelName: kernel, kernelFunc }: tf.KernelConfig, parameters: Parameters<tf.KernelFunc>[0]) {
    this.#depth += 1;
    const begin = performance.now();
    try {
      return kernelFunc(parameters);
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#calls.push({ kernel, begin, end: performance.now() });
    }
  }
}

const lstmForward = 'SparrowLstm';
const lstmBackward = 'SparrowLstmGradient';
const isUpdate = (kernel: string) => kernel.startsWith('SparrowApply');
const isGradient = (kernel: string) => kernel.startsWith('Sparrow') && kernel.endsWith('Gradient');

/** Kernels by what a reader of a profile knows them as. Products of equal shapes are what drops units and its gradient. */
const ops: Readonly<Record<string, string | undefined>> = {
  SparrowEmbedding: 'embedding forward',
  SparrowEmbeddingGradient: 'embedding backward',
  SparrowDecodeAndCrossEntropy: 'decoder forward',
  SparrowDecodeAndCrossEntropyGradient: 'decoder backward',
  SparrowDropoutMask: 'dropout',
  [tf.Multiply]: 'dropout',
};

/**
 * Milliseconds of one training step by op; they add up to the whole step. The norm is what happens between the last gradient
 * and the first update (what a backward kernel adds up for it on its way is that kernel's); the rest is JavaScript and small kernels.
 */
export function profileOf(
  calls: readonly KernelCall[],
  step: { readonly begin: number; readonly end: number },
): Record<string, number> {
  const firstUpdate = calls.findIndex(({ kernel }) => isUpdate(kernel));
  const lastGradient = calls.findLastIndex(({ kernel }) => isGradient(kernel));
  const withNorm = lastGradient >= 0 && firstUpdate > lastGradient;
  const layers = calls.filter(({ kernel }) => kernel === lstmForward).length;
  let [forwards, backwards] = [0, layers];
  const profile: Record<string, number> = {};
  const add = (op: string, ms: number) => (profile[op] = (profile[op] ?? 0) + ms);
  for (const [i, { kernel, begin, end }] of calls.entries()) {
    if (withNorm && i > lastGradient && i < firstUpdate) continue;
    let op = isUpdate(kernel) ? 'update' : ops[kernel];
    if (kernel === lstmForward) op = `lstm ${forwards++} forward`;
    if (kernel === lstmBackward) op = `lstm ${--backwards} backward`;
    if (op !== undefined) add(op, end - begin);
  }
  if (withNorm) add('norm', calls[firstUpdate].begin - calls[lastGradient].end);
  const known = Object.values(profile).reduce((sum, ms) => sum + ms, 0);
  add('rest', step.end - step.begin - known);
  return profile;
}
