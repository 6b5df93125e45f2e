import type { Streams } from './corpus/batches.js';
import { noDropout, type LanguageModel, type State } from './models/model.js';
import * as tf from './tf.js';

/**
 * Mean loss in nats over every predicted word of a text (algorithm page 1.5): no dropout, state carried from window to
 * window, each window weighted by its length.
 *
 * @param proceed called between windows; when it answers false the evaluation is given up
 * @returns undefined if it was given up
 */
export async function evaluate(
  model: LanguageModel,
  streams: Streams,
  bptt: number,
  proceed: () => Promise<boolean>,
): Promise<number | undefined> {
  let state: State = model.initialState(streams.batch);
  let sum = 0;
  for (const { start, length } of streams.windows(bptt)) {
    const [loss, next] = step(model, streams, start, length, state);
    tf.dispose([...state]);
    state = next;
    sum += loss * length;
    if (!(await proceed())) {
      tf.dispose([...state]);
      return undefined;
    }
  }
  tf.dispose([...state]);
  return sum / (streams.rows - 1);
}

function step(
  model: LanguageModel,
  streams: Streams,
  start: number,
  length: number,
  state: State,
): [loss: number, next: State] {
  let next: State = [];
  const loss = tf.tidy(() => {
    const result = model.loss(streams.window(start, length), state, noDropout);
    next = result.state.map((tensor) => tf.keep(tensor));
    return result.loss.dataSync()[0];
  });
  return [loss, next];
}
