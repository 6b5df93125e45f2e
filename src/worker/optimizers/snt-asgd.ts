import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';
import { applyAveragedSgd, applySgd } from '../ops/apply-update.js';
import type { Parameter, Slot, SlotFills } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { Optimizer } from './optimizer.js';
import { isTriggered } from './trigger.js';

const stateSchema = z.strictObject({
  history: z.array(z.number()),
  /** null before averaging. */
  averagingSteps: z.int().min(0).nullable(),
});

/**
 * SNT-ASGD, sparse non-monotonically triggered averaged SGD.
 *
 * S. Liu, D. C. Mocanu, Y. Pei, M. Pechenizkiy: Selfish Sparse RNN Training. ICML 2021; after NT-ASGD (S. Merity et al.,
 * 2018) and averaged SGD (B. Polyak, A. Juditsky, 1992). SGD until the trigger fires, then the same steps with a running
 * mean beside them; each weight averages from when it last became active, and a removed one has no average.
 */
export class SntAsgd implements Optimizer {
  readonly learningRate: number;
  readonly #weightDecay: number;
  readonly #nonmonotone: number;
  readonly #averagingFrom: number;
  #history: number[] = [];
  #averagingSteps: number | null = null;

  constructor({ learningRate, weightDecay, nonmonotone, averagingFrom }: RunConfig['optimizer']) {
    this.learningRate = learningRate;
    this.#weightDecay = weightDecay;
    this.#nonmonotone = nonmonotone;
    this.#averagingFrom = averagingFrom;
  }

  get averaging(): boolean {
    return this.#averagingSteps !== null;
  }

  get slots(): readonly Slot[] {
    return this.averaging ? ['average', 'activeSince'] : [];
  }

  get fills(): SlotFills {
    return this.#averagingSteps === null ? {} : { activeSince: this.#averagingSteps };
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: number): void {
    const rates = { learningRate: this.learningRate, weightDecay: this.#weightDecay, scale };
    if (this.#averagingSteps !== null) this.#averagingSteps += 1;
    for (const [i, parameter] of parameters.entries()) {
      if (this.#averagingSteps === null) applySgd(parameter, gradients[i], rates);
      else applyAveragedSgd(parameter, gradients[i], rates, this.#averagingSteps);
    }
  }

  /** Averages begin with the next step: until then they are empty. */
  beginAveraging(parameters: readonly Parameter[]): void {
    this.#averagingSteps = 0;
    for (const parameter of parameters) {
      parameter.fill('average', 0);
      parameter.fill('activeSince', 0);
    }
  }

  afterValidation(parameters: readonly Parameter[], loss: number, epoch: number): 'trigger' | 'configured' | undefined {
    if (this.averaging) return undefined;
    const triggered = isTriggered(this.#history, loss, this.#nonmonotone);
    this.#history.push(loss);
    if (!triggered && epoch !== this.#averagingFrom) return undefined;
    this.beginAveraging(parameters);
    return triggered ? 'trigger' : 'configured';
  }

  state(): z.output<typeof stateSchema> {
    return { history: [...this.#history], averagingSteps: this.#averagingSteps };
  }

  restore(state: unknown): void {
    const { history, averagingSteps } = stateSchema.parse(state);
    this.#history = history;
    this.#averagingSteps = averagingSteps;
  }
}
