import { isPacked, type WeightFactor } from '../../ops/weight.js';
import type { Parameter, SparseParameter } from '../../sparsity/parameter.js';
import * as tf from '../../tf.js';
import { byColumn } from '../native/by-column.js';
import {
  byRows,
  byUnits,
  freshActivations,
  lanesOf,
  placeUnits,
  widthOf,
  type Activations,
  type Window,
} from './activations.js';
import type { GpuBackend } from './backend.js';
import { threadsFor } from './kernel.js';
import {
  permute,
  product,
  productLanes,
  productThreads,
  rowSums as rowSumsKernel,
  weightGradient,
  wholeNorm,
} from './kernels/sparse.js';
import { total } from './kernels/sums.js';

/** Products with a weight matrix in any layout: packed ones by kernels that walk its pattern, dense ones by tfjs's. */

/** A packed matrix by rows, or by columns: where each line begins, where its entries stand in the other direction, and their values. */
export interface Lines {
  readonly start: tf.Tensor;
  readonly index: tf.Tensor;
  readonly value: tf.Tensor;
  /** Mean number of entries of a line. */
  readonly meanLength: number;
}

/** A packed matrix by rows. */
export function rowsOf(weight: SparseParameter, values: tf.Tensor2D): Lines {
  return {
    start: weight.ofPattern('rowStart', ({ rowStart }) => integers(rowStart)),
    index: weight.ofPattern('column', ({ column }) => integers(column)),
    value: values,
    meanLength: weight.activeCount / weight.shape[0],
  };
}

/** A packed matrix by columns. Its values are put in that order, once for many products. */
export function columnsOf(gpu: GpuBackend, weight: SparseParameter, values: tf.Tensor2D): Lines {
  const source = weight.ofPattern('source', (pattern) => integers(byColumn(pattern).source));
  const permuted = gpu.fresh([weight.activeCount]);
  const count = weight.activeCount;
  gpu.dispatch(permute, { source, value: values, permuted }, { count }, count);
  return {
    start: weight.ofPattern('columnStart', (pattern) => integers(byColumn(pattern).columnStart)),
    index: weight.ofPattern('row', (pattern) => integers(byColumn(pattern).row)),
    value: permuted,
    meanLength: count / weight.shape[1],
  };
}

function integers(numbers: ArrayLike<number>): tf.Tensor1D {
  return tf.tensor1d(Int32Array.from(numbers), 'int32');
}

/**
 * x Wᵀ + b of x [positions, inputs], step by step; bias [outputs], or none.
 * @param room rows that are there at least, of which those beyond the outputs are the caller's
 */
export function forward(
  gpu: GpuBackend,
  { weight, values, bias }: { weight: Parameter; values: tf.Tensor2D; bias?: tf.Tensor },
  x: tf.Tensor2D,
  window: Window,
  room = weight.shape[0],
): Activations {
  const y = { ...freshActivations(gpu, room, window), units: weight.shape[0] };
  if (isPacked(weight)) {
    multiply(gpu, rowsOf(weight, values), { x: byUnits(gpu, x, window), y, bias });
  } else {
    const plain = tf.matMul(x, values, false, true);
    placeUnits(gpu, bias === undefined ? plain : plain.add(bias), y, 0, window);
  }
  return y;
}

/** dy W, [positions, inputs]. */
export function backward(
  gpu: GpuBackend,
  { weight, values }: { weight: Parameter; values: tf.Tensor2D },
  dy: Activations,
): tf.Tensor2D {
  if (!isPacked(weight)) return tf.matMul(byRows(gpu, dy), values);
  const dx = freshActivations(gpu, weight.shape[1], dy.window);
  multiply(gpu, columnsOf(gpu, weight, values), { x: dy, y: dx });
  return byRows(gpu, dx);
}

/**
 * Lines times activations, all steps or one of x into the first of y.
 * @param step the only one, of x
 */
