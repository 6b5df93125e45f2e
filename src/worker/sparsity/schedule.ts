import type { Schedule } from '../../shared/methods.js';
import type { RunConfig } from '../../shared/run-config.js';

/**
 * The cosine schedule of the removing rate (S. Liu et al.: Selfish Sparse RNN Training, ICML 2021):
 *
 *     p(t) = p_end + (p_0 - p_end) (1 + cos(π t / T)) / 2
 *
 * t is clamped to T, beyond which the closed form would turn up again.
 *
 * @param t optimiser steps done
 * @param T optimiser steps of the whole training, counted in windows of full length
 */
export function removingRate(initial: number, final: number, t: number, T: number): number {
  return final + ((initial - final) * (1 + Math.cos((Math.PI * Math.min(t, T)) / T))) / 2;
}

/**
 * The cubic schedule of gradual pruning (M. Zhu, S. Gupta: To prune, or not to prune. 2017):
 *
 *     s(t) = s_f (1 - (1 - x)³)        x = (t - t_0) / (t_1 - t_0), clamped to [0, 1]
 *
 * @returns share of weights that shall be inactive at t
 */
export function gradualSparsity(final: number, from: number, until: number, t: number): number {
  const x = t >= until ? 1 : Math.max(0, (t - from) / (until - from));
  return final * (1 - (1 - x) ** 3);
}

/** Where a run is, as schedules see it. */
export interface Moment {
  /** Optimiser steps done. */
  readonly step: number;
  /** Optimiser steps of the whole training. */
  readonly duration: number;
}

/** What an update at a moment goes by: a removing rate, or where a method prunes to a density, the share of weights to be inactive. */
export function rateAt(method: RunConfig['method'], schedule: Schedule, { step, duration }: Moment): number {
  const sparsity = 1 - method.density;
  if (schedule === 'once') return sparsity;
  if (schedule === 'gradual') {
    return gradualSparsity(sparsity, method.pruneFrom * duration, method.pruneUntil * duration, step);
  }
  const { removingRate: initial, finalRemovingRate: final, rateSchedule, endStep } = method;
  return rateSchedule === 'constant' ? initial : removingRate(initial, final, step, endStep === 0 ? duration : endStep);
}

/**
 * Whether masks are updated after a step.
 * @param step optimiser steps done, this one included
 * @param endOf the epoch that ends with it, counting from 1, if one does
 */
export function isUpdateDue(method: RunConfig['method'], step: number, endOf: number | undefined): boolean {
  const { interval, intervalUnit, endStep } = method;
  if (endStep > 0 && step > endStep) return false;
  if (intervalUnit === 'steps') return step % interval === 0;
  return endOf !== undefined && endOf % interval === 0;
}

/**
 * The temperature of DeepR's noise: it falls from quarter to quarter of training as 10⁻⁵, 10⁻⁸, 10⁻¹², 10⁻¹⁵ does (algorithm page 6.3).
 */
export function temperatureAt(initial: number, { step, duration }: Moment): number {
  const quarter = Math.min(3, Math.floor((4 * step) / duration));
  return initial * [1, 1e-3, 1e-7, 1e-10][quarter];
}
