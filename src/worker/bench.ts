import { methods } from '../shared/methods.js';
import type { RunConfig } from '../shared/run-config.js';
import type { StepBenchmark } from '../shared/run-events.js';
import { Streams } from './corpus/batches.js';
import { startEngine } from './engines/engine.js';
import { Later } from './later.js';
import { initialParameters, modelKinds, specsOf } from './models/build.js';
import { createOptimizer } from './optimizers/optimizer.js';
import { profileOf, Recorder } from './profile.js';
import { RandomWords } from './random/random.js';
import { noEvidence, nothingDone, refuseTooLarge } from './run.js';
import { initialMasks, layoutOf } from './start.js';
import { rulesOf } from './sparsity/methods.js';
import { trainOnWindow } from './trainer.js';
import { groupsOf } from './whole-units.js';

/** Steps before those that count: in the first one memory is made, in the second it is first used again. */
const warmUp = 2;

/**
 * Times training steps: everything a step of a run does (forward, backward, clipping, update, masks) on parameters as they
 * are at the start of one, and words drawn evenly.
 *
 * @param profile whether to say where the time of the median step goes
 */
export async function benchStep(
  config: RunConfig,
  { vocabulary, steps, profile }: { vocabulary: number; steps: number; profile: boolean },
): Promise<StepBenchmark> {
  const { batch, bptt } = config.training;
  const engine = await startEngine(config.device);
  const layout = layoutOf(config, engine);
  const method = methods[config.method.kind];
  const rules = rulesOf(config.method);
  const specs = specsOf(config.model, vocabulary);
  refuseTooLarge(specs, method, config, layout);
  const parameters = initialParameters(specs, initialMasks(specs, method, config), layout, config.seed);
  const model = modelKinds[config.model.kind].create(config.model, parameters);
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
    rules,
    groups: groupsOf(method, specs),
    evidence: noEvidence(config.method, rules),
    progress: nothingDone(config),
    state: model.initialState(batch),
    later: engine.apart === undefined ? undefined : new Later(),
  };
  const recorder = profile ? new Recorder() : undefined;
  const timed: { ms: number; ops?: Record<string, number> }[] = [];
  for (let step = 0; step < warmUp + steps; step++) {
    const begin = performance.now();
    trainOnWindow(run, { start: 0, length: bptt, rate: 1 });
    await engine.apart?.caughtUp();
    const end = performance.now();
    const calls = recorder?.take();
    if (step < warmUp) continue;
    timed.push({ ms: end - begin, ...(calls === undefined ? {} : { ops: profileOf(calls, { begin, end }) }) });
  }
  const { ms: msPerStep, ops } = timed.sort((a, b) => a.ms - b.ms)[Math.floor(timed.length / 2)];
  return {
    engine: engine.name,
    threads: engine.threads,
    layout,
    msPerStep,
    tokensPerSecond: (batch * bptt * 1000) / msPerStep,
    peakMemoryMb: process.resourceUsage().maxRSS / 1024,
    activeWeights: parameters.reduce((sum, { activeCount }) => sum + activeCount, 0),
    clipNorm: config.optimizer.clipNorm,
    ...(ops === undefined ? {} : { profile: ops }),
  };
}
