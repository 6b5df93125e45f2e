import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { dropThreshold, purposeNumber } from '../../random/random.js';
import type { AdamStep, AveragingStep, Step } from '../../ops/apply-update.js';
import type { DecodeAttributes } from '../../ops/decode-and-cross-entropy.js';
import type { DropoutDraw } from '../../ops/dropout-mask.js';
import type { EmbeddingAttributes } from '../../ops/embedding.js';
import type { LstmAttributes } from '../../ops/lstm.js';
import type { SparseLinearAttributes } from '../../ops/sparse-linear.js';
import { gather, SparseParameter, type Parameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import type { NativeEngine, NativeMatrix } from './addon.js';
import { byColumn, columnIndices } from './by-column.js';
import { Kept } from './kept.js';

/**
 * The kernels of the native engine, on a backend that is tfjs's `cpu` in all else: its tensors are plain typed arrays, which
 * the kernels read and write where they lie.
 */
export const nativeBackend = 'native';

/** The memory of tfjs's cpu backend. */
interface Memory {
  readonly data: { get(id: object): { values: Float32Array } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

type Tensors = Readonly<Record<string, tf.TensorInfo>>;
type Kernel<Attributes> = (inputs: Tensors, attributes: Attributes, memory: Memory) => tf.TensorInfo | tf.TensorInfo[];

/** Gives the backend, which is made with the first one, the kernels of `engine`. */
export function registerNative(engine: NativeEngine): void {
  const made = tf.registerBackend(nativeBackend, () => new MathBackendCPU());
  if (made) tf.copyRegisteredKernels('cpu', nativeBackend);
  const register = <Attributes>(kernelName: string, kernel: Kernel<Attributes>) => {
    if ((tf.getKernel(kernelName, nativeBackend) as tf.KernelConfig | undefined) !== undefined) {
      tf.unregisterKernel(kernelName, nativeBackend);
    }
    tf.registerKernel({
      kernelName,
      backendName: nativeBackend,
      kernelFunc: ({ inputs, attrs, backend }) => kernel(inputs as Tensors, attrs as Attributes, backend as Memory),
    });
  };
  registerEmbedding(engine, register);
  registerLinear(engine, register);
  registerLstm(engine, register);
  registerDecoder(engine, register);
  registerUpdates(engine, register);
  registerOthers(engine, register);
}

type Register = <Attributes>(kernelName: string, kernel: Kernel<Attributes>) => void;

function registerEmbedding(engine: NativeEngine, register: Register): void {
  register<EmbeddingAttributes>('SparrowEmbedding', ({ values }, { weight, words }, memory) => {
    const rows = fresh(memory, [words.length, weight.shape[1]]);
    engine.lookUp(matrixOf(weight, floats(memory, values)), words, rows.numbers);
    return [rows.info];
  });

  register<EmbeddingAttributes>('SparrowEmbeddingGradient', ({ values, gradient0 }, { weight, words }, memory) => {
    const dRows = floats(memory, gradient0);
    return [
      weightGradient(weight, floats(memory, values), memory, (matrix, dWeight, withNorm) =>
        engine.lookUpBackward(matrix, words, dRows, dWeight, withNorm),
      ),
    ];
  });
}

function registerLinear(engine: NativeEngine, register: Register): void {
  register<SparseLinearAttributes>('SparrowSparseLinear', ({ x, values, bias }, { weight }, memory) => {
    const positions = x.shape[0];
    const y = fresh(memory, [positions, weight.shape[0]]);
    const matrix = matrixOf(weight, floats(memory, values));
    engine.linearForward(matrix, floats(memory, bias), positions, floats(memory, x), y.numbers);
    return [y.info];
  });

  register<SparseLinearAttributes>('SparrowSparseLinearGradient', ({ x, values, gradient0 }, { weight }, memory) => {
    const positions = x.shape[0];
    const dx = fresh(memory, x.shape);
    const dBias = fresh(memory, [weight.shape[0]]);
    const [dy, numbers] = [floats(memory, gradient0), floats(memory, x)];
    const dValues = weightGradient(weight, floats(memory, values), memory, (matrix, dWeight, withNorm) =>
      engine.linearBackward(matrix, positions, dy, numbers, dx.numbers, dWeight, dBias.numbers, withNorm),
    );
    return [dx.info, dValues, dBias.info];
  });
}

function registerLstm(engine: NativeEngine, register: Register): void {
  const kept = new Kept<'gates' | 'cells'>();

  // h of every step, last h, last c; what is kept for the way back is behind the fourth, and the rest is the composed op's.
  register<LstmAttributes>('SparrowLstm', (inputs, { inputWeight, recurrentWeight }, memory) => {
    const of = (name: string) => floats(memory, inputs[name]);
    const [batch, size] = inputs['hidden'].shape as [number, number];
    const positions = inputs['x'].shape[0];
    const steps = positions / batch;
    const y = fresh(memory, [positions, size]);
    const hidden = fresh(memory, [batch, size]);
    const cell = fresh(memory, [batch, size]);
    const { handle, arrays } = kept.begin(recurrentWeight, memory, {
      gates: blocked(positions, 4 * size),
      cells: (steps + 1) * size * Math.ceil(batch / 4) * 4,
    });
    engine.lstmForward(
      ...[matrixOf(inputWeight, of('inputValues')), matrixOf(recurrentWeight, of('recurrentValues'))],
      ...([of('inputBias'), of('recurrentBias'), steps, batch, of('x'), of('hidden'), of('cell'), y.numbers] as const),
      ...([hidden.numbers, cell.numbers, arrays.gates, arrays.cells] as const),
    );
    const nothing = Array.from({ length: 4 }, () => fresh(memory, [0]).info);
    return [y.info, hidden.info, cell.info, handle, ...nothing];
  });

  register<LstmAttributes>('SparrowLstmGradient', (inputs, { inputWeight, recurrentWeight }, memory) => {
    const of = (name: string) => floats(memory, inputs[name]);
    const [batch, size] = inputs['hidden'].shape as [number, number];
    const steps = inputs['x'].shape[0] / batch;
    const { gates, cells } = kept.of(recurrentWeight, inputs['output3']);
    const dx = fresh(memory, inputs['x'].shape);
    const dBias = fresh(memory, [4 * size]);
    const dHidden = fresh(memory, [batch, size]);
    const dCell = fresh(memory, [batch, size]);
    let dInput: tf.TensorInfo | undefined;
    const dRecurrent = weightGradient(recurrentWeight, of('recurrentValues'), memory, (recurrent, dU, withNormOfU) => {
      let recurrentNorm = 0;
      dInput = weightGradient(inputWeight, of('inputValues'), memory, (input, dW, withNormOfW) => {
        const norms = engine.lstmBackward(
          ...([input, recurrent, steps, batch, of('x'), of('hidden'), of('output0'), gates, cells] as const),
          ...([of('gradient0'), of('gradient1'), of('gradient2'), dx.numbers, dW, dU, dBias.numbers] as const),
          ...([dHidden.numbers, dCell.numbers, withNormOfW, withNormOfU] as const),
        );
        recurrentNorm = norms[1];
        return norms[0];
      });
      return recurrentNorm;
    });
    const secondBias = fresh(memory, [4 * size]);
    secondBias.numbers.set(dBias.numbers);
    return [dx.info, dInput!, dRecurrent, dBias.info, secondBias.info, dHidden.info, dCell.info];
  });
}

function registerDecoder(engine: NativeEngine, register: Register): void {
  const kept = new Kept<'probabilities'>();

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropy', ({ y, values, bias }, { weight, targets }, memory) => {
    const positions = y.shape[0];
    const { handle, arrays } = kept.begin(weight, memory, { probabilities: blocked(positions, weight.shape[0]) });
    const matrix = matrixOf(weight, floats(memory, values));
    const loss = fresh(memory, []);
    loss.numbers[0] = engine.decode(
      ...([matrix, floats(memory, bias), positions, floats(memory, y), targets, arrays.probabilities] as const),
    );
    return [loss.info, handle];
  });

  register<DecodeAttributes>('SparrowDecodeAndCrossEntropyGradient', (inputs, { weight, targets }, memory) => {
    const of = (name: string) => floats(memory, inputs[name]);
    const positions = inputs['y'].shape[0];
    const { probabilities } = kept.of(weight, inputs['output1']);
    const dy = fresh(memory, inputs['y'].shape);
    const dBias = fresh(memory, [weight.shape[0]]);
    const dLoss = of('gradient0')[0];
    const dValues = weightGradient(weight, of('values'), memory, (matrix, dWeight, withNorm) =>
      engine.decodeBackward(
        ...([matrix, positions, of('y'), targets, probabilities, dLoss, dy.numbers, dWeight] as const),
        ...([dBias.numbers, withNorm] as const),
      ),
    );
    return [dy.info, dValues, dBias.info];
  });
}

/** Optimisers work in place: they return the tensors they were given. */
function registerUpdates(engine: NativeEngine, register: Register): void {
  const maskOf = (parameter: Parameter, memory: Memory) =>
    parameter instanceof SparseParameter && parameter.layout === 'masked' ? floats(memory, parameter.mask) : null;

  register<Step>('SparrowApplySgd', ({ values, gradient }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    engine.sgd(
      ...([floats(memory, values), floats(memory, gradient), mask, step.scale, step.weightDecay] as const),
      step.learningRate,
    );
    return [values];
  });

  register<AveragingStep>('SparrowApplyAveragedSgd', ({ values, gradient, average, activeSince }, step, memory) => {
    const mask = maskOf(step.parameter, memory);
    engine.averagedSgd(
      ...([floats(memory, values), floats(memory, gradient), mask, floats(memory, average)] as const),
      ...([floats(memory, activeSince), step.averagingStep, step.scale, step.weightDecay, step.learningRate] as const),
    );
    return [values, average];
  });

  register<AdamStep>('SparrowApplyAdam', ({ values, gradient, moment1, moment2 }, step, memory) => {
    const { beta1, beta2, epsilon, scale, weightDecay } = step;
    const mask = maskOf(step.parameter, memory);
    engine.adam(
      ...([floats(memory, values), floats(memory, gradient), mask, floats(memory, moment1)] as const),
      ...([floats(memory, moment2), scale, weightDecay, beta1, beta2, epsilon] as const),
      ...([Math.sqrt(1 - beta2 ** step.step), step.learningRate / (1 - beta1 ** step.step)] as const),
    );
    return [values, moment1, moment2];
  });
}

function registerOthers(engine: NativeEngine, register: Register): void {
  register<DropoutDraw>('SparrowDropoutMask', (_inputs, { seed, step, site, p, shape }, memory) => {
    const mask = fresh(memory, [...shape]);
    engine.dropout(seed, purposeNumber('dropout'), step, site, dropThreshold(p), 1 / (1 - p), mask.numbers);
    return [mask.info];
  });

  // What drops units: tfjs's own loops over shapes that may differ.
  const general = tf.getKernel(tf.Multiply, 'cpu');
  register<object>(tf.Multiply, (inputs, attributes, memory) => {
    const { a, b } = inputs;
    const [x, y] = [floats(memory, a), floats(memory, b)];
    // tfjs casts whole numbers to float32 by name alone: their memory stays that of an Int32Array.
    const alike = x instanceof Float32Array && y instanceof Float32Array && a.shape.join() === b.shape.join();
    if (!alike)
      return general.kernelFunc({ inputs: { ...inputs }, attrs: attributes as tf.NamedAttrMap, backend: memory });
    const product = fresh(memory, a.shape);
    engine.multiply(x, y, product.numbers);
    return product.info;
  });
}

/** The memory of a tensor itself. */
function floats(memory: Memory, tensor: tf.TensorInfo): Float32Array {
  return memory.data.get(tensor.dataId).values;
}

/** A new tensor and its memory. */
function fresh(memory: Memory, shape: readonly number[]): { info: tf.TensorInfo; numbers: Float32Array } {
  const numbers = new Float32Array(shape.reduce((product, length) => product * length, 1));
  return { info: memory.makeTensorInfo([...shape], 'float32', numbers), numbers };
}

/** Numbers of activations as kernels keep them: in blocks of 64 positions. */
function blocked(positions: number, units: number): number {
  return Math.ceil(positions / 64) * 64 * units;
}

function isPacked(weight: Parameter): weight is SparseParameter {
  return weight instanceof SparseParameter && weight.layout === 'packed';
}

function matrixOf(weight: Parameter, values: Float32Array): NativeMatrix {
  const [rows, columns] = weight.shape as [number, number];
  if (!isPacked(weight)) return { rows, columns, values };
  const { pattern } = weight;
  return { rows, columns, values, rowStart: pattern.rowStart, column: columnIndices(pattern), ...byColumn(pattern) };
}

/**
 * The gradient of a weight matrix as it is stored, computed by `compute`, which answers with the squared norm of the whole
 * gradient if it is asked to. Where somebody wants the whole gradient itself, a packed matrix is for once computed as a dense one.
 */
function weightGradient(
  weight: Parameter,
  values: Float32Array,
  memory: Memory,
  compute: (matrix: NativeMatrix, dWeight: Float32Array, withNorm: boolean) => number,
): tf.TensorInfo {
  if (isPacked(weight) && weight.denseGradient.wanted === 'matrix') {
    const [rows, columns] = weight.shape;
    const positions = weight.pattern.positions();
    const dense = new Float32Array(rows * columns);
    for (let i = 0; i < positions.length; i++) dense[positions[i]] = values[i];
    const whole = new Float32Array(rows * columns);
    compute({ rows, columns, values: dense }, whole, false);
    const tensor = tf.tensor2d(whole, [rows, columns]);
    weight.denseGradient.add(tensor);
    tensor.dispose();
    return memory.makeTensorInfo([positions.length], 'float32', gather(whole, positions));
  }
  const withNorm = isPacked(weight) && weight.denseGradient.wanted === 'norm';
  const gradient = fresh(memory, isPacked(weight) ? [weight.activeCount] : weight.shape);
  const squaredNorm = compute(matrixOf(weight, values), gradient.numbers, withNorm);
  if (withNorm) weight.denseGradient.addSquaredNorm(squaredNorm);
  return gradient.info;
}
