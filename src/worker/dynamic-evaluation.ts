import type { RunConfig } from '../shared/run-config.js';
import { Streams } from './corpus/batches.js';
import { lossAndGradients } from './models/gradients.js';
import { noDropout, type LanguageModel, type State } from './models/model.js';
import * as tf from './tf.js';

/** One number for each active weight of each parameter, in the order of both. */
type Numbers = readonly Float32Array[];

/**
 * Dynamic evaluation: weights that follow the text they are tested on, and are drawn back to where training left them.
 *
 * B. Krause, E. Kahembwe, I. Murray, S. Renals: Dynamic Evaluation of Neural Sequence Models. ICML 2018; in the form that Z. Yang et al.
 * published with the mixture of softmaxes (algorithm page 7.6).
 *
 *     m = √ Σ g² over windows of the training text          r = m / Σ over tensors of mean(m)
 *     after each window of the text      θ <- θ + min(λ r, 1) (θ₀ - θ) - η g / (m + ε)
 *
 * Of sparse matrices only active weights move, and only they are in m and its means, so that both layouts do the same. Nothing is dropped, no
 * penalty is in any gradient, and afterwards the weights are θ₀ again.
 *
 * @param texts the training text for m; the text to measure, read as one stream
 * @param proceed called between windows; when it answers false the evaluation is given up
 * @returns mean loss in nats, each window's taken before the weights follow it; undefined if it was given up
 */
export async function evaluateDynamically(
  model: LanguageModel,
  texts: { readonly train: Int32Array; readonly measured: Int32Array },
  settings: RunConfig['evaluation'],
  proceed: () => Promise<boolean>,
): Promise<number | undefined> {
  const { dynamicSteps: steps, dynamicBatch, dynamicRate, dynamicEpsilon, dynamicDecay } = settings;
  const trained: Numbers = model.parameters.map((parameter) => parameter.read('values'));
  const m: Numbers = trained.map(({ length }) => new Float32Array(length));
  const ofTraining = new Streams(texts.train, dynamicBatch);
  const whole = await readThrough(...([model, ofTraining, steps, proceed] as const), (gradients) => {
    m.forEach((squares, i) => {
      for (const [j, g] of gradients[i].entries()) squares[j] += g * g;
    });
  });
  if (whole === undefined) return undefined;
  for (const squares of m) squares.forEach((square, j) => (squares[j] = Math.sqrt(square)));
  const sumOfMeans = m.reduce((sum, numbers) => sum + meanOf(numbers), 0);

  const weights = trained.map((numbers) => numbers.slice());
  const loss = await readThrough(...([model, new Streams(texts.measured, 1), steps, proceed] as const), (gradients) => {
    model.parameters.forEach((parameter, i) => {
      const [now, start, scales, gradient] = [weights[i], trained[i], m[i], gradients[i]];
      for (let j = 0; j < now.length; j++) {
        const back = Math.min(1, (dynamicDecay * scales[j]) / sumOfMeans);
        now[j] += back * (start[j] - now[j]) - (dynamicRate * gradient[j]) / (scales[j] + dynamicEpsilon);
      }
      parameter.load('values', now);
    });
  });
  model.parameters.forEach((parameter, i) => {
    parameter.load('values', trained[i]);
  });
  return loss;
}

/**
 * Mean loss over a text, whose windows' gradients by the active weights are handed on.
 * @returns undefined if `proceed` answered false
 */
async function readThrough(
  model: LanguageModel,
  streams: Streams,
  steps: number,
  proceed: () => Promise<boolean>,
  follow: (gradients: Numbers) => void,
): Promise<number | undefined> {
  const { parameters } = model;
  const unpenalised: LanguageModel = {
    ...{ parameters, initialState: (batch) => model.initialState(batch) },
    loss: (...window) => {
      const { loss, state: after } = model.loss(...window);
      return { loss, state: after };
    },
    logits: (...window) => model.logits(...window),
  };
  let state: State = model.initialState(streams.batch);
  let sum = 0;
  for (const { start, length } of streams.windows(steps)) {
    const pass = lossAndGradients(unpenalised, streams.window(start, length), state, noDropout);
    sum += pass.loss.dataSync<'float32'>()[0] * length;
    follow(parameters.map((parameter, i) => parameter.active(pass.gradients[i])));
    tf.dispose([pass.loss, ...pass.gradients, ...state]);
    state = pass.state;
    if (await proceed()) continue;
    tf.dispose([...state]);
    return undefined;
  }
  tf.dispose([...state]);
  return sum / (streams.rows - 1);
}

function meanOf(numbers: Float32Array): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
