import type { AdamStep, AveragingStep, MomentumStep, Step } from '../../ops/apply-update.js';
import type { DecodeAttributes } from '../../ops/decode-and-cross-entropy.js';
import type { DropoutDraw, WordFactors } from '../../ops/dropout-mask.js';
import type { EmbeddingAttributes } from '../../ops/embedding.js';
import type { SparseLinearAttributes } from '../../ops/sparse-linear.js';
import { isPacked, productKernels, type ProductAttributes } from '../../ops/weight.js';
import { dropThreshold, purposeNumber } from '../../random/random.js';
import { SparseParameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import { byRows, byUnits, widthOf } from './activations.js';
import type { GpuBackend } from './backend.js';
import { threadsFor } from './kernel.js';
import { chunk, losses, softmaxBack, softmaxParts } from './kernels/decoder.js';
import { dropout } from './kernels/dropout.js';
import { sharers, squares, total } from './kernels/sums.js';
import * as updates from './kernels/updates.js';
import { lookUp, lookUpBack, lookUpNorm } from './kernels/words.js';
import { registerLstm } from './lstm.js';
import { backward, forward, gradient, rowsOf, rowSums, sumOf, oneGroup } from './weights.js';

/** The kernels of the webgpu engine, on a backend that is tfjs's `webgpu` in all else (backend.ts). */
export const webGpuBackend = 'webgpu';

/** The very tensors of a call, by name. Nearly all are matrices, as what is not is never asked for its shape. */
type Tensors = Readonly<Record<string, tf.Tensor2D>>;

/** Puts a kernel in the place of tfjs's or of a composed op. Temporaries are its own affair: they are tidied. */
export type Register = <Attributes>(kernelName: string, kernel: GpuKernel<Attributes>) => void;
type GpuKernel<Attributes> = (inputs: Tensors, attributes: Attributes) => tf.Tensor[];

export function registerWebGpu(gpu: GpuBackend): void {
  const register: Register = (kernelName, kernel) => {
    if ((tf.getKernel(kernelName, webGpuBackend) as tf.KernelConfig | undefined) !== undefined) {
      tf.unregisterKernel(kernelName, webGpuBackend);
    }
    tf.registerKernel({
      kernelName,
      backendName: webGpuBackend,
      kernelFunc: ({ inputs, attrs }) =>
        tf.tidy(() => kernel(inputs as unknown as Tensors, attrs as unknown as Parameters<typeof kernel>[1])),
    });
  };
  registerEmbedding(gpu, register);
  registerLinear(gpu, register);
  registerProducts(gpu, register);
  registerLstm(gpu, register);
  registerDecoder(gpu, register);
  registerUpdates(gpu, register);
  registerOthers(gpu, register);
}

function registerEmbedding(gpu: GpuBackend, register: Register): void {
  register<EmbeddingAttributes>('SparrowEmbedding', ({ values }, { weight, words }) => {
    const text = tf.tensor1d(words, 'int32');
    if (!isPacked(weight)) return [tf.gather(values, text)];
    const columns = weight.shape[1];
    const rows = gpu.fresh([words.length, columns]);
    const { start, index, value } = rowsOf(weight, values);
    gpu.dispatch(
      lookUp,
      { start, index, value, words: text, rows },
      { columns },
      { groups: words.length, threads: 64 },
    );
    return [rows];
  });

  register<EmbeddingAttributes>('SparrowEmbeddingGradient', ({ gradient0: dRows, values }, { weight, words }) => {
    const [vocabulary, columns] = weight.shape as [number, number];
    const { first, places } = byWord(words, vocabulary);
    const whole = () =>
      tf.scatterND<tf.Rank.R2>(tf.tensor2d(words, [words.length, 1], 'int32'), dRows, [vocabulary, columns]);
    if (!isPacked(weight)) return [whole()];
    const { wanted } = weight.denseGradient;
    if (wanted === 'norm') {
      const sums = gpu.fresh([vocabulary]);
      gpu.dispatch(
        lookUpNorm,
        { first, places, dRows, sums },
        { columns },
        { groups: vocabulary, threads: threadsFor(columns, 64) },
      );
      weight.denseGradient.addSquaredNorm(sumOf(gpu, sums));
    } else if (wanted !== 'nothing') {
      weight.denseGradient.add(whole());
    }
    const ofActive = gpu.fresh([weight.activeCount]);
    const { start, index } = rowsOf(weight, values);
    gpu.dispatch(
      lookUpBack,
      { start, index, first, places, dRows, gradient: ofActive },
      { columns },
      { groups: vocabulary, threads: 64 },
    );
    return [ofActive];
  });
}

/** Positions in the order of their words, those of word v at `first[v] .. first[v + 1]`. */
function byWord(words: Int32Array, vocabulary: number): { first: tf.Tensor1D; places: tf.Tensor1D } {
  const first = new Int32Array(vocabulary + 1);
  for (const word of words) first[word + 1] += 1;
  for (let word = 0; word < vocabulary; word++) first[word + 1] += first[word];
  const next = first.slice(0, vocabulary);
  const places = new Int32Array(words.length);
  words.forEach((word, position) => (places[next[word]++] = position));
  return { first: tf.tensor1d(first, 'int32'), places: tf.tensor1d(places, 'int32') };
}

function registerLinear(gpu: GpuBackend, register: Register): void {
  register<SparseLinearAttributes>('SparrowSparseLinear', ({ x, values, bias }, { weight }) => [
    byRows(gpu, forward(gpu, { weight, values, bias }, x, oneStep(x))),
  ]);

  register<SparseLinearAttributes>('SparrowSparseLinearGradient', ({ x, values, gradient0 }, { weight }) => {
    const dy = byUnits(gpu, gradient0, oneStep(x));
    return [backward(gpu, { weight, values }, dy), gradient(gpu, weight, dy, x), rowSums(gpu, dy)];
  });
}

/** Positions of which none follows another. */
function oneStep({ shape }: tf.Tensor2D) {
  return { steps: 1, batch: shape[0] };
}

/** The products of composed ops, which cells without a kernel of their own are made of. */
function registerProducts(gpu: GpuBackend, register: Register): void {
  register<ProductAttributes>(productKernels.forward, ({ x, values }, { weight }) =>
    isPacked(weight)
      ? [byRows(gpu, forward(gpu, { weight, values }, x, oneStep(x)))]
      : [tf.matMul(x, values, false, true)],
  );

  register<ProductAttributes>(productKernels.backward, ({ y, values }, { weight }) =>
    isPacked(weight) ? [backward(gpu, { weight, values }, byUnits(gpu, y, oneStep(y)))] : [tf.matMul(y, values)],
  );

  register<ProductAttributes>(productKernels.gradient, ({ y, x }, { weight, factor }) =>
    isPacked(weight) ? [gradient(gpu, weight, byUnits(gpu, y, oneStep(y)), x, factor)] : [tf.matMul(y, x, true, false)],
  );
}

function registerDecoder(gpu: GpuBackend, register: Register): void {
  register<DecodeAttributes>('SparrowDecodeAndCrossEntropy', ({ y, values, bias }, { weight, targets }) => {
    const window = oneStep(y);
    const [words] = weight.shape;
    const positions = targets.length;
    const lanes = widthOf(window);
    // One row more, which holds log sum exp.
    const logits = forward(gpu, { weight, values, bias }, y, window, words + 1).tensor;
    const chunks = Math.ceil(words / chunk);
    const [most, sums] = [gpu.fresh([chunks, 4 * lanes]), gpu.fresh([chunks, 4 * lanes])];
    gpu.dispatch(
      softmaxParts,
      { logits, most, sums },
      { words, lanes },
      { groups: chunks * Math.ceil(lanes / 16), threads: 64 },
    );
    const [lossOf, loss] = [gpu.fresh([positions]), gpu.fresh([])];
    gpu.dispatch(
      losses,
      { most, sums, targets: tf.tensor1d(targets, 'int32'), logits, loss: lossOf },
      { words, positions, width: 4 * lanes, chunks },
      4 * lanes,
    );
    gpu.dispatch(total, { x: lossOf, sum2: loss }, { count: positions, factor: 1 / positions }, oneGroup(positions));
    return [loss, logits];
  });

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropyGradient', (inputs, { weight, targets }) => {
    const { y, values, output1: logits, gradient0: dLoss } = inputs;
    const window = oneStep(y);
    const [words] = weight.shape;
    const width = 4 * widthOf(window);
    const dLogits = gpu.fresh([words, width]);
    gpu.dispatch(
      softmaxBack,
      { logits, targets: tf.tensor1d(targets, 'int32'), dLoss, dLogits },
      { words, positions: targets.length, width },
      words * width,
    );
    const d = { tensor: dLogits, units: words, window };
    return [backward(gpu, { weight, values }, d), gradient(gpu, weight, d, y), rowSums(gpu, d)];
  });
}

