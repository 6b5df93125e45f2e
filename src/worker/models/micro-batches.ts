import * as tf from '../tf.js';
import { lossAndGradients, type LossAndGradients } from './gradients.js';
import type { Dropout, LanguageModel, State, Window } from './model.js';

/**
 * Forward and backward pass of a window in parts of at most `size` streams, so that no more of it is in memory at once: gradients add
 * up to those of the whole, each part's loss counting for its share of the streams.
 *
 * @param dropoutOf the masks of each part, which differ
 */
export function lossAndGradientsInParts(
  model: LanguageModel,
  window: Window,
  state: State,
  size: number,
  dropoutOf: (part: number) => Dropout,
): LossAndGradients {
  const parts = partsOf(window.batch, size);
  if (parts.length === 1) return lossAndGradients(model, window, state, dropoutOf(0));
  const passes = parts.map(({ from, streams }, part) => {
    const before = state.map((tensor) => tf.slice2d(tensor, [from, 0], [streams, tensor.shape[1]]));
    const pass = lossAndGradients(
      ...([model, streamsOf(window, from, streams), before, dropoutOf(part), streams / window.batch] as const),
    );
    tf.dispose(before);
    return { ...pass, share: streams / window.batch };
  });
  const sum = <T extends tf.Tensor>(tensors: T[]): T => {
    const total = tensors.slice(1).reduce((before, tensor) => {
      const after = before.add<T>(tensor);
      tf.dispose([before, tensor]);
      return after;
    }, tensors[0]);
    return total;
  };
  return {
    loss: sum(
      passes.map(({ loss, share }) => {
        const weighted = loss.mul<tf.Scalar>(share);
        loss.dispose();
        return weighted;
      }),
    ),
    state: state.map((_, i) => {
      const ofParts = passes.map((pass) => pass.state[i]);
      const whole = tf.keep(tf.concat2d(ofParts, 0)); // as the state of a single pass, it outlives any tidy
      tf.dispose(ofParts);
      return whole;
    }),
    gradients: model.parameters.map((_, i) => sum(passes.map(({ gradients }) => gradients[i]))),
  };
}

/** In how many parts `batch` streams go. */
export function partCount(batch: number, size: number): number {
  return partsOf(batch, size).length;
}

/** @param size streams of a part at most; 0 for all of them */
function partsOf(batch: number, size: number): { from: number; streams: number }[] {
  const each = size === 0 ? batch : size;
  return Array.from({ length: Math.ceil(batch / each) }, (_, part) => {
    const from = part * each;
    return { from, streams: Math.min(each, batch - from) };
  });
}

/** Some streams of a window. */
function streamsOf({ inputs, targets, batch }: Window, from: number, streams: number): Window {
  const of = (all: Int32Array) => {
    const some = new Int32Array((all.length / batch) * streams);
    for (let i = 0; i < some.length; i++) some[i] = all[Math.floor(i / streams) * batch + from + (i % streams)];
    return some;
  };
  return { inputs: of(inputs), targets: of(targets), batch: streams };
}
