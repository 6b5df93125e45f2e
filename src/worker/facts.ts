import { methods } from '../shared/methods.js';
import type { RunConfig } from '../shared/run-config.js';
import type { RunFacts } from '../shared/run-events.js';
import type { CorpusSize } from './corpus/corpus.js';
import { startEngine } from './engines/engine.js';
import { expectedTrainingFlops, forwardFlops, trainingFlops } from './flops.js';
import { specsOf } from './models/build.js';
import { isSparsifiable } from './models/model.js';
import { bytesNeeded, refuseTooLarge } from './run.js';
import { initialDensities } from './sparsity/initial-topology.js';
import { layoutOf } from './start.js';

/**
 * What a configuration amounts to, before anything is trained: sizes from the model's own shapes, densities from the method's
 * own rule.
 * @throws UserError where it does not fit this machine
 */
export async function factsOf(config: RunConfig, { vocabulary, trainingTokens }: CorpusSize): Promise<RunFacts> {
  const engine = await startEngine(config.device);
  const layout = layoutOf(config, engine);
  const specs = specsOf(config.model, vocabulary);
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
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  const share = method.masks === 'pruned' ? config.method.density : 1;
  const inTheEnd = matrices.map(({ name, shape }, i) => ({ name, shape, activeCount: Math.round(share * active[i]) }));
  const inference = forwardFlops(inTheEnd, config.model);
  const { batch, bptt } = config.training;
  const training = {
    dense: trainingFlops({ ...inference, sparse: inference.dense }, false),
    sparse: expectedTrainingFlops(config, inference, Math.floor(trainingTokens / (batch * bptt))),
  };
  return {
    engine: engine.name,
    layout,
    vocabulary,
    trainingTokens,
    parameters: {
      total: sum(sizes) + biases,
      active: sum(active) + biases,
      activeInTheEnd: sum(inTheEnd.map(({ activeCount }) => activeCount)) + biases,
    },
    memoryBytes: bytesNeeded(specs, method, config, layout),
    flopsPerWord: { training, inference },
  };
}
