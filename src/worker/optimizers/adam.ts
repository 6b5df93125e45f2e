import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';
import { applyAdam, type Scale } from '../ops/apply-update.js';
import type { Parameter } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { Optimizer } from './optimizer.js';
import { LearningRate, learningRateStateSchema } from './learning-rate.js';

const stateSchema = learningRateStateSchema.extend({ steps: z.int().min(0) });

/** Adam with a learning rate that is cut when validation stalls: the baseline of the paper (algorithm page 5.7). */
export class Adam implements Optimizer {
  readonly averaging = undefined;
  readonly slots: readonly ['moment1' | 'wholeMoment1', 'moment2' | 'wholeMoment2'];
  readonly fills = {};
  readonly #config: RunConfig['optimizer'];
  #steps = 0;
  readonly #learningRate: LearningRate;

  constructor(config: RunConfig['optimizer'], parameters: readonly Parameter[]) {
    this.#config = config;
    const { learningRate, plateauFactor: factor, plateauPatience: patience } = config.adam;
    this.#learningRate = new LearningRate(learningRate, { ...config.schedule, kind: 'plateau', factor, patience });
    this.slots = config.adam.denseMoments ? ['wholeMoment1', 'wholeMoment2'] : ['moment1', 'moment2'];
    for (const parameter of parameters) for (const slot of this.slots) parameter.fill(slot, 0);
  }

  get learningRate(): number {
    return this.#learningRate.now;
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: Scale, rate = 1): void {
    this.#steps += 1;
    const { weightDecay, adam } = this.#config;
    const { beta1, beta2, epsilon } = adam;
    const learningRate = this.learningRate * rate;
    const rates = { learningRate, weightDecay, scale, beta1, beta2, epsilon, step: this.#steps };
    parameters.forEach((parameter, i) => {
      applyAdam(parameter, gradients[i], rates, this.slots);
    });
  }

  afterValidation(_parameters: readonly Parameter[], loss: number, epoch: number): undefined {
    this.#learningRate.afterEpoch(loss, epoch);
    return undefined;
  }

  state(): z.output<typeof stateSchema> {
    return { steps: this.#steps, ...this.#learningRate.state() };
  }

  restore(state: unknown): void {
    const { steps, ...rate } = stateSchema.parse(state);
    this.#steps = steps;
    this.#learningRate.restore(rate);
  }
}
