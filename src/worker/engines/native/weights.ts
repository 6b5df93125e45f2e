import { isPacked, type WeightFactor } from '../../ops/weight.js';
import { gather, type Parameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import type { NativeMatrix, Whole } from './addon.js';
import type { NativeBackend } from './backend.js';
import { byColumn, columnIndices } from './by-column.js';

/** What all kernels of the native engine need: their shape, and weight matrices as C++ takes and gives them. */

/** Inputs of a kernel by name. */
type Tensors = Readonly<Record<string, tf.TensorInfo>>;

export type Kernel<Attributes> = (
  inputs: Tensors,
  attributes: Attributes,
  memory: NativeBackend,
) => tf.TensorInfo | tf.TensorInfo[];

/** Puts a kernel in the place of tfjs's or of a composed op. */
export type Register = <Attributes>(kernelName: string, kernel: Kernel<Attributes>) => void;

/** Numbers of activations as kernels keep them: in blocks of 64 positions. */
export function blocked(positions: number, units: number): number {
  return Math.ceil(positions / 64) * 64 * units;
}

/** Lanes of a step as kernels keep them. */
export function lanesOf(batch: number): number {
  return Math.ceil(batch / 4) * 4;
}

export function matrixOf(weight: Parameter, values: Float32Array): NativeMatrix {
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
export function weightGradient(
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

/** A matrix whose gradient a kernel computes, and what it is asked of the whole of it. */
interface Wanted {
  readonly matrix: NativeMatrix;
  readonly gradient: Float32Array;
  readonly whole: Whole;
}

/** The gradients of several matrices, which one call of `compute` makes; it answers with what it is asked of each. */
export function weightGradients(
  weights: readonly { readonly weight: Parameter; readonly values: Float32Array; readonly factor?: WeightFactor }[],
  memory: NativeBackend,
  compute: (wanted: readonly Wanted[]) => readonly number[],
): tf.TensorInfo[] {
  const wanted: Wanted[] = [];
  const gradients: tf.TensorInfo[] = [];
  let answers: readonly number[] = [];
  const collect = (index: number): void => {
    if (index === weights.length) {
      answers = compute(wanted);
      return;
    }
    const { weight, values, factor } = weights[index];
    const ask = (matrix: NativeMatrix, gradient: Float32Array, whole: Whole) => {
      wanted[index] = { matrix, gradient, whole };
      collect(index + 1);
      return answers[index];
    };
    gradients[index] = weightGradient(weight, values, memory, ask, factor);
  };
  collect(0);
  return gradients;
}
