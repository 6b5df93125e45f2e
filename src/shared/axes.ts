import type { Axis } from './series.js';

/** What places a step of a run on an axis. */
export interface RunShape {
  readonly batch: number;
  readonly bptt: number;
  readonly stepsPerEpoch: number;
  /** Words of the training text. */
  readonly trainingTokens: number;
}

/** Where a step lies on an axis that does not depend on time. */
export function placeOf(axis: Exclude<Axis, 'wallTime'>, shape: RunShape): (step: number) => number {
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
