import { SparseParameter, type Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { defineKernel } from './op.js';

/**
 * One step of an optimiser on one parameter, masks included: what was inactive stays exactly 0. Kernels of an engine may
 * work in place and return the tensors they were given.
 */
export interface Step {
  readonly parameter: Parameter;
  readonly learningRate: number;
  /** L2 penalty, added to the gradient. */
  readonly weightDecay: number;
  readonly scale: Scale;
}

export type StepRates = Omit<Step, 'parameter'>;

/** Factor on the gradient, from clipping; [1] of an engine whose device computes apart. */
export type Scale = number | tf.Tensor1D;

/** The number itself, for who cannot do without. */
export function numberOf(scale: Scale): number {
  return typeof scale === 'number' ? scale : scale.dataSync<'float32'>()[0];
}

const runSgd = defineKernel<{ values: tf.Tensor; gradient: tf.Tensor }, Step>(
  'SparrowApplySgd',
  ({ values, gradient }, step) => [descend(values, gradient, step)],
);

/** w <- (w - η (g + λ w)) m */
export function applySgd(parameter: Parameter, gradient: tf.Tensor, rates: StepRates): void {
  const [values] = runSgd({ values: parameter.values, gradient }, { parameter, ...rates });
  parameter.setSlot('values', values);
}

interface WithVelocity {
  values: tf.Tensor;
  gradient: tf.Tensor;
  velocity: tf.Tensor;
}

export interface MomentumStep extends Step {
  readonly momentum: number;
}

const runMomentumSgd = defineKernel<WithVelocity, MomentumStep>(
  'SparrowApplyMomentumSgd',
  ({ values, gradient, velocity }, step) => {
    const v = masked(velocity.mul(step.momentum).add(decayed(values, gradient, step)), step.parameter);
    return [values.sub(v.mul(step.learningRate)), v];
  },
);

/** SGD with momentum (B. Polyak, 1964): v <- (μ v + g + λ w) m, w <- w - η v */
export function applyMomentumSgd(
  parameter: Parameter,
  gradient: tf.Tensor,
  rates: StepRates & { readonly momentum: number },
): void {
  const [values, velocity] = runMomentumSgd(
    { values: parameter.values, gradient, velocity: parameter.slot('velocity') },
    { parameter, ...rates },
  );
  parameter.setSlot('values', values);
  parameter.setSlot('velocity', velocity);
}

interface Averaged {
  values: tf.Tensor;
  gradient: tf.Tensor;
  average: tf.Tensor;
  activeSince: tf.Tensor;
}

export interface AveragingStep extends Step {
  readonly averagingStep: number;
}

const runAveragedSgd = defineKernel<Averaged, AveragingStep>(
  'SparrowApplyAveragedSgd',
  ({ values, gradient, average, activeSince }, step) => {
    const w = descend(values, gradient, step);
    const k = tf.sub(step.averagingStep, activeSince);
    const mu = tf.div(1, k.sub(1).clipByValue(1, Infinity)); // max by clipping: 12 times faster on the wasm backend
    // (1 - μ) a + μ w rather than a + μ (w - a): where μ = 1 it is w to the last bit, however far a step went. Where a weight
    // is inactive w is 0, and so is a if its parameter forgets the averages of what is removed.
    return [w, average.mul(tf.sub(1, mu)).add(w.mul(mu))];
  },
);

/**
 * Sparse averaged SGD (S. Liu et al.: Selfish Sparse RNN Training, ICML 2021; algorithm page 5.3), with k the number of
 * steps since the weight became active, or since averaging began:
 *
 *     w <- (w - η (g + λ w)) m        a <- (a + μ (w - a)) m        μ = 1 / max(1, k - 1)
 *
 * @param averagingStep how many averaging steps have been done, this one included
 * @param slot where the averages are: those of active weights, or of all
 */
export function applyAveragedSgd(
  parameter: Parameter,
  gradient: tf.Tensor,
  rates: StepRates,
  averagingStep: number,
  slot: 'average' | 'wholeAverage' = 'average',
): void {
  const [values, average] = runAveragedSgd(
    {
      values: parameter.values,
      gradient,
      average: parameter.slot(slot),
      activeSince: parameter.slot('activeSince'),
    },
    { parameter, ...rates, averagingStep },
  );
  parameter.setSlot('values', values);
  parameter.setSlot(slot, average);
}

interface WithMoments {
  values: tf.Tensor;
  gradient: tf.Tensor;
  moment1: tf.Tensor;
  moment2: tf.Tensor;
}

export interface AdamRates extends StepRates {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Steps done, this one included. */
  readonly step: number;
}

export interface AdamStep extends Step, AdamRates {
  /** Whether moments of inactive weights go on. */
  readonly denseMoments: boolean;
}

const runAdam = defineKernel<WithMoments, AdamStep>('SparrowApplyAdam', (inputs, step) => {
  const { values, gradient } = inputs;
  const { beta1, beta2, epsilon, learningRate } = step;
  const whole = decayed(values, gradient, step);
  const g = step.denseMoments ? whole : masked(whole, step.parameter);
  const moment1 = inputs.moment1.mul(beta1).add(g.mul(1 - beta1));
  const moment2 = inputs.moment2.mul(beta2).add(g.square().mul(1 - beta2));
  const root = moment2
    .sqrt()
    .div(Math.sqrt(1 - beta2 ** step.step))
    .add(epsilon);
  const rate = learningRate / (1 - beta1 ** step.step);
  const next = values.sub(moment1.div(root).mul(rate));
  return [step.denseMoments ? masked(next, step.parameter) : next, moment1, moment2];
});

/**
 * Adam (D. Kingma, J. Ba, ICLR 2015) with the penalty in the gradient:
 *
 *     m <- β₁ m + (1 - β₁) g      v <- β₂ v + (1 - β₂) g²      w <- w - η (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
 *
 * Moments of inactive weights are 0, unless the slots are those of every weight (algorithm page G31).
 */
export function applyAdam(
  parameter: Parameter,
  gradient: tf.Tensor,
  rates: AdamRates,
  [first, second]: readonly ['moment1' | 'wholeMoment1', 'moment2' | 'wholeMoment2'] = ['moment1', 'moment2'],
): void {
  const [values, moment1, moment2] = runAdam(
    {
      values: parameter.values,
      gradient,
      moment1: parameter.slot(first),
      moment2: parameter.slot(second),
    },
    { parameter, ...rates, denseMoments: first === 'wholeMoment1' },
  );
  parameter.setSlot('values', values);
  parameter.setSlot(first, moment1);
  parameter.setSlot(second, moment2);
}

/** The gradient after clipping and with the penalty. */
function decayed(values: tf.Tensor, gradient: tf.Tensor, { scale, weightDecay }: StepRates): tf.Tensor {
  return gradient.mul(scale).add(values.mul(weightDecay));
}

function descend(values: tf.Tensor, gradient: tf.Tensor, step: Step): tf.Tensor {
  return masked(values.sub(decayed(values, gradient, step).mul(step.learningRate)), step.parameter);
}

function masked(tensor: tf.Tensor, parameter: Parameter): tf.Tensor {
  return parameter instanceof SparseParameter && parameter.layout === 'masked' ? tensor.mul(parameter.mask) : tensor;
}