export function multiply(
  gpu: GpuBackend,
  { start, index, value }: Lines,
  { x, y, bias, step }: { x: Activations; y: Activations; bias?: tf.Tensor | undefined; step?: number },
): void {
  const lanes = step === undefined ? widthOf(x.window) : lanesOf(x.window);
  const abreast = Math.min(productLanes, productThreads, lanes);
  gpu.dispatch(
    product,
    { start, index, value, bias: bias ?? value, x: x.tensor, y: y.tensor },
    {
      ...{ rows: y.units, lanes, abreast, withBias: bias === undefined ? 0 : 1 },
      ...{ xStride: widthOf(x.window), xOffset: (step ?? 0) * lanes, yStride: widthOf(y.window), yOffset: 0 },
    },
    {
      groups: Math.ceil(y.units / Math.floor(productThreads / abreast)) * Math.ceil(lanes / abreast),
      threads: productThreads,
    },
  );
}

/** Σ dy over positions. */
export function rowSums(gpu: GpuBackend, dy: Activations): tf.Tensor1D {
  const sums = gpu.fresh<tf.Rank.R1>([dy.units]);
  const lanes = widthOf(dy.window);
  gpu.dispatch(
    rowSumsKernel,
    { units: dy.tensor, sums },
    { lanes },
    { groups: dy.units, threads: threadsFor(lanes, 64) },
  );
  return sums;
}

/**
 * The gradient dyᵀ x of a matrix as it is stored, and what is wanted of the whole of it.
 * @param x [positions, inputs]
 */
export function gradient(
  gpu: GpuBackend,
  weight: Parameter,
  dy: Activations,
  x: tf.Tensor2D,
  factor?: WeightFactor,
): tf.Tensor {
  if (!isPacked(weight)) return tf.matMul(byRows(gpu, dy), x, true, false);
  tellOfWhole(gpu, weight, dy, x, factor);
  const [rows, columns] = weight.shape;
  const { steps, batch } = dy.window;
  const { start, index } = rowsOf(weight, x);
  const ofActive = gpu.fresh([weight.activeCount]);
  gpu.dispatch(
    weightGradient,
    { start, index, dy: dy.tensor, x, gradient: ofActive },
    { rows, columns, count: weight.activeCount, steps, batch, padded: 4 * lanesOf(dy.window) },
    weight.activeCount,
  );
  return ofActive;
}

function tellOfWhole(
  gpu: GpuBackend,
  weight: SparseParameter,
  dy: Activations,
  x: tf.Tensor2D,
  factor: WeightFactor,
): void {
  const { wanted } = weight.denseGradient;
  if (wanted === 'nothing') return;
  const [rows, columns] = weight.shape;
  if (wanted === 'matrix' || factor !== undefined) {
    const whole = tf.matMul<tf.Tensor2D>(byRows(gpu, dy), x, true, false);
    weight.denseGradient.add(factor === undefined ? whole : whole.mul(factor));
  } else if (wanted === 'norm') {
    const side = Math.max(rows, columns) <= 64 ? 16 : 64;
    const groups = Math.ceil(rows / side) * Math.ceil(columns / side);
    const sums = gpu.fresh([groups]);
    const { steps, batch } = dy.window;
    gpu.dispatch(
      wholeNorm,
      { dy: dy.tensor, x, sums },
      {
        ...{ rows, columns, positions: steps * batch, batch, padded: 4 * lanesOf(dy.window) },
        stride: 4 * widthOf(dy.window),
      },
      { groups, threads: (side / 4) ** 2 },
    );
    weight.denseGradient.addSquaredNorm(sumOf(gpu, sums));
  } else {
    // signs (dyᵀ x) = (signs dyᵀ) x: never all of the gradient.
    const product = tf.matMul(wanted.signs, byRows(gpu, dy), false, true);
    weight.denseGradient.addShare(tf.matMul(product, x));
  }
}

/** One workgroup for a sum of so many numbers. */
export function oneGroup(count: number): { groups: number; threads: number } {
  return { groups: 1, threads: threadsFor(count, 256) };
}

/** The sum of a vector, as two floats. */
export function sumOf(gpu: GpuBackend, numbers: tf.Tensor): tf.Tensor1D {
  const sum2 = gpu.fresh<tf.Rank.R1>([2]);
  gpu.dispatch(total, { x: numbers, sum2 }, { count: numbers.size, factor: 1 }, oneGroup(numbers.size));
  return sum2;
}
