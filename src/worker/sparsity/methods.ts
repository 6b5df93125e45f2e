import type { RunConfig } from '../../shared/run-config.js';
import { growIndependently, growRandomly, type GrowthDraw, type GrowthRule } from './growth.js';
import { smallestMagnitude, type RemovalRule } from './removal.js';

/**
 * A sparse training method is data: which masks it starts with (algorithm page 3), what it removes and what it grows.
 * A method whose masks never change has no update.
 */
export interface Method {
  /** Whether matrices have masks at all. */
  readonly sparse: boolean;
  readonly update?: {
    readonly removal: RemovalRule;
    /** The rule for one layer of one update. */
    readonly growth: (draw: GrowthDraw, size: number, config: RunConfig['method']) => GrowthRule;
  };
}

export const methods: Readonly<Record<RunConfig['method']['kind'], Method>> = {
  dense: { sparse: false },

  /** Masks drawn once. */
  static: { sparse: true },

  /**
   * Selfish-RNN: magnitude removal over the whole fused matrix of a layer, random growth.
   * S. Liu, D. C. Mocanu, Y. Pei, M. Pechenizkiy: Selfish Sparse RNN Training. ICML 2021.
   */
  selfish: {
    sparse: true,
    update: {
      removal: smallestMagnitude,
      growth: (draw, size, { sampling }) =>
        sampling === 'exact' ? growRandomly(draw, size) : growIndependently(draw, size),
    },
  },
};
