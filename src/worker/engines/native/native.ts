import { dropThreshold, purposeNumber } from '../../random/random.js';
import { numberOf, type AdamStep, type AveragingStep, type MomentumStep, type Step } from '../../ops/apply-update.js';
import type { DecodeAttributes } from '../../ops/decode-and-cross-entropy.js';
import type { DropoutDraw } from '../../ops/dropout-mask.js';
import type { EmbeddingAttributes } from '../../ops/embedding.js';
import { asTwoFloats } from '../../ops/sum-of-squares.js';
import type { LstmAttributes } from '../../ops/lstm.js';
import type { SparseLinearAttributes } from '../../ops/sparse-linear.js';
import { productKernels, type ProductAttributes } from '../../ops/weight.js';
import { SparseParameter, type Parameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import type { NativeEngine, NativeMatrix, Whole } from './addon.js';
import { NativeBackend } from './backend.js';
import { registerCells } from './cells.js';
import { Kept } from './kept.js';
import { registerMixture } from './mixture.js';
import { blocked, lanesOf, matrixOf, weightGradient, weightGradients, type Kernel, type Register } from './weights.js';

/**
 * The kernels of the native engine, on a backend that is tfjs's `cpu` in all else (backend.ts): they read and write tensors where they
 * lie.
 */
export const nativeBackend = 'native';

/** Gives the backend, which is made with the first one, the kernels of `engine`. */
export function registerNative(engine: NativeEngine): void {
  const made = tf.registerBackend(nativeBackend, () => new NativeBackend());
  if (made) tf.copyRegisteredKernels('cpu', nativeBackend);
  const register = <Attributes>(kernelName: string, kernel: Kernel<Attributes>) => {
    if ((tf.getKernel(kernelName, nativeBackend) as tf.KernelConfig | undefined) !== undefined) {
      tf.unregisterKernel(kernelName, nativeBackend);
    }
    tf.registerKernel({
      kernelName,
      backendName: nativeBackend,
      kernelFunc: ({ inputs, attrs, backend }) =>
        kernel(inputs as Parameters<typeof kernel>[0], attrs as Attributes, backend as unknown as NativeBackend),
    });
  };
  registerEmbedding(engine, register);
  registerLinear(engine, register);
  registerProducts(engine, register);
  registerLstm(engine, register);
  registerCells(engine, register);
  registerDecoder(engine, register);
  registerMixture(engine, register);
  registerUpdates(engine, register);
  registerOthers(engine, register);
}

function registerEmbedding(engine: NativeEngine, register: Register): void {
  register<EmbeddingAttributes>('SparrowEmbedding', ({ values }, { weight, words }, memory) => {
    const rows = memory.fresh([words.length, weight.shape[1]]);
    engine.lookUp(matrixOf(weight, memory.floats(values)), words, rows.numbers);
    return [rows.info];
  });

  register<EmbeddingAttributes>('SparrowEmbeddingGradient', ({ values, gradient0 }, { weight, words }, memory) => {
    const dRows = memory.floats(gradient0);
    return [
      weightGradient(weight, memory.floats(values), memory, (matrix, dWeight, whole) =>
        engine.lookUpBackward(matrix, words, dRows, dWeight, whole),
      ),
    ];
  });
}

function registerLinear(engine: NativeEngine, register: Register): void {
  register<SparseLinearAttributes>('SparrowSparseLinear', ({ x, values, bias }, { weight }, memory) => {
    const positions = x.shape[0];
    const y = memory.fresh([positions, weight.shape[0]]);
    const matrix = matrixOf(weight, memory.floats(values));
    engine.linearForward(matrix, memory.floats(bias), positions, memory.floats(x), y.numbers);
    return [y.info];
  });

  register<SparseLinearAttributes>('SparrowSparseLinearGradient', ({ x, values, gradient0 }, { weight }, memory) => {
    const positions = x.shape[0];
    const dx = memory.fresh(x.shape);
    const dBias = memory.fresh([weight.shape[0]]);
    const [dy, numbers] = [memory.floats(gradient0), memory.floats(x)];
    const dValues = weightGradient(weight, memory.floats(values), memory, (matrix, dWeight, whole) =>
      engine.linearBackward(matrix, positions, dy, numbers, dx.numbers, dWeight, dBias.numbers, whole),
    );
    return [dx.info, dValues, dBias.info];
  });
}

/** The products of composed ops, which cells without a kernel of their own are made of. */
function registerProducts(engine: NativeEngine, register: Register): void {
  register<ProductAttributes>(productKernels.forward, ({ x, values }, { weight }, memory) => {
    const y = memory.fresh([x.shape[0], weight.shape[0]]);
    engine.product(matrixOf(weight, memory.floats(values)), x.shape[0], memory.floats(x), y.numbers);
    return y.info;
  });

  register<ProductAttributes>(productKernels.backward, ({ y, values }, { weight }, memory) => {
    const x = memory.fresh([y.shape[0], weight.shape[1]]);
    engine.transposedProduct(matrixOf(weight, memory.floats(values)), y.shape[0], memory.floats(y), x.numbers);
    return x.info;
  });

  register<ProductAttributes>(productKernels.gradient, ({ y, x, values }, { weight, factor }, memory) => {
    const [dy, from] = [memory.floats(y), memory.floats(x)];
    const compute = (matrix: NativeMatrix, dWeight: Float32Array, whole: Whole) =>
      engine.weightGradient(matrix, y.shape[0], dy, from, dWeight, whole);
    return weightGradient(weight, memory.floats(values), memory, compute, factor);
  });
}

function registerLstm(engine: NativeEngine, register: Register): void {
  const kept = new Kept<'gates' | 'cells'>();

  // h of every step, last h, last c; what is kept for the way back is behind the fourth, and the rest is the composed op's.
  register<LstmAttributes>('SparrowLstm', (inputs, { inputWeight, recurrentWeight }, memory) => {
    const of = (name: string) => memory.floats(inputs[name]);
    const [batch, size] = inputs['hidden'].shape as [number, number];
    const positions = inputs['x'].shape[0];
    const steps = positions / batch;
    const y = memory.fresh([positions, size]);
    const hidden = memory.fresh([batch, size]);
    const cell = memory.fresh([batch, size]);
    const { handle, arrays } = kept.begin(recurrentWeight, memory, {
      gates: steps * 4 * size * lanesOf(batch),
      cells: (steps + 1) * size * lanesOf(batch),
    });
    engine.lstmForward(
      ...[matrixOf(inputWeight, of('inputValues')), matrixOf(recurrentWeight, of('recurrentValues'))],
      ...([of('inputBias'), of('recurrentBias'), steps, batch, of('x'), of('hidden'), of('cell'), y.numbers] as const),
      ...([hidden.numbers, cell.numbers, arrays.gates, arrays.cells] as const),
    );
    const nothing = Array.from({ length: 4 }, () => memory.fresh([0]).info);
    return [y.info, hidden.info, cell.info, handle, ...nothing];
  });

  register<LstmAttributes>('SparrowLstmGradient', (inputs, attributes, memory) => {
    const { inputWeight, recurrentWeight, recurrentFactor } = attributes;
    const of = (name: string) => memory.floats(inputs[name]);
    const [batch, size] = inputs['hidden'].shape as [number, number];
    const steps = inputs['x'].shape[0] / batch;
    const { gates, cells } = kept.take(recurrentWeight, inputs['output3']);
    const dx = memory.fresh(inputs['x'].shape);
    const dBias = memory.fresh([4 * size]);
    const dHidden = memory.fresh([batch, size]);
    const dCell = memory.fresh([batch, size]);
    const [dInput, dRecurrent] = weightGradients(
      [
        { weight: inputWeight, values: of('inputValues') },
        { weight: recurrentWeight, values: of('recurrentValues'), factor: recurrentFactor },
      ],
      memory,
      ([input, recurrent]) =>
        engine.lstmBackward(
          ...([input.matrix, recurrent.matrix, steps, batch, of('x'), of('hidden'), of('output0'), gates] as const),
          ...([cells, of('gradient0'), of('gradient1'), of('gradient2'), dx.numbers, input.gradient] as const),
          ...([
            recurrent.gradient,
            dBias.numbers,
            dHidden.numbers,
            dCell.numbers,
            input.whole,
            recurrent.whole,
          ] as const),
        ),
    );
    const secondBias = memory.fresh([4 * size]);
    secondBias.numbers.set(dBias.numbers);
    return [dx.info, dInput, dRecurrent, dBias.info, secondBias.info, dHidden.info, dCell.info];
  });
}

function registerDecoder(engine: NativeEngine, register: Register): void {
  const kept = new Kept<'probabilities'>();

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropy', ({ y, values, bias }, { weight, targets }, memory) => {
    const positions = y.shape[0];
    const { handle, arrays } = kept.begin(weight, memory, {
      probabilities: blocked(positions, weight.shape[0] + 1),
    });
    const matrix = matrixOf(weight, memory.floats(values));
    const loss = memory.fresh([]);
    loss.numbers[0] = engine.decode(
      ...([matrix, memory.floats(bias), positions, memory.floats(y), targets, arrays.probabilities, null] as const),
    );
    return [loss.info, handle];
  });

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropyGradient', (inputs, { weight, targets }, memory) => {
    const of = (name: string) => memory.floats(inputs[name]);
    const positions = inputs['y'].shape[0];
    const { probabilities } = kept.take(weight, inputs['output1']);
    const dy = memory.fresh(inputs['y'].shape);
    const dBias = memory.fresh([weight.shape[0]]);
    const dLoss = of('gradient0')[0];
    const dValues = weightGradient(weight, of('values'), memory, (matrix, dWeight, whole) =>
      engine.decodeBackward(
        ...([matrix, positions, of('y'), targets, probabilities, dLoss, dy.numbers, dWeight] as const),
        ...([dBias.numbers, whole, null] as const),
      ),
    );
    return [dy.info, dValues, dBias.info];
  });
}

