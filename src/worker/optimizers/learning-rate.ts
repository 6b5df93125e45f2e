import { z } from 'zod';
import type { RunConfig } from '../../shared/run-config.js';

/** How a learning rate falls: at set epochs, when validation stalls, or not. */
export type RateSchedule = RunConfig['optimizer']['schedule'];

export const learningRateStateSchema = z.object({
  learningRate: z.number(),
  /** Best validation loss so far; null before the first epoch. */
  best: z.number().nullable(),
  /** Epochs since the best. */
  stalled: z.int().min(0),
});
type State = z.output<typeof learningRateStateSchema>;

/** A learning rate as it stands after some epochs. */
export class LearningRate {
  readonly #schedule: RateSchedule;
  #state: State;

  constructor(initial: number, schedule: RateSchedule) {
    this.#schedule = schedule;
    this.#state = { learningRate: initial, best: null, stalled: 0 };
  }

  get now(): number {
    return this.#state.learningRate;
  }

  /**
   * To be called with the validation loss of each epoch.
   * @param epoch counts from 1
   */
  afterEpoch(loss: number, epoch: number): void {
    const { kind, factor, from, every, patience } = this.#schedule;
    const { learningRate } = this.#state;
    switch (kind) {
      case 'constant':
        return;
      case 'decay':
        // W. Zaremba et al. 2014, J. Zilly et al. 2017: the same after `from` epochs, then smaller every so many.
        if (epoch >= from && (epoch - from) % every === 0) this.#state.learningRate = learningRate * factor;
        return;
      case 'plateau':
        this.#state = afterLoss(this.#state, loss, factor, patience);
    }
  }

  state(): State {
    return { ...this.#state };
  }

  restore(state: State): void {
    this.#state = { ...state };
  }
}

/** Multiplies the learning rate by `factor` once more than `patience` epochs in a row have not been the best so far. */
function afterLoss({ learningRate, best, stalled }: State, loss: number, factor: number, patience: number): State {
  if (best === null || loss < best) return { learningRate, best: loss, stalled: 0 };
  if (stalled + 1 <= patience) return { learningRate, best, stalled: stalled + 1 };
  return { learningRate: learningRate * factor, best, stalled: 0 };
}
