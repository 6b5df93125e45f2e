/**
 * The methods of sparse training, one row each: how masks begin, what an update removes, what it grows, how many weights
 * move between layers, and when updates come. A row is data, so that forms and tables know it, too; the rules that its words
 * name are in src/worker/sparsity.
 */

export type RemovalName = 'magnitude' | 'signed' | 'threshold' | 'global-magnitude' | 'sign-change';
export type GrowthName = 'random' | 'gradient' | 'momentum';
export type RedistributionName = 'none' | 'nonzeros' | 'magnitude' | 'momentum' | 'categorical';
export type GateMode = 'fused' | 'fused-equal' | 'per-gate';

/**
 * When a method updates its masks, and what decides how much goes:
 *
 * - `interval`: every so many epochs or steps, a rate that falls along a cosine or stays
 * - `step`: after every optimiser step, what has changed its sign
 * - `gradual`: as `interval`, what is above a density that falls along a cubic
 * - `once`: after one epoch, down to the density of the run
 */
export type Schedule = 'interval' | 'step' | 'gradual' | 'once';

/** What a method adds to the gradient of active weights. */
export type Penalty = 'none' | 'l1' | 'l1-and-noise';

interface Rewiring {
  readonly masks: 'rewired';
  readonly removal: RemovalName;
  readonly growth: GrowthName;
  readonly redistribution: RedistributionName;
  readonly gateMode: GateMode;
  readonly schedule: 'interval' | 'step';
  readonly penalty: Penalty;
  /** Whether what was just removed never grows back in the same update, whatever the run asks for. */
  readonly excludeJustRemoved: boolean;
}

interface Pruning {
  readonly masks: 'pruned';
  readonly removal: RemovalName;
  readonly schedule: 'interval' | 'gradual' | 'once';
  readonly penalty: Penalty;
  /** Whether weights and optimiser go back to where they began when masks have been updated. */
  readonly rewinds: boolean;
}

/**
 * Without masks; with masks that are drawn once; with masks drawn once of which updates remove weights and grow as many; with masks that
 * are full at first and of which updates only remove; or without masks, a penalty drawing all weights of a unit to 0 together, so that
 * what is left is a smaller dense network.
 */
export type MethodRow = { readonly masks: 'none' | 'fixed' | 'whole-units' } | Rewiring | Pruning;

const byMagnitudeAtRandom = {
  masks: 'rewired',
  removal: 'magnitude',
  growth: 'random',
  redistribution: 'none',
  gateMode: 'fused',
  schedule: 'interval',
  penalty: 'none',
  excludeJustRemoved: false,
} as const satisfies MethodRow;

export const methods = {
  dense: { masks: 'none' },

  static: { masks: 'fixed' },

  /**
   * Selfish-RNN: gates compete for the weights of their matrix.
   * S. Liu, D. C. Mocanu, Y. Pei, M. Pechenizkiy: Selfish Sparse RNN Training. ICML 2021.
   */
  selfish: byMagnitudeAtRandom,

  /**
   * SET: of the positive weights those nearest to 0 go, and of the negative ones.
   * D. C. Mocanu et al.: Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network
   * science. Nature Communications, 2018. Each gate for itself (algorithm page 6.4, G13).
   */
  set: { ...byMagnitudeAtRandom, removal: 'signed', gateMode: 'per-gate' },

  /** RigL. U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen: Rigging the Lottery. ICML 2020. */
  rigl: { ...byMagnitudeAtRandom, growth: 'gradient' },

  /** SNFS, sparse momentum. T. Dettmers, L. Zettlemoyer: Sparse Networks from Scratch. arXiv 1907.04840, 2019. */
  snfs: { ...byMagnitudeAtRandom, growth: 'momentum', redistribution: 'momentum' },

  /**
   * DSR. H. Mostafa, X. Wang: Parameter efficient training of deep convolutional neural networks by dynamic sparse
   * reparameterization. ICML 2019.
   */
  dsr: { ...byMagnitudeAtRandom, removal: 'threshold', redistribution: 'nonzeros', excludeJustRemoved: true },

  /** The smallest weights of the whole network go; layers regrow in proportion to what they kept (algorithm page 6.5). */
  'global-magnitude': { ...byMagnitudeAtRandom, removal: 'global-magnitude', redistribution: 'nonzeros' },

  /**
   * DeepR, with signed weights: a noisy step under an L1 penalty, then whatever changed its sign goes.
   * G. Bellec, D. Kappel, W. Maass, R. Legenstein: Deep Rewiring. ICLR 2018 (algorithm page 6.3).
   */
  deepr: {
    ...byMagnitudeAtRandom,
    removal: 'sign-change',
    schedule: 'step',
    penalty: 'l1-and-noise',
    excludeJustRemoved: true,
  },

  /**
   * GMP, gradual magnitude pruning of a dense network.
   * M. Zhu, S. Gupta: To prune, or not to prune. arXiv 1710.01878, 2017.
   */
  gmp: { masks: 'pruned', removal: 'magnitude', schedule: 'gradual', penalty: 'none', rewinds: false },

  /** The largest weights of a dense network that has trained for a while stay, and train on. */
  'one-shot': { masks: 'pruned', removal: 'global-magnitude', schedule: 'once', penalty: 'none', rewinds: false },

  /**
   * The same, rewound to the weights it began with.
   * J. Frankle, M. Carbin: The Lottery Ticket Hypothesis. ICLR 2019.
   */
  lottery: { masks: 'pruned', removal: 'global-magnitude', schedule: 'once', penalty: 'none', rewinds: true },

  /** A dense network under an L1 penalty, of which what falls below a threshold goes (algorithm page 6.9 has it for weights). */
  l1: { masks: 'pruned', removal: 'threshold', schedule: 'interval', penalty: 'l1', rewinds: false },

  /**
   * ISS, intrinsic sparse structures: group lasso on all weights of a unit, and the network without the units that come to nothing.
   * W. Wen et al.: Learning Intrinsic Sparse Structures within Long Short-Term Memory. ICLR 2018 (algorithm page 6.9).
   */
  iss: { masks: 'whole-units' },
} as const satisfies Record<string, MethodRow>;

/** Whether matrices have masks at all. */
export function hasMasks({ masks }: MethodRow): boolean {
  return masks !== 'none' && masks !== 'whole-units';
}

export type MethodKind = keyof typeof methods;
export const methodKinds = Object.keys(methods) as MethodKind[];
