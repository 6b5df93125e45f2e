import { dropThreshold, purposeNumber } from '../../random/random.js';
import type { AdamStep, AveragingStep, MomentumStep, Step } from '../../ops/apply-update.js';
import type { DecodeAttributes } from '../../ops/decode-and-cross-entropy.js';
import type { DropoutDraw } from '../../ops/dropout-mask.js';
import type { EmbeddingAttributes } from '../../ops/embedding.js';
import { asTwoFloats } from '../../ops/sum-of-squares.js';
import type { LstmAttributes } from '../../ops/lstm.js';
import type { SparseLinearAttributes } from '../../ops/sparse-linear.js';
import { isPacked, productKernels, type ProductAttributes, type WeightFactor } from '../../ops/weight.js';
import { gather, SparseParameter, type Parameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import type { NativeEngine, NativeMatrix, Whole } from './addon.js';
import { NativeBackend } from './backend.js';
import { byColumn, columnIndices } from './by-column.js';
import { Kept } from './kept.js';

/**
 * The kernels of the native engine, on a backend that is tfjs's `cpu` in all else (backend.ts): they read and write tensors where they
 * lie.
 */
export const nativeBackend = 'native';

type Tensors = Readonly<Record<string, tf.TensorInfo>>;
type Kernel<Attributes> = (
  inputs: Tensors,
  attributes: Attributes,
  memory: NativeBackend,
) => tf.TensorInfo | tf.TensorInfo[];

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
        kernel(inputs as Tensors, attrs as Attributes, backend as unknown as NativeBackend),
    });
  };
  registerEmbedding(engine, register);
  registerLinear(engine, register);
  registerProducts(engine, register);
  registerLstm(engine, register);
  registerDecoder(engine, register);
  registerUpdates(engine, register);
  registerOthers(engine, register);
}

