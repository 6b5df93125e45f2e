import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';
import { applyAveragedSgd, applySgd } from '../ops/apply-update.js';
import { SparseParameter, type Parameter, type Slot, type SlotFills } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { Optimizer } from './optimizer.js';
import { isTriggered } from './trigger.js';

const stateSchema = z.strictObject({
  history: z.array(z.number()),
  /** null before averaging. */
  averagingSteps: z.int().min(0).nullable(),
  /** Factors on the learning rate of the first averaging step and of the last one; null before averaging. */
  rates: z.strictObject({ first: z.number(), last: z.number() }).nullable().default(null),
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
  readonly #frozenRate: boolean;
  #rates: { first: number; last: number } | null = null;

  constructor({ learningRate, weightDecay, nonmonotone, averagingFrom, frozenRate }: RunConfig['optimizer']) {
    this.learningRate = learningRate;
    this.#weightDecay = weightDecay;
    this.#nonmonotone = nonmonotone;
    this.#averagingFrom = averagingFrom;
    this.#frozenRate = frozenRate;
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

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: number, rate = 1): void {
    const ratesWith = (factor: number) => {
      return { learningRate: this.learningRate * factor, weightDecay: this.#weightDecay, scale };
    };
    if (this.#averagingSteps === null) {
      parameters.forEach((parameter, i) => {
        applySgd(parameter, gradients[i], ratesWith(rate));
      });
      return;
    }
    this.#averagingSteps += 1;
    this.#rates ??= { first: rate, last: rate };
    const { first, last } = this.#rates;
    for (const [i, parameter] of parameters.entries()) {
      // The published code looks up the rate of sparse weights once, and that of all others after their step.
      const published = parameter instanceof SparseParameter ? first : last;
      const rates = ratesWith(this.#frozenRate ? published : rate);
      applyAveragedSgd(parameter, gradients[i], rates, this.#averagingSteps);
    }
    this.#rates = { first, last: rate };
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
    return { history: [...this.#history], averagingSteps: this.#averagingSteps, rates: this.#rates };
  }

  restore(state: unknown): void {
    const { history, averagingSteps, rates } = stateSchema.parse(state);
    this.#history = history;
    this.#averagingSteps = averagingSteps;
    this.#rates = rates;
  }
}
