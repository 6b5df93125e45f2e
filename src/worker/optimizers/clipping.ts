import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import { sumOfSquares } from '../ops/sum-of-squares.js';
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

/** To be called before back-propagation: tells packed parameters that their dense gradient will be asked for. */
export function watchGradients(parameters: readonly Parameter[], kind: ClipNorm): void {
  if (kind === 'active') return;
  const wanted = kind === 'all' ? 'norm' : 'matrix';
  for (const parameter of parameters) if (parameter instanceof SparseParameter) parameter.denseGradient.watch(wanted);
}

/**
 * Norm of the gradient over all parameters, accumulated in float64.
 * @param draw decides the signs of the sketch
 */
export function gradientNorm(
  parameters: readonly Parameter[],
  gradients: readonly tf.Tensor[],
  kind: ClipNorm,
  draw: { readonly seed: number; readonly step: number },
): number {
  let sum = 0;
  for (const [index, parameter] of parameters.entries()) {
    const gradient = gradients[index];
    if (!(parameter instanceof SparseParameter)) sum += sumOfSquares(gradient);
    else if (kind === 'active') sum += squaredNormOfActive(parameter, gradient);
    else
      sum += squaredNormOfAll(
        parameter,
        gradient,
        kind,
        () => new RandomWords(draw.seed, 'clipSketch', draw.step, index),
      );
  }
  return Math.sqrt(sum);
}

/** The factor on the gradient: c / (‖g‖ + 10⁻⁶) where that is below 1. */
export function clipScale(norm: number, clip: number): number {
  return Math.min(1, clip / (norm + 1e-6));
}

function squaredNormOfActive(parameter: SparseParameter, gradient: tf.Tensor): number {
  if (parameter.layout === 'packed') return sumOfSquares(gradient);
  return measure(gradient.mul(parameter.mask));
}

function squaredNormOfAll(
  parameter: SparseParameter,
  gradient: tf.Tensor,
  kind: 'all' | 'sketched',
  signs: () => RandomWords,
): number {
  const dense = parameter.layout === 'packed' ? parameter.denseGradient.take() : gradient;
  if (typeof dense === 'number') return dense;
  if (dense === undefined) throw new Error(`nobody has told the dense gradient of ${parameter.name}`);
  const [rows] = parameter.shape;
  const result =
    kind === 'all'
      ? sumOfSquares(dense)
      : tf.tidy(() => sumOfSquares(tf.matMul(randomSigns(signs(), sketches, rows), dense))) / sketches;
  if (dense !== gradient) dense.dispose();
  return result;
}

/** +1 or -1, [count, length]. */
function randomSigns(words: RandomWords, count: number, length: number): tf.Tensor2D {
  const draw = words.words(count * length);
  const signs = new Float32Array(count * length);
  for (let i = 0; i < signs.length; i++) signs[i] = draw[i] & 1 ? 1 : -1;
  return tf.tensor2d(signs, [count, length]);
}

/** Sum of squares of a temporary. */
function measure(temporary: tf.Tensor): number {
  const sum = sumOfSquares(temporary);
  temporary.dispose();
  return sum;
}
