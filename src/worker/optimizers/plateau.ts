/** A learning rate that falls when validation stalls. */
export interface Plateau {
  readonly learningRate: number;
  readonly best: number;
  /** Epochs since the best. */
  readonly stalled: number;
}

/** Multiplies the learning rate by `factor` once more than `patience` epochs in a row have not been the best so far. */
export function afterEpoch(plateau: Plateau, loss: number, factor: number, patience: number): Plateau {
  const { learningRate, best, stalled } = plateau;
  if (loss < best) return { learningRate, best: loss, stalled: 0 };
  if (stalled + 1 <= patience) return { learningRate, best, stalled: stalled + 1 };
  return { learningRate: learningRate * factor, best, stalled: 0 };
}