/** Optimisers work in place: they return the tensors they were given. */
function registerUpdates(engine: NativeEngine, register: Register): void {
  const maskOf = (parameter: Parameter, memory: NativeBackend) =>
    parameter instanceof SparseParameter && parameter.layout === 'masked' ? memory.floats(parameter.mask) : null;

  register<Step>('SparrowApplySgd', ({ values, gradient }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    engine.sgd(
      ...([memory.floats(values), memory.floats(gradient), mask, numberOf(step.scale), step.weightDecay] as const),
      step.learningRate,
    );
    return [values];
  });

  register<AveragingStep>('SparrowApplyAveragedSgd', ({ values, gradient, average, activeSince }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    engine.averagedSgd(
      ...([memory.floats(values), memory.floats(gradient), mask, memory.floats(average)] as const),
      ...([
        memory.floats(activeSince),
        step.averagingStep,
        numberOf(step.scale),
        step.weightDecay,
        step.learningRate,
      ] as const),
    );
    return [values, average];
  });

  // Plain JavaScript: one pass over memory.
  register<MomentumStep>('SparrowApplyMomentumSgd', ({ values, gradient, velocity }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    const [w, g, v] = [memory.floats(values), memory.floats(gradient), memory.floats(velocity)];
    const { weightDecay, learningRate, momentum } = step;
    const scale = numberOf(step.scale);
    for (let i = 0; i < w.length; i++) {
      const next = momentum * v[i] + (scale * g[i] + weightDecay * w[i]);
      v[i] = mask === null ? next : next * mask[i];
      w[i] -= learningRate * v[i];
    }
    return [values, velocity];
  });

  register<AdamStep>('SparrowApplyAdam', ({ values, gradient, moment1, moment2 }, step, memory) => {
    const { beta1, beta2, epsilon, weightDecay } = step;
    const mask = maskOf(step.parameter, memory);
    const [w, ofMoments] = [memory.floats(values), step.denseMoments ? null : mask];
    engine.adam(
      ...([w, memory.floats(gradient), ofMoments, memory.floats(moment1)] as const),
      ...([memory.floats(moment2), numberOf(step.scale), weightDecay, beta1, beta2, epsilon] as const),
      ...([Math.sqrt(1 - beta2 ** step.step), step.learningRate / (1 - beta1 ** step.step)] as const),
    );
    if (step.denseMoments && mask !== null) engine.multiply(w, mask, w);
    return [values, moment1, moment2];
  });
}

