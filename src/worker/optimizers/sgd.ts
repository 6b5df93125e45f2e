import type { RunConfig } from '../../shared/run-config.js';
import { applySgd } from '../ops/apply-update.js';
import type { Parameter } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { Optimizer } from './optimizer.js';

/** Plain stochastic gradient descent: w <- w - η (g + λ w). */
export class Sgd implements Optimizer {
  readonly learningRate: number;
  readonly averaging = false;
  readonly slots = [];
  readonly fills = {};
  readonly #weightDecay: number;

  constructor({ learningRate, weightDecay }: RunConfig['optimizer']) {
    this.learningRate = learningRate;
    this.#weightDecay = weightDecay;
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: number, rate = 1): void {
    const rates = { learningRate: this.learningRate * rate, weightDecay: this.#weightDecay, scale };
    parameters.forEach((parameter, i) => {
      applySgd(parameter, gradients[i], rates);
    });
  }

  afterValidation(): undefined {
    return undefined;
  }

  state(): unknown {
    return {};
  }

  restore(): void {
    // It has no memory.
  }
}
