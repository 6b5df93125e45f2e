import type { RunConfig } from '../shared/run-config.js';
import { Streams } from './corpus/batches.js';
import { noDropout, type LanguageModel, type State } from './models/model.js';
import * as tf from './tf.js';

/** Settings of a cache: how many positions it remembers, how sharply it looks for similar ones, and what it counts for. */
export interface CacheSettings {
  readonly window: number;
  readonly theta: number;
  readonly weight: number;
}

/**
 * The continuous cache: a distribution over the words that followed similar hidden states, mixed into that of the model.
 *
 * E. Grave, A. Joulin, N. Usunier: Improving Neural Language Models with a Continuous Cache. ICLR 2017.
 *
 *     a_i = softmax over the last positions i of θ h_t · h_i          p = (1 - λ) softmax(logits) + λ Σ a_i [next word of i]
 *
 * With nothing remembered p is the softmax.
 */
export class NeuralCache {
  readonly #settings: CacheSettings;
  /** The last positions, oldest first. */
  readonly #history: { readonly hidden: Float32Array; readonly next: number }[] = [];

  constructor(settings: CacheSettings) {
    this.#settings = settings;
  }

  /**
   * Loss of one position in nats; then the position is remembered.
   * @param hidden output of the last layer, [units]
   * @param probability what the model gives the word that follows
   * @param next that word
   */
  loss(hidden: Float32Array, probability: number, next: number): number {
    const { window, theta, weight } = this.#settings;
    const scores = this.#history.map((before) => theta * dot(hidden, before.hidden));
    const most = Math.max(...scores);
    let sum = 0;
    let onNext = 0;
    scores.forEach((score, i) => {
      const share = Math.exp(score - most);
      sum += share;
      if (this.#history[i].next === next) onNext += share;
    });
    const mixed = scores.length === 0 ? probability : (1 - weight) * probability + (weight * onNext) / sum;
    this.#history.push({ hidden, next });
    if (this.#history.length > window) this.#history.shift();
    return -Math.log(mixed);
  }
}

/**
 * Mean loss in nats of a text read as one stream, with a cache.
 * @param proceed called between windows; when it answers false the evaluation is given up
 * @returns undefined if it was given up
 */
export async function evaluateWithCache(
  model: LanguageModel,
  ids: Int32Array,
  { evaluation, training }: Pick<RunConfig, 'evaluation' | 'training'>,
  proceed: () => Promise<boolean>,
): Promise<number | undefined> {
  const streams = new Streams(ids, 1);
  const cache = new NeuralCache({
    window: evaluation.cacheWindow,
    theta: evaluation.cacheTheta,
    weight: evaluation.cacheWeight,
  });
  let state: State = model.initialState(1);
  let sum = 0;
  for (const { start, length } of streams.windows(training.bptt)) {
    const window = streams.window(start, length);
    let next: State = [];
    const { probabilities, top } = tf.tidy(() => {
      const result = model.logits(window, state, noDropout);
      next = result.state.map((tensor) => tf.keep(tensor));
      return {
        probabilities: tf.softmax(result.logits).dataSync<'float32'>(),
        top: result.top.dataSync<'float32'>().slice(),
      };
    });
    tf.dispose([...state]);
    state = next;
    const [words, units] = [probabilities.length / length, top.length / length];
    window.targets.forEach((target, t) => {
      sum += cache.loss(top.subarray(t * units, (t + 1) * units), probabilities[t * words + target], target);
    });
    if (await proceed()) continue;
    tf.dispose([...state]);
    return undefined;
  }
  tf.dispose([...state]);
  return sum / streams.predicted;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
