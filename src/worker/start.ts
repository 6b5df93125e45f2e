import { join } from 'node:path';
import { messageOf, UserError } from '../shared/errors.js';
import { hasMasks, methods, type MethodRow } from '../shared/methods.js';
import { needsMaskedLayout } from '../shared/optimizer-config.js';
import { initialSeedOf, type RunConfig } from '../shared/run-config.js';
import { layoutOn, type Engine } from './engines/engine.js';
import { initialParameters, matricesOf, specsOf } from './models/build.js';
import type { ParameterSpec } from './models/model.js';
import { createOptimizer } from './optimizers/optimizer.js';
import { restoredParameters, type Run } from './run.js';
import { initialPatterns } from './sparsity/initial-topology.js';
import { slots, SparseParameter, type Layout, type Parameter } from './sparsity/parameter.js';
import { Pattern } from './sparsity/pattern.js';
import { Checkpoints, type Tensors } from './storage/checkpoint.js';

/** Where the weights of a run begin. */

/** How sparse weights are stored: as asked for where the engine can, or as suits engine, density and what else is kept of each weight. */
export function layoutOf({ device, method, optimizer }: RunConfig, engine: Engine): Layout {
  if (device.layout !== 'auto') return layoutOn(engine, device.layout);
  return needsMaskedLayout(optimizer, method)
    ? 'masked'
    : engine.preferredLayout(methods[method.kind].masks === 'pruned' ? 1 : method.density);
}

/** The best weights of the run to start from, if there is one. */
export function startingWeights({ training: { startFrom } }: RunConfig, runs: string): Tensors | undefined {
  return startFrom === '' ? undefined : Checkpoints.bestOf(join(runs, startFrom), startFrom);
}

/**
 * Fresh ones, or those of the run to start from.
 * @param specs of a network that fits those
 */
export function startingParameters(
  specs: readonly ParameterSpec[],
  method: MethodRow,
  config: RunConfig,
  layout: Layout,
  from: Tensors | undefined,
): Parameter[] {
  if (from === undefined)
    return initialParameters(specs, initialMasks(specs, method, config), layout, initialSeedOf(config));
  try {
    return restoredParameters(specs, method, from, layout);
  } catch (error) {
    const rule = 'do not fit this run: it needs the same model and corpus, and masks if and only if that one has them';
    throw new UserError(
      `training.startFrom: the weights of ${JSON.stringify(config.training.startFrom)} ${rule} (${messageOf(error)})`,
    );
  }
}

/** Puts weights back to where the run began, those that are still active, and makes the optimiser anew. */
export function rewind(run: Run): void {
  const { config, model, layout, corpus } = run;
  const specs = specsOf(config.model, corpus.words.length);
  const sparse = model.parameters.filter((parameter) => parameter instanceof SparseParameter);
  const patterns = new Map(sparse.map(({ name, pattern }) => [name, pattern]));
  for (const [i, initial] of initialParameters(specs, patterns, layout, initialSeedOf(config)).entries()) {
    const parameter = model.parameters[i];
    for (const slot of slots) if (slot !== 'values') parameter.dropSlot(slot);
    parameter.load('values', initial.read('values'));
    initial.dispose();
  }
  run.optimizer = createOptimizer(config.optimizer, model.parameters);
}

export function initialMasks(
  specs: readonly ParameterSpec[],
  method: MethodRow,
  config: RunConfig,
): Map<string, Pattern> {
  if (!hasMasks(method)) return new Map();
  const matrices = matricesOf(specs);
  const patterns =
    method.masks === 'pruned'
      ? matrices.map(({ shape: [rows, columns] }) => Pattern.full(rows, columns))
      : initialPatterns(matrices, config.method, initialSeedOf(config));
  return new Map(matrices.map(({ name }, i) => [name, patterns[i]]));
}
