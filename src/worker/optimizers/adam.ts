import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';
import { applyAdam } from '../ops/apply-update.js';
import type { Parameter } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { Optimizer } from './optimizer.js';
import { afterEpoch, type Plateau } from './plateau.js';

const stateSchema = z.strictObject({
  steps: z.int().min(0),
  learningRate: z.number(),
  /** null before the first epoch. */
  best: z.number().nullable(),
  stalled: z.int().min(0),
});

/** Adam with a learning rate that is cut when validation stalls: the baseline of the paper (algorithm page 5.7). */
export class Adam implements Optimizer {
  readonly averaging = false;
  readonly slots = ['moment1', 'moment2'] as const;
  readonly fills = {};
  readonly #config: RunConfig['optimizer'];
  #steps = 0;
  #plateau: Plateau;

  constructor(config: RunConfig['optimizer'], parameters: readonly Parameter[]) {
    this.#config = config;
    this.#plateau = { learningRate: config.adam.learningRate, best: Infinity, stalled: 0 };
    for (const parameter of parameters) for (const slot of this.slots) parameter.fill(slot, 0);
  }

  get learningRate(): number {
    return this.#plateau.learningRate;
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: number, rate = 1): void {
    this.#steps += 1;
    const { weightDecay, adam } = this.#config;
    const { beta1, beta2, epsilon } = adam;
    const learningRate = this.learningRate * rate;
    const rates = { learningRate, weightDecay, scale, beta1, beta2, epsilon, step: this.#steps };
    parameters.forEach((parameter, i) => {
      applyAdam(parameter, gradients[i], rates);
    });
  }

  afterValidation(_parameters: readonly Parameter[], loss: number): undefined {
    const { plateauFactor, plateauPatience } = this.#config.adam;
    this.#plateau = afterEpoch(this.#plateau, loss, plateauFactor, plateauPatience);
    return undefined;
  }

  state(): z.output<typeof stateSchema> {
    const { learningRate, best, stalled } = this.#plateau;
    return { steps: this.#steps, learningRate, best: best === Infinity ? null : best, stalled };
  }

  restore(state: unknown): void {
    const { steps, learningRate, best, stalled } = stateSchema.parse(state);
    this.#steps = steps;
    this.#plateau = { learningRate, best: best ?? Infinity, stalled };
  }
}