/** Optimisers work in place: they return the tensors they were given. */
function registerUpdates(gpu: GpuBackend, register: Register): void {
  /** What every step works with. */
  const prepared = ({ values, gradient }: Tensors, { parameter, scale, ...step }: Step) => {
    const masked = parameter instanceof SparseParameter && parameter.layout === 'masked';
    const { size } = values;
    return {
      tensors: {
        ...{ values, gradient, mask: masked ? parameter.mask : gradient },
        scale: typeof scale === 'number' ? tf.tensor1d([scale]) : scale,
      },
      rates: { count: size, masked: masked ? 1 : 0, learningRate: step.learningRate, weightDecay: step.weightDecay },
      size,
    };
  };

  register<Step>('SparrowApplySgd', (inputs, step) => {
    const { tensors, rates, size } = prepared(inputs, step);
    gpu.dispatch(updates.sgd, tensors, rates, size);
    return [inputs['values']];
  });

  register<AveragingStep>('SparrowApplyAveragedSgd', (inputs, step) => {
    const { average, activeSince } = inputs;
    const { tensors, rates, size } = prepared(inputs, step);
    const numbers = { ...rates, averagingStep: step.averagingStep };
    gpu.dispatch(updates.averagedSgd, { ...tensors, average, activeSince }, numbers, size);
    return [inputs['values'], average];
  });

  register<MomentumStep>('SparrowApplyMomentumSgd', (inputs, step) => {
    const { velocity } = inputs;
    const { tensors, rates, size } = prepared(inputs, step);
    gpu.dispatch(updates.momentumSgd, { ...tensors, velocity }, { ...rates, momentum: step.momentum }, size);
    return [inputs['values'], velocity];
  });

  register<AdamStep>('SparrowApplyAdam', (inputs, step) => {
    const { moment1, moment2 } = inputs;
    const { beta1, beta2, epsilon } = step;
    const { tensors, rates, size } = prepared(inputs, step);
    const numbers = {
      ...{ ...rates, learningRate: step.learningRate / (1 - beta1 ** step.step) },
      ...{ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, root2: Math.sqrt(1 - beta2 ** step.step), epsilon },
      dense: step.denseMoments ? 1 : 0,
    };
    gpu.dispatch(updates.adam, { ...tensors, moment1, moment2 }, numbers, size);
    return [inputs['values'], moment1, moment2];
  });
}

function registerOthers(gpu: GpuBackend, register: Register): void {
  // In float32, by a tree: there are no longer numbers on a GPU.
  register<object>('SparrowSumOfSquares', ({ x }) => {
    const count = x.size;
    const groups = Math.min(sharers, Math.max(1, Math.ceil(count / 256)));
    const sums = gpu.fresh([groups]);
    gpu.dispatch(squares, { x, sums }, { count }, { groups, threads: threadsFor(count, 256) });
    return [sumOf(gpu, sums)];
  });

  register<DropoutDraw>('SparrowDropoutMask', (_inputs, { seed, step, site, p, scale, shape }) => {
    const mask = gpu.fresh(shape);
    const { size } = mask;
    const numbers = { size, seed, purpose: purposeNumber('dropout'), step, site, threshold: dropThreshold(p), scale };
    gpu.dispatch(dropout, { mask }, numbers, Math.ceil(size / 4));
    return [mask];
  });

  register<WordFactors>('SparrowMaskOfWords', ({ mask }, { words, columns }) => [
    tf.tile(tf.gather(mask.reshape<tf.Tensor2D>([-1, 1]), tf.tensor1d(words, 'int32')), [1, columns]),
  ]);
}
