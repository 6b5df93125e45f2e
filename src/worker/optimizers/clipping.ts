import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import { squares } from '../ops/sum-of-squares.js';
import { isNorm, type SquaredNorm } from '../sparsity/dense-gradient.js';
import type { WholeGradients } from '../sparsity/evidence.js';
import { SparseParameter, type Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';

/**
 * Clipping of the whole gradient (R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural
 * networks. ICML 2013). Published recipes measure the *dense* gradient, inactive weights included (algorithm page G11):
 * with a learning rate of 40 and a bound of 0.25 the norm sets the step. Hence three ways to measure:
 *
 * - `all`: that norm, exactly
 * - `sketched`: an unbiased estimate of its square, mean of ‖dWᵀ z‖² over a few vectors z of random signs
 * - `active`: active weights only
 */
type ClipNorm = RunConfig['optimizer']['clipNorm'];

const sketches = 4;

/** What decides the signs of a step's sketches. */
interface Draw {
  readonly seed: number;
  readonly step: number;
}

/**
 * To be called before back-propagation: tells packed parameters what will be asked of their dense gradient.
 * @param wants whether the gradient itself is wanted, for `takeWholeGradients`; passes whose gradients are added up
 */
export function watchGradients(
  parameters: readonly Parameter[],
  kind: ClipNorm,
  draw: Draw,
  { whole = false, passes = 1 } = {},
): void {
  if (kind === 'active' && !whole) return;
  for (const [index, parameter] of parameters.entries()) {
    if (!(parameter instanceof SparseParameter) || parameter.layout !== 'packed') continue;
    if (whole) parameter.denseGradient.watch('matrix', passes);
    else parameter.denseGradient.watch(kind === 'all' ? 'norm' : { signs: signsFor(parameter, index, draw) }, passes);
  }
}

/**
 * Norm of the gradient over all parameters, accumulated in float64.
 * @param whole gradients of sparse parameters, where they were watched
 */
export function gradientNorm(...gradients: Parameters<typeof squaredNorms>): number {
  let sum = 0;
  for (const squared of squaredNorms(...gradients)) {
    if (typeof squared === 'number') {
      sum += squared;
      continue;
    }
    const [most, rest] = squared.dataSync<'float32'>();
    squared.dispose();
    sum += most + rest;
  }
  return Math.sqrt(sum);
}

/** The same in float32 and without reading, a scalar; and the factor of `clipScale`, [1]. Both belong to the caller. */
export function gradientNormApart(
  clip: number,
  ...gradients: Parameters<typeof squaredNorms>
): { norm: tf.Scalar; scale: tf.Tensor1D } {
  return tf.tidy(() => {
    const squared = squaredNorms(...gradients).map((sum) => (typeof sum === 'number' ? tf.tensor1d([sum]) : sum));
    const norm = tf.concat1d(squared).sum<tf.Scalar>().sqrt();
    tf.dispose(squared);
    const scale = tf.minimum(1, tf.div(clip, norm.add(1e-6))).reshape<tf.Tensor1D>([1]);
    return { norm, scale };
  });
}

/** Of each parameter's gradient. Tensors belong to the caller. */
function squaredNorms(
  parameters: readonly Parameter[],
  gradients: readonly tf.Tensor[],
  kind: ClipNorm,
  draw: Draw,
  whole?: WholeGradients,
): SquaredNorm[] {
  return parameters.map((parameter, index) => {
    const gradient = gradients[index];
    if (!(parameter instanceof SparseParameter)) return squares(gradient);
    const dense = whole?.get(parameter) ?? (parameter.layout === 'masked' ? gradient : undefined);
    if (kind === 'active') return squaredNormOfActive(parameter, gradient);
    if (dense === undefined) return squaredNormTaken(parameter, kind);
    if (kind === 'all') return squares(dense);
    return squaredNormOfSketch(sketch(signsFor(parameter, index, draw), dense));
  });
}

/** The factor on the gradient: c / (‖g‖ + 10⁻⁶) where that is below 1. */
export function clipScale(norm: number, clip: number): number {
  return Math.min(1, clip / (norm + 1e-6));
}

function squaredNormOfActive(parameter: SparseParameter, gradient: tf.Tensor): SquaredNorm {
  if (parameter.layout === 'packed') return squares(gradient);
  return measure(gradient.mul(parameter.mask));
}

/** Of a packed parameter, what its ops have told. */
function squaredNormTaken(parameter: SparseParameter, kind: 'all' | 'sketched'): SquaredNorm {
  const told = parameter.denseGradient.take();
  if (told === undefined) throw new Error(`nobody has told the dense gradient of ${parameter.name}`);
  if (typeof told === 'number' || isNorm(told)) return told;
  return kind === 'all' ? measure(told) : squaredNormOfSketch(told);
}

function sketch(signs: tf.Tensor2D, dense: tf.Tensor): tf.Tensor {
  const product = tf.matMul(signs, dense);
  signs.dispose();
  return product;
}

/** The estimate that a sketch, a temporary, gives. */
function squaredNormOfSketch(temporary: tf.Tensor): SquaredNorm {
  const all = measure(temporary);
  const mean = all.div<tf.Tensor1D>(sketches); // a power of two: nothing is rounded
  all.dispose();
  return mean;
}

/** +1 or -1 for each output, [sketches, outputs]. */
function signsFor(parameter: SparseParameter, index: number, { seed, step }: Draw): tf.Tensor2D {
  const length = sketches * parameter.shape[0];
  const draw = new RandomWords(seed, 'clipSketch', step, index).words(length);
  const signs = new Float32Array(length);
  for (let i = 0; i < length; i++) signs[i] = draw[i] & 1 ? 1 : -1;
  return tf.tensor2d(signs, [sketches, parameter.shape[0]]);
}

/** Sum of squares of a temporary. */
function measure(temporary: tf.Tensor): tf.Tensor1D {
  const sum = squares(temporary);
  temporary.dispose();
  return sum;
}
