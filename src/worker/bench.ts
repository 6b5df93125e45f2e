import type { RunConfig } from '../shared/run-config.js';
import type { StepBenchmark } from '../shared/run-events.js';
import { Streams } from './corpus/batches.js';
import { startEngine } from './engines/engine.js';
import { initialParameters, modelKinds } from './models/build.js';
import { createOptimizer } from './optimizers/optimizer.js';
import { RandomWords } from './random/random.js';
import { initialMasks, nothingDone } from './run.js';
import { methods } from './sparsity/methods.js';
import { trainOnWindow } from './trainer.js';

/**
 * Times training steps: everything a step of a run does (forward, backward, clipping, update, masks) on parameters as they
 * are at the start of one, and words drawn evenly. The first step, in which memory is made, is not counted.
 */
export async function benchStep(config: RunConfig, vocabulary: number, steps: number): Promise<StepBenchmark> {
  const { batch, bptt } = config.training;
  const engine = await startEngine(config.device);
  const layout = config.device.layout === 'auto' ? engine.preferredLayout : config.device.layout;
  const kind = modelKinds[config.model.kind];
  const method = methods[config.method.kind];
  const specs = kind.parameters(config.model, vocabulary);
  const parameters = initialParameters(specs, initialMasks(specs, method, config), layout, config.seed);
  const model = kind.create(config.model, parameters);
  const ids = new RandomWords(config.seed, 'language').words((bptt + 1) * batch);
  const run = {
    config,
    model,
    optimizer: createOptimizer(config.optimizer, parameters),
    streams: {
      train: new Streams(
        Int32Array.from(ids, (word) => word % vocabulary),
        batch,
      ),
    },
    progress: nothingDone(),
    state: model.initialState(batch),
  };
  const times: number[] = [];
  for (let step = 0; step <= steps; step++) {
    const before = performance.now();
    trainOnWindow(run, 0, bptt);
    if (step > 0) times.push(performance.now() - before);
  }
  const msPerStep = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  return {
    engine: engine.name,
    threads: engine.threads,
    layout,
    msPerStep,
    tokensPerSecond: (batch * bptt * 1000) / msPerStep,
    peakMemoryMb: process.resourceUsage().maxRSS / 1024,
    activeWeights: parameters.reduce((sum, { activeCount }) => sum + activeCount, 0),
    clipNorm: config.optimizer.clipNorm,
  };
}
