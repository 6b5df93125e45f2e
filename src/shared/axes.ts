import type { Axis } from './series.js';

/** What places a step of a run on an axis. */
export interface RunShape {
  readonly batch: number;
  readonly bptt: number;
  readonly stepsPerEpoch: number;
  /** Words of the training text. */
  readonly trainingTokens: number;
}

/** An axis on which a run's shape decides where a step lies; on others it is what the run has told. */
export type ShapeAxis = Exclude<Axis, 'wallTime' | 'flops'>;

export function placeOf(axis: ShapeAxis, shape: RunShape): (step: number) => number {
  switch (axis) {
    case 'step':
      return (step) => step;
    case 'epoch':
      return (step) => step / shape.stepsPerEpoch;
    case 'tokens':
      return tokensAfter(shape);
  }
}

/** Words that were predicted: the text is cut into `batch` streams, and the last window of an epoch may be shorter. */
function tokensAfter({ batch, bptt, stepsPerEpoch, trainingTokens }: RunShape): (step: number) => number {
  const rows = Math.max(0, Math.floor(trainingTokens / batch) - 1);
  return (step) => {
    const epochs = Math.floor(step / stepsPerEpoch);
    return (epochs * rows + Math.min((step - epochs * stepsPerEpoch) * bptt, rows)) * batch;
  };
}

/** The function through ascending knots, straight between them and level beyond. */
export function interpolation(
  knots: readonly { readonly step: number; readonly value: number }[],
): (step: number) => number {
  return (step) => {
    let low = 0;
    let high = knots.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (knots[middle].step < step) low = middle + 1;
      else high = middle;
    }
    const right = knots[low];
    if (low === 0 || right.step <= step) return right.value;
    const left = knots[low - 1];
    return left.value + ((right.value - left.value) * (step - left.step)) / (right.step - left.step);
  };
}
