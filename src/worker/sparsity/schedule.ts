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
