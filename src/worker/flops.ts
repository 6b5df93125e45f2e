import { methods } from '../shared/methods.js';
import { pruningEpoch } from '../shared/method-config.js';
import type { ModelConfig } from '../shared/model-config.js';
import type { RunConfig } from '../shared/run-config.js';
import { gradualSparsity } from './sparsity/schedule.js';
import { rulesOf } from './sparsity/methods.js';

/**
 * Floating-point operations as papers on sparse training count them (U. Evci et al.: Rigging the Lottery. ICML 2020; algorithm page
 * 7.2): two for each weight of a product and each word. Looking up a word vector, biases, what is done element by element and what
 * a norm for clipping costs are not counted.
 */
export interface Flops {
  /** Of the weights that are active. */
  readonly sparse: number;
  /** Of all weights. */
  readonly dense: number;
}

/** A parameter, as far as it is work. */
export interface Worked {
  readonly name: string;
  readonly shape: readonly number[];
  readonly activeCount: number;
}

/** Of a forward pass, for each word. */
export function forwardFlops(parameters: readonly Worked[], model: ModelConfig): Flops {
  let [sparse, dense] = [0, 0];
  for (const { name, shape, activeCount } of parameters) {
    if (shape.length !== 2) continue;
    const uses = usesPerWord(name, model);
    sparse += 2 * uses * activeCount;
    dense += 2 * uses * shape[0] * shape[1];
  }
  return { sparse, dense };
}

/**
 * Of a training step, for each word: forward, and twice as much backward.
 * @param wholeGradient whether the gradient of inactive weights is computed as well
 */
export function trainingFlops({ sparse, dense }: Flops, wholeGradient: boolean): number {
  return wholeGradient ? 2 * sparse + dense : 3 * sparse;
}

/** In how many products of a word a matrix is: a lookup is none, and each softmax of a mixture decodes a vector of its own. */
function usesPerWord(name: string, { kind, tied, experts }: ModelConfig): number {
  const decodes = name === (tied ? 'embedding.weight' : 'decoder.weight');
  if (decodes) return kind === 'awd-lstm-mos' ? experts : 1;
  return name === 'embedding.weight' ? 0 : 1;
}

/**
 * Of training, for each word, as far as a configuration decides it: the mean over all steps. A network that is pruned by a threshold
 * counts as dense, since nobody knows what will be left; one of which layers share out their weights anew, as it begins.
 * @param forward with the density that masks have in the end
 * @param stepsPerEpoch 0 where that is not known
 */
export function expectedTrainingFlops(config: RunConfig, forward: Flops, stepsPerEpoch: number): number {
  const evidence = rulesOf(config.method)?.evidence ?? [];
  if (evidence.includes('momentum')) return trainingFlops(forward, true);
  const plain = trainingFlops(forward, false);
  if (evidence.includes('gradient')) {
    const { interval, intervalUnit } = config.method;
    const steps = intervalUnit === 'steps' ? interval : interval * stepsPerEpoch;
    return steps === 0 ? plain : plain + (trainingFlops(forward, true) - plain) / steps;
  }
  const pruned = prunedShare(config);
  return pruned * plain + (1 - pruned) * trainingFlops({ ...forward, sparse: forward.dense }, false);
}

/** How far a network is pruned to its final density, in the mean over training: 1 where it begins with that. */
function prunedShare({ method, training: { epochs } }: RunConfig): number {
  const row = methods[method.kind];
  if (row.masks !== 'pruned') return 1;
  switch (row.schedule) {
    case 'interval':
      return 0;
    case 'once':
      return 1 - pruningEpoch(method, epochs) / epochs;
    case 'gradual': {
      // Of updates after every so many steps there are so many that they may pass for a continuous decline.
      const [parts, interval] = method.intervalUnit === 'epochs' ? [epochs, method.interval] : [1000, 1];
      let sum = 0;
      for (let part = 0; part < parts; part++) {
        const lastUpdate = Math.floor(part / interval) * interval;
        sum += gradualSparsity(1, method.pruneFrom * parts, method.pruneUntil * parts, lastUpdate);
      }
      return sum / parts;
    }
  }
}
