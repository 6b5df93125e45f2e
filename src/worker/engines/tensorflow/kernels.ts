import type { DecodeAttributes } from '../../ops/decode-and-cross-entropy.js';
import type { DropoutDraw, WordFactors } from '../../ops/dropout-mask.js';
import type { EmbeddingAttributes } from '../../ops/embedding.js';
import { productKernels } from '../../ops/weight.js';
import { dropThreshold, purposeNumber } from '../../random/random.js';
import * as tf from '../../tf.js';
import { backendName, type TensorflowBackend } from './library.js';
import { rawly, types } from './raw.js';

type Inputs = Record<string, tf.Tensor2D>;
type Register = <Attributes>(name: string, compute: Kernel<Attributes>) => void;
type Kernel<Attributes> = (inputs: Inputs, attributes: Attributes) => tf.Tensor[];

/**
 * Kernels in place of composed ops that would read from the device, draw numbers in JavaScript, or copy what TensorFlow can
 * read as it lies. Weights are dense here, zero where the mask is: the masked layout.
 */
export function registerTensorflowKernels(backend: TensorflowBackend): void {
  const register: Register = (kernelName, compute) => {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => tf.tidy(() => compute(inputs as unknown as Inputs, attrs as never)),
    });
  };
  registerProducts(register);
  registerDecoder(backend, register);
  registerDropout(backend, register);

  register('SparrowSumOfSquares', ({ x }) => [tf.pad(x.square().sum().reshape<tf.Tensor1D>([1]), [[0, 1]])]);

  // Adding up by words is a product on a GPU: a scatter's sum would depend on which thread comes first.
  if (backend.isUsingGpuDevice) {
    register<EmbeddingAttributes>('SparrowEmbeddingGradient', ({ gradient0 }, { weight, words }) => [
      tf.matMul(tf.oneHot(tf.tensor1d(words, 'int32'), weight.shape[0], 1, 0, 'float32'), gradient0, true, false),
    ]);
  }
}

/** Transposed factors are read as they lie. */
function registerProducts(register: Register): void {
  register(productKernels.forward, ({ x, values }) => [tf.matMul(x, values, false, true)]);
  register(productKernels.backward, ({ y, values }) => [tf.matMul(y, values)]);
  register(productKernels.gradient, ({ y, x }) => [tf.matMul(y, x, true, false)]);
}

/** The loss with softmax l - onehot target in one go: that is what is kept for the way back. */
function registerDecoder(backend: TensorflowBackend, register: Register): void {
  register<DecodeAttributes>('SparrowDecodeAndCrossEntropy', ({ y, values, bias }, { targets }) => {
    const logits = tf.matMul(y, values, false, true).add(bias);
    const [losses, differences] = rawly(backend, (raw) => {
      const labels = raw.constant([targets.length], 'int32', targets);
      const attributes = { T: { type: types.float }, Tlabels: { type: types.int32 } };
      return raw.tensors('SparseSoftmaxCrossEntropyWithLogits', [...raw.of(logits), labels], attributes, 2);
    });
    return [losses.mean(), differences];
  });

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropyGradient', ({ gradient0, y, values, output1 }) => {
    const dLogits = output1.mul<tf.Tensor2D>(gradient0.div(output1.shape[0]));
    return [tf.matMul(dLogits, values), tf.matMul(dLogits, y, true, false), dLogits.sum(0)];
  });
}

const philox = 1;

/**
 * Masks from TensorFlow's Philox4x32-10, which counts as ours does: it is given the counter (0, step, site, 0) and the key
 * (seed, purpose) and steps through the first word of the counter, block by block.
 */
function registerDropout(backend: TensorflowBackend, register: Register): void {
  register<DropoutDraw>('SparrowDropoutMask', (_inputs, { seed, step, site, p, scale, shape }) => {
    const kept = rawly(backend, (raw) => {
      const [from, to] = [{ type: types.int64 }, { type: types.uint64 }];
      const unsigned = (halves: readonly number[]) =>
        raw.run('Bitcast', [raw.constant([halves.length / 2], 'int64', halves)], { T: from, type: to });
      const words = raw.run(
        'StatelessRandomUniformFullIntV2',
        [
          raw.constant([shape.length], 'int32', shape),
          unsigned([seed, purposeNumber('dropout')]),
          unsigned([0, step, site, 0]),
          raw.constant([], 'int32', [philox]),
        ],
        { dtype: { type: types.uint32 }, Tshape: { type: types.int32 } },
      );
      const wide = raw.run('Cast', [words], { SrcT: { type: types.uint32 }, DstT: from, Truncate: false });
      const threshold = dropThreshold(p);
      const bound = raw.constant([], 'int64', [threshold, Math.floor(threshold / 2 ** 32)]);
      const above = raw.run('GreaterEqual', [wide, bound], { T: from });
      return raw.tensor('Cast', [above], { SrcT: { type: types.bool }, DstT: { type: types.float }, Truncate: false });
    });
    return [kept.mul(scale)];
  });

  register<WordFactors>('SparrowMaskOfWords', ({ mask }, { words, columns }) => [
    tf.tile(tf.gather(mask.reshape<tf.Tensor2D>([-1, 1]), tf.tensor1d(words, 'int32')), [1, columns]),
  ]);
}