type Register = <Attributes>(kernelName: string, kernel: Kernel<Attributes>) => void;

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
    let dInput: tf.TensorInfo | undefined;
    const compute = (recurrent: NativeMatrix, dU: Float32Array, wholeOfU: Whole) => {
      let recurrentNorm = 0;
      dInput = weightGradient(inputWeight, of('inputValues'), memory, (input, dW, wholeOfW) => {
        const norms = engine.lstmBackward(
          ...([input, recurrent, steps, batch, of('x'), of('hidden'), of('output0'), gates, cells] as const),
          ...([of('gradient0'), of('gradient1'), of('gradient2'), dx.numbers, dW, dU, dBias.numbers] as const),
          ...([dHidden.numbers, dCell.numbers, wholeOfW, wholeOfU] as const),
        );
        recurrentNorm = norms[1];
        return norms[0];
      });
      return recurrentNorm;
    };
    const dRecurrent = weightGradient(recurrentWeight, of('recurrentValues'), memory, compute, recurrentFactor);
    const secondBias = memory.fresh([4 * size]);
    secondBias.numbers.set(dBias.numbers);
    return [dx.info, dInput!, dRecurrent, dBias.info, secondBias.info, dHidden.info, dCell.info];
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
      ...([matrix, memory.floats(bias), positions, memory.floats(y), targets, arrays.probabilities] as const),
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
        ...([dBias.numbers, whole] as const),
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
      ...([memory.floats(values), memory.floats(gradient), mask, step.scale, step.weightDecay] as const),
      step.learningRate,
    );
    return [values];
  });

  register<AveragingStep>('SparrowApplyAveragedSgd', ({ values, gradient, average, activeSince }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    engine.averagedSgd(
      ...([memory.floats(values), memory.floats(gradient), mask, memory.floats(average)] as const),
      ...([memory.floats(activeSince), step.averagingStep, step.scale, step.weightDecay, step.learningRate] as const),
    );
    return [values, average];
  });

  // Plain JavaScript: one pass over memory.
  register<MomentumStep>('SparrowApplyMomentumSgd', ({ values, gradient, velocity }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    const [w, g, v] = [memory.floats(values), memory.floats(gradient), memory.floats(velocity)];
    const { scale, weightDecay, learningRate, momentum } = step;
    for (let i = 0; i < w.length; i++) {
      const next = momentum * v[i] + (scale * g[i] + weightDecay * w[i]);
      v[i] = mask === null ? next : next * mask[i];
      w[i] -= learningRate * v[i];
    }
    return [values, velocity];
  });

  register<AdamStep>('SparrowApplyAdam', ({ values, gradient, moment1, moment2 }, step, memory) => {
    const { beta1, beta2, epsilon, scale, weightDecay } = step;
    const mask = maskOf(step.parameter, memory);
    engine.adam(
      ...([memory.floats(values), memory.floats(gradient), mask, memory.floats(moment1)] as const),
      ...([memory.floats(moment2), scale, weightDecay, beta1, beta2, epsilon] as const),
      ...([Math.sqrt(1 - beta2 ** step.step), step.learningRate / (1 - beta1 ** step.step)] as const),
    );
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

/** Numbers of activations as kernels keep them: in blocks of 64 positions. */
function blocked(positions: number, units: number): number {
  return Math.ceil(positions / 64) * 64 * units;
}

/** Lanes of a step as kernels keep them. */
function lanesOf(batch: number): number {
  return Math.ceil(batch / 4) * 4;
}

function matrixOf(weight: Parameter, values: Float32Array): NativeMatrix {
  const [rows, columns] = weight.shape as [number, number];
  if (!isPacked(weight)) return { rows, columns, values };
  const { pattern } = weight;
  return { rows, columns, values, rowStart: pattern.rowStart, column: columnIndices(pattern), ...byColumn(pattern) };
}

/**
 * The gradient of a weight matrix as it is stored, computed by `compute`, which answers with what it is asked of the whole
 * gradient. Where somebody wants the whole gradient itself, or anything of it while weights are dropped, a packed matrix is for
 * once computed as a dense one.
 */
function weightGradient(
  weight: Parameter,
  values: Float32Array,
  memory: NativeBackend,
  compute: (matrix: NativeMatrix, dWeight: Float32Array, whole: Whole) => number,
  factor?: WeightFactor,
): tf.TensorInfo {
  const wanted = isPacked(weight) ? weight.denseGradient.wanted : 'nothing';
  if (isPacked(weight) && (wanted === 'matrix' || (wanted !== 'nothing' && factor !== undefined))) {
    const [rows, columns] = weight.shape;
    const positions = weight.pattern.positions();
    const dense = new Float32Array(rows * columns);
    for (let i = 0; i < positions.length; i++) dense[positions[i]] = values[i];
    const whole = new Float32Array(rows * columns);
    compute({ rows, columns, values: dense }, whole, null);
    tf.tidy(() => {
      const tensor = tf.tensor2d(whole, [rows, columns]);
      weight.denseGradient.add(factor === undefined ? tensor : tensor.mul(factor));
    });
    return memory.makeTensorInfo([positions.length], 'float32', gather(whole, positions));
  }
  const gradient = memory.fresh(isPacked(weight) ? [weight.activeCount] : weight.shape);
  const matrix = matrixOf(weight, values);
  if (!isPacked(weight) || wanted === 'nothing' || wanted === 'matrix') {
    compute(matrix, gradient.numbers, null);
  } else if (wanted === 'norm') {
    weight.denseGradient.addSquaredNorm(compute(matrix, gradient.numbers, 'norm'));
  } else {
    const sketch = memory.fresh([wanted.signs.shape[0], weight.shape[1]]);
    compute(matrix, gradient.numbers, { signs: memory.floats(wanted.signs), sketch: sketch.numbers });
    const tensor = tf.engine().makeTensorFromTensorInfo(sketch.info) as tf.Tensor2D;
    weight.denseGradient.addShare(tensor);
    tensor.dispose();
  }
  return gradient.info;
}