function registerOthers(engine: NativeEngine, register: Register): void {
  register<object>('SparrowSumOfSquares', ({ x }, _attributes, memory) => {
    const parts = memory.fresh([2]);
    parts.numbers.set(asTwoFloats(engine.sumOfSquares(memory.floats(x))));
    return [parts.info];
  });

  register<DropoutDraw>('SparrowDropoutMask', (_inputs, { seed, step, site, p, scale, shape }, memory) => {
    const mask = memory.fresh([...shape]);
    engine.dropout(seed, purposeNumber('dropout'), step, site, dropThreshold(p), scale, mask.numbers);
    return [mask.info];
  });

  // What drops units: tfjs's own loops over shapes that may differ.
  const general = tf.getKernel(tf.Multiply, 'cpu');
  register<object>(tf.Multiply, (inputs, attributes, memory) => {
    const { a, b } = inputs;
    const [x, y] = [memory.floats(a), memory.floats(b)];
    // tfjs casts whole numbers to float32 by name alone: their memory stays that of an Int32Array.
    const alike = x instanceof Float32Array && y instanceof Float32Array && a.shape.join() === b.shape.join();
    if (!alike)
      return general.kernelFunc({ inputs: { ...inputs }, attrs: attributes as tf.NamedAttrMap, backend: memory });
    const product = memory.fresh(a.shape);
    engine.multiply(x, y, product.numbers);
    return product.info;
  });
}
