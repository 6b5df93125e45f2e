import { applyAdam, applyAveragedSgd, applyMomentumSgd, applySgd } from '../../../src/worker/ops/apply-update.js';
import { SparseParameter, slots, type Parameter, type Slot } from '../../../src/worker/sparsity/parameter.js';
import type * as tf from '../../../src/worker/tf.js';
import { matrix, numbers, randomPattern, storedGradient, type Storage } from './numerics.js';

interface Update {
  /** Slots it keeps beside the values. */
  readonly slots: readonly Slot[];
  /** @param step counts from 1 */
  readonly apply: (parameter: Parameter, gradient: tf.Tensor, step: number) => void;
}

export const rates = { learningRate: 0.3, weightDecay: 0.01, scale: 0.7 };
const moments = { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

export const updates: Record<string, Update> = {
  applySgd: {
    slots: [],
    apply: (parameter, gradient) => {
      applySgd(parameter, gradient, rates);
    },
  },
  applyAveragedSgd: {
    slots: ['average', 'activeSince'],
    apply: (parameter, gradient, step) => {
      applyAveragedSgd(parameter, gradient, rates, step);
    },
  },
  applyMomentumSgd: {
    slots: ['velocity'],
    apply: (parameter, gradient) => {
      applyMomentumSgd(parameter, gradient, { ...rates, momentum: 0.8 });
    },
  },
  applyAdam: {
    slots: ['moment1', 'moment2'],
    apply: (parameter, gradient, step) => {
      applyAdam(parameter, gradient, { ...rates, ...moments, step });
    },
  },
};

export type Shape = readonly [rows: number, columns: number];
type Watch = (parameter: Parameter, step: () => void) => void;

/** Every slot after each of some steps on the present backend, with patterns that change on the way. */
export function trajectory(
  { slots: kept, apply }: Update,
  shape: Shape,
  storage: Storage,
  watch: Watch = (_, step) => {
    step();
  },
): Float32Array[] {
  const parameter = matrix('weight', shape, storage, { seed: 1 });
  for (const slot of kept) parameter.fill(slot, 0);
  const seen: Float32Array[] = [];
  for (let step = 1; step <= 7; step++) {
    if (parameter instanceof SparseParameter && step % 3 === 0)
      parameter.changePattern(randomPattern(step, ...shape, 0.4), { activeSince: step - 1 });
    const gradient = storedGradient(parameter, numbers(100 + step, shape[0] * shape[1]));
    watch(parameter, () => {
      apply(parameter, gradient, step);
    });
    gradient.dispose();
    for (const slot of slots.filter((each) => parameter.has(each))) seen.push(parameter.read(slot));
  }
  parameter.dispose();
  return seen;
}
