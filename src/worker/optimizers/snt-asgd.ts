import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';
import { applyAveragedSgd, applySgd, type Scale } from '../ops/apply-update.js';
import { SparseParameter, type Parameter, type Slot, type SlotFills } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import type { AveragingCause, Optimizer } from './optimizer.js';
import { LearningRate, learningRateStateSchema } from './learning-rate.js';
import { isTriggered } from './trigger.js';

const stateSchema = z.strictObject({
  history: z.array(z.number()),
  /** null before averaging. */
  averagingSteps: z.int().min(0).nullable(),
  /** Factors on the learning rate of the first averaging step and of the last one; null before averaging. */
  rates: z.strictObject({ first: z.number(), last: z.number() }).nullable().default(null),
  /** The first checkpoints had none, when rates did not change. */
  rate: learningRateStateSchema.optional(),
});

/**
 * SGD until a trigger fires, then the same steps with a running mean beside them, in one of two ways:
 *
 * - `average`: SNT-ASGD, sparse non-monotonically triggered averaged SGD (S. Liu, D. C. Mocanu, Y. Pei, M. Pechenizkiy: Selfish
 *   Sparse RNN Training. ICML 2021). Each weight averages from when it last became active, and a removed one has no average.
 * - `wholeAverage`: NT-ASGD (S. Merity et al., 2018), after averaged SGD (B. Polyak, A. Juditsky, 1992), which knows no masks. Removed
 *   weights fade from the average slowly, regrown ones are diluted by the zeros before, and the average has more weights
 *   than the budget: the ablation (algorithm page 5.6).
 */
export class SntAsgd implements Optimizer {
  readonly #learningRate: LearningRate;
  readonly #average: 'average' | 'wholeAverage';
  readonly #weightDecay: number;
  readonly #nonmonotone: number;
  readonly #averagingFrom: number;
  /** Epochs after which a new average takes the place of the one there is, as two runs of which the second fine-tunes the first. */
  readonly #restarts: readonly number[];
  #history: number[] = [];
  #averagingSteps: number | null = null;
  readonly #frozenRate: boolean;
  #rates: { first: number; last: number } | null = null;

  constructor(config: RunConfig['optimizer'], average: 'average' | 'wholeAverage' = 'average') {
    const { learningRate, schedule, weightDecay, nonmonotone, averagingFrom, restartAverages, frozenRate } = config;
    this.#learningRate = new LearningRate(learningRate, schedule);
    this.#average = average;
    this.#weightDecay = weightDecay;
    this.#nonmonotone = nonmonotone;
    this.#averagingFrom = averagingFrom;
    this.#restarts = restartAverages.split(',').map(Number); // nothing is epoch 0, which never comes
    this.#frozenRate = frozenRate;
  }

  get learningRate(): number {
    return this.#learningRate.now;
  }

  get averaging(): 'average' | 'wholeAverage' | undefined {
    return this.#averagingSteps === null ? undefined : this.#average;
  }

  get slots(): readonly Slot[] {
    return this.averaging === undefined ? [] : [this.averaging, 'activeSince'];
  }

  get fills(): SlotFills {
    return this.averaging === 'average' ? { activeSince: this.#averagingSteps! } : {};
  }

  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: Scale, rate = 1): void {
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
      applyAveragedSgd(parameter, gradients[i], rates, this.#averagingSteps, this.#average);
    }
    this.#rates = { first, last: rate };
  }

  /** Averages begin with the next step: until then they are empty. */
  beginAveraging(parameters: readonly Parameter[]): void {
    this.#averagingSteps = 0;
    this.#rates = null;
    for (const parameter of parameters) {
      parameter.fill(this.#average, 0);
      parameter.fill('activeSince', 0);
    }
  }

  afterValidation(parameters: readonly Parameter[], loss: number, epoch: number): AveragingCause | undefined {
    this.#learningRate.afterEpoch(loss, epoch);
    if (this.averaging !== undefined) {
      if (!this.#restarts.includes(epoch)) return undefined;
      this.beginAveraging(parameters);
      return 'restart';
    }
    const triggered = isTriggered(this.#history, loss, this.#nonmonotone);
    this.#history.push(loss);
    if (!triggered && epoch !== this.#averagingFrom) return undefined;
    this.beginAveraging(parameters);
    return triggered ? 'trigger' : 'configured';
  }

  state(): z.output<typeof stateSchema> {
    return {
      history: [...this.#history],
      averagingSteps: this.#averagingSteps,
      rates: this.#rates,
      rate: this.#learningRate.state(),
    };
  }

  restore(state: unknown): void {
    const { history, averagingSteps, rates, rate } = stateSchema.parse(state);
    if (rate !== undefined) this.#learningRate.restore(rate);
    this.#history = history;
    this.#averagingSteps = averagingSteps;
    this.#rates = rates;
  }
}
