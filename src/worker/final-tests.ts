import { UserError } from '../shared/errors.js';
import type { RunEvent } from '../shared/run-events.js';
import { evaluateDynamically } from './dynamic-evaluation.js';
import { evaluate } from './evaluate.js';
import { forwardFlops } from './flops.js';
import { evaluateWithCache } from './neural-cache.js';
import { adoptWeights, type Run } from './run.js';
import { shrunkModel, sizeOf, unitsIn, unitsLeft } from './whole-units.js';

/** What comes after training: tests of the best epoch's weights, and the last event. */

/** Puts the weights of the best epoch in place of the present ones, for good, and where units have come to nothing a smaller network. */
export function adoptBest(run: Run): void {
  const best = run.checkpoints.readBest();
  if (run.groups === undefined) {
    adoptWeights(run.model.parameters, best);
    return;
  }
  for (const parameter of run.model.parameters) parameter.dispose();
  run.kept = unitsIn(best);
  run.model = shrunkModel(run, best);
}

interface TestLosses {
  readonly plain: number;
  /** With a neural cache, and by dynamic evaluation, where the run asks for it. */
  readonly cache?: number;
  readonly dynamic?: number;
}

/** @returns undefined where the run was to stop */
export async function testLosses(run: Run, proceed: () => Promise<boolean>): Promise<TestLosses | undefined> {
  const { config, model, streams } = run;
  const { train, test } = run.corpus.ids;
  const plain = await evaluate(model, streams.test, config.training.bptt, proceed);
  if (plain === undefined) return undefined;
  let losses: TestLosses = { plain };
  if (config.evaluation.cacheWindow > 0) {
    const cache = await evaluateWithCache(model, test, config, proceed);
    if (cache === undefined) return undefined;
    losses = { ...losses, cache };
  }
  if (config.evaluation.dynamicSteps > 0) {
    const dynamic = await evaluateDynamically(model, { train, measured: test }, config.evaluation, proceed);
    if (dynamic === undefined) return undefined;
    losses = { ...losses, dynamic };
  }
  return losses;
}

export function finish(run: Run, losses: TestLosses, emit: (event: RunEvent) => void): void {
  const { config, model, progress, reference } = run;
  const { plain: testLoss, cache, dynamic } = losses;
  const best = progress.best!;
  const testPerplexity = Math.exp(testLoss);
  const { groups } = run;
  const diverged = divergenceOf(run, progress.step, [['the test perplexity', testPerplexity]]);
  if (diverged !== undefined) throw diverged;
  emit({
    type: 'finished',
    step: progress.step,
    epoch: progress.epoch,
    testLoss,
    testPerplexity,
    ...(cache === undefined ? {} : { cachePerplexity: Math.exp(cache) }),
    ...(dynamic === undefined ? {} : { dynamicPerplexity: Math.exp(dynamic) }),
    bestValidationPerplexity: Math.exp(best.loss),
    bestEpoch: best.epoch,
    bigramPerplexity: reference.test.bigram,
    parameters: { total: sizeOf(run.specs), active: activeWeights(run) },
    ...(groups === undefined ? {} : { units: unitsLeft(groups, run.kept) }),
    ...(reference.test.bestPossible === undefined ? {} : { bestPossiblePerplexity: reference.test.bestPossible }),
    flopsPerWord: { sparse: forwardFlops(model.parameters, config.model).sparse, dense: denseFlops(run) },
    trainingMs: progress.trainingMs,
  });
}

/** Of a forward pass of the network that training began with, had it no masks. */
function denseFlops({ specs, config }: Run): number {
  return forwardFlops(
    specs.map(({ name, shape }) => ({ name, shape, activeCount: 0 })),
    config.model,
  ).dense;
}

export function activeWeights({ model }: Run): number {
  return model.parameters.reduce((sum, { activeCount }) => sum + activeCount, 0);
}

export class Divergence extends UserError {
  override readonly name = 'Divergence';
}

/** What is wrong with the first of these measures that is no finite number, if one is. */
export function divergenceOf(
  { config }: Pick<Run, 'config'>,
  step: number,
  measures: readonly (readonly [what: string, value: number])[],
): Divergence | undefined {
  const broken = measures.find(([, value]) => !Number.isFinite(value));
  if (broken === undefined) return undefined;
  const [what, value] = broken;
  const rate = config.optimizer.kind === 'adam' ? 'optimizer.adam.learningRate' : 'optimizer.learningRate';
  return new Divergence(
    `training diverged at step ${step}, ${what} is ${value}: lower ${rate} or optimizer.clip and start a new run`,
  );
}
