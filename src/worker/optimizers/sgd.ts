import type { RunConfig } from '../../shared/run-config.js';
import { applyMomentumSgd, applySgd, type Scale } from '../ops/apply-update.js';
import type { Parameter, Slot } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import { LearningRate, learningRateStateSchema } from './learning-rate.js';
import type { Optimizer } from './optimizer.js';

/** Plain stochastic gradient descent, w <- w - η (g + λ w), or with momentum, v <- μ v + g + λ w and w <- w - η v. */
export class Sgd implements Optimizer {
  readonly averaging = undefined;
  readonly slots: readonly Slot[];
  readonly fills = {};
  readonly #weightDecay: number;
  readonly #momentum: number;
  readonly #learningRate: LearningRate;

  /** @param momentum 0 for none */
  constructor(config: RunConfig['optimizer'], momentum: number, parameters: readonly Parameter[]) {
    this.#learningRate = new LearningRate(config.learningRate, config.schedule);
    this.#weightDecay = config.weightDecay;
    this.#momentum = momentum;
    this.slots = momentum === 0 ? [] : ['velocity'];
    for (const parameter of parameters) for (const slot of this.slots) parameter.fill(slot, 0);
  }

  get learningRate(): number {
    return this.#learningRate.now;
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: Scale, rate = 1): void {
    const rates = { learningRate: this.learningRate * rate, weightDecay: this.#weightDecay, scale };
    for (const [i, parameter] of parameters.entries()) {
      if (this.#momentum === 0) applySgd(parameter, gradients[i], rates);
      else applyMomentumSgd(parameter, gradients[i], { ...rates, momentum: this.#momentum });
    }
  }

  afterValidation(_parameters: readonly Parameter[], loss: number, epoch: number): undefined {
    this.#learningRate.afterEpoch(loss, epoch);
    return undefined;
  }

  state(): unknown {
    return this.#learningRate.state();
  }

  restore(state: unknown): void {
    const saved = learningRateStateSchema.safeParse(state); // the first checkpoints had none, when rates did not change
    if (saved.success) this.#learningRate.restore(saved.data);
  }
}
