import { methods } from '../shared/methods.js';
import type { RunConfig } from '../shared/run-config.js';
import type { RunFacts } from '../shared/run-events.js';
import type { CorpusSize } from './corpus/corpus.js';
import { startEngine } from './engines/engine.js';
import { modelKinds } from './models/build.js';
import { isSparsifiable } from './models/model.js';
import { bytesNeeded, refuseTooLarge } from './run.js';
import { initialDensities } from './sparsity/initial-topology.js';
import { layoutOf } from './start.js';

/** A forward pass and twice as much backward (U. Evci et al.: Rigging the Lottery, ICML 2020). */
const trainingPasses = 3;

/**
 * What a configuration amounts to, before anything is trained: sizes from the model's own shapes, densities from the method's
 * own rule. FLOPs are two for each weight of a product and each word (algorithm page 7.2): the lookup of a word vector and
 * biases are not counted.
 * @throws UserError where it does not fit this machine
 */
export async function factsOf(config: RunConfig, { vocabulary, trainingTokens }: CorpusSize): Promise<RunFacts> {
  const engine = await startEngine(config.device);
  const layout = layoutOf(config, engine);
  const specs = modelKinds[config.model.kind].parameters(config.model, vocabulary);
  const method = methods[config.method.kind];
  refuseTooLarge(specs, method, config, layout);
  const matrices = specs.filter(isSparsifiable);
  // A network that is pruned begins with all weights.
  const densities =
    method.masks === 'fixed' || method.masks === 'rewired'
      ? initialDensities(
          config.method,
          matrices.map(({ shape }) => [shape[0], shape[1]]),
        )
      : matrices.map(() => 1);
  const sizes = matrices.map(({ shape }) => shape[0] * shape[1]);
  const active = sizes.map((size, i) => Math.round(size * densities[i]));
  const biases = specs
    .filter((spec) => !isSparsifiable(spec))
    .reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
  // A decoder that is the embedding is a product, too.
  const multiplied = matrices.map(({ name }) => config.model.tied || name !== 'embedding.weight');
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const flops = (counts: readonly number[]) => 2 * trainingPasses * sum(counts.filter((_, i) => multiplied[i]));
  return {
    engine: engine.name,
    layout,
    vocabulary,
    trainingTokens,
    parameters: { total: sum(sizes) + biases, active: sum(active) + biases },
    memoryBytes: bytesNeeded(specs, method, config, layout),
    flopsPerWord: { dense: flops(sizes), sparse: flops(active) },
  };
}
