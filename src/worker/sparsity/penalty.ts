import type { Penalty } from '../../shared/methods.js';
import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import * as tf from '../tf.js';
import { SparseParameter, type Parameter } from './parameter.js';
import { temperatureAt, type Moment } from './schedule.js';

/**
 * The terms of a method on the gradient of every active weight, λ sign(w) and, of DeepR, N(0, 2 η T) (G. Bellec et al., 2018; signed
 * weights as in algorithm page 6.3). They join it after clipping, as weight decay does: the noise of millions of weights would be all of the norm.
 *
 * @param scale factor on the gradient, from clipping
 * @returns gradients with nothing left to scale, which belong to the caller
 */
export function penalised(
  parameters: readonly Parameter[],
  gradients: readonly tf.Tensor[],
  scale: number | tf.Tensor1D,
  penalty: Exclude<Penalty, 'none'>,
  { method, seed, moment }: PenaltyContext,
): tf.Tensor[] {
  const deviation = Math.sqrt(2 * method.noise * temperatureAt(method.temperature, moment));
  return parameters.map((parameter, index) => {
    const clipped = gradients[index].mul(scale);
    if (!(parameter instanceof SparseParameter)) return clipped;
    const { activeCount } = parameter;
    const terms =
      penalty === 'l1'
        ? new Float32Array(activeCount)
        : normal(new RandomWords(seed, 'rewiringNoise', moment.step, index), activeCount, deviation);
    for (const [i, value] of parameter.read('values').entries()) terms[i] += method.l1 * Math.sign(value);
    const added = parameter.stored(terms);
    const sum = clipped.add(added);
    tf.dispose([clipped, added]);
    return sum;
  });
}

interface PenaltyContext {
  readonly method: RunConfig['method'];
  readonly seed: number;
  readonly moment: Moment;
}

/** Normal numbers of mean 0 (G. Box, M. Muller, 1958). */
function normal(words: RandomWords, count: number, deviation: number): Float32Array {
  const pairs = Math.ceil(count / 2);
  const drawn = words.words(2 * pairs);
  const numbers = new Float32Array(2 * pairs);
  for (let i = 0; i < 2 * pairs; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log((drawn[i] + 1) / 2 ** 32));
    const angle = (2 * Math.PI * drawn[i + 1]) / 2 ** 32;
    numbers[i] = radius * Math.cos(angle);
    numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers.subarray(0, count);
}
