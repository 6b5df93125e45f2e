import type { RunEvent } from '../shared/run-events.js';
import { pruningEpoch } from '../shared/method-config.js';
import type { Run } from './run.js';
import { rewind } from './start.js';
import { connectionsOf, type Connections } from './sparsity/connections.js';
import { magnitudesOf, type Magnitudes } from './sparsity/magnitudes.js';
import { SparseParameter } from './sparsity/parameter.js';
import { Pattern } from './sparsity/pattern.js';
import { isUpdateDue, rateAt, type Moment } from './sparsity/schedule.js';
import { difference } from './sparsity/selection.js';
import { summarise, updateTopology, type LayerChange } from './sparsity/topology.js';
import { shrink, unitsLeft } from './whole-units.js';

/**
 * When the masks of a run change, and what becomes of it: weights, file of masks, event. Most methods update theirs after an epoch or
 * every so many steps, and each update is told. One that rewires after every step, or lets weights come to 0, is told of once an epoch.
 */
type Emit = (event: RunEvent) => void;

/** Whether an update comes right after the next step, after the validation that follows it, or not. */
export function updateAfterNextStep(
  { config, rules, progress }: Pick<Run, 'config' | 'rules' | 'progress'>,
  endsEpoch: boolean,
): 'at once' | 'after validation' | undefined {
  if (rules === undefined) return undefined;
  if (rules.schedule === 'step') return 'at once';
  if (rules.schedule === 'once')
    return endsEpoch && isPruningDue({ config, progress }) ? 'after validation' : undefined;
  const due = isUpdateDue(config.method, progress.step + 1, endsEpoch ? progress.epoch + 1 : undefined);
  if (!due) return undefined;
  return config.method.intervalUnit === 'steps' ? 'at once' : 'after validation';
}

/**
 * Whether the gradient of the next step is one of those that the update after it, or after some more, goes by.
 * @param windows left of the epoch
 */
export function isEvidence(
  { config, rules, progress }: Pick<Run, 'config' | 'rules' | 'progress'>,
  windows: number,
): boolean {
  if (rules?.schedule !== 'interval') return false;
  const { method } = config;
  for (let ahead = 1; ahead <= method.gradientBatches; ahead++) {
    if (isUpdateDue(method, progress.step + ahead, ahead === windows ? progress.epoch + 1 : undefined)) return true;
  }
  return false;
}

/** What follows a step after which an update was due at once. */
export function updateAtOnce(run: Run, emit: Emit): void {
  if (run.rules?.schedule === 'step') rewire(run, run.progress.step);
  else updateMasks(run, emit);
}

/** What follows the validation of an epoch. As published, masks stay in the epoch in which averaging begins (algorithm page G5). */
export function updateAfterEpoch(run: Run, averagingBegins: boolean, emit: Emit): void {
  const { config, rules, groups, progress } = run;
  if (groups !== undefined) tellOfEpoch(run, emit);
  if (rules === undefined) return;
  const { intervalUnit, updateOnTrigger } = config.method;
  switch (rules.schedule) {
    case 'step':
      tellOfEpoch(run, emit);
      break;
    case 'once':
      if (isPruningDue(run)) updateMasks(run, emit);
      break;
    case 'interval':
    case 'gradual':
      if (averagingBegins && !updateOnTrigger) {
        if (intervalUnit === 'epochs') run.evidence.afterUpdate();
        break;
      }
      if (intervalUnit === 'epochs' && isUpdateDue(config.method, progress.step, progress.epoch + 1))
        updateMasks(run, emit);
  }
}

function isPruningDue({ config, progress }: Pick<Run, 'config' | 'progress'>): boolean {
  return progress.epoch + 1 === pruningEpoch(config.method, config.training.epochs);
}

/** Share of active weights that an update would remove now; 0 where the method has no such rate. */
export function removingRateNow(run: Pick<Run, 'config' | 'rules' | 'streams' | 'progress'>): number {
  const { config, rules } = run;
  return rules?.schedule === 'interval' ? rateAt(config.method, rules.schedule, momentOf(run)) : 0;
}

/** Steps done, and those of the whole training counted in windows of full length. */
export function momentOf({
  config,
  streams,
  progress,
}: Pick<Run, 'config' | 'progress'> & { readonly streams: Pick<Run['streams'], 'train'> }): Moment {
  const { epochs, bptt } = config.training;
  return { step: progress.step, duration: Math.max(1, Math.floor((epochs * streams.train.rows) / bptt)) };
}

export function emitInitialTopology(run: Run, emit: Emit): void {
  const nothing = new Int32Array(0);
  const connections = connectionsOf(run.model.parameters, run.method);
  const layers = connections.map(({ name, pattern }) => ({ name, pattern, removed: nothing, grown: nothing }));
  if (layers.length > 0) emitTopology(run, 0, layers, connections.map(magnitudesNow), emit);
}

function updateMasks(run: Run, emit: Emit): void {
  const { progress } = run;
  const rate = removingRateNow(run);
  const { changes, before } = rewire(run, progress.updates + 1);
  // Pruning that has come to its end, or has not begun, is no news.
  const nothing = changes.every(({ removed, grown }) => removed.length + grown.length === 0);
  if (nothing && run.method.masks === 'pruned') return;
  progress.updates += 1;
  run.masks?.append(changes.map(({ pattern }) => pattern));
  const magnitudes = before.map(({ values, pattern }, i) =>
    magnitudesOf(values, pattern.positions(), changes[i].removed),
  );
  emitTopology(run, rate, changes, magnitudes, emit);
  if (run.rules?.rewinds !== true) return;
  rewind(run);
  progress.rewoundAfter = progress.epoch + 1;
  progress.validation = { losses: [], stalled: false };
}

/**
 * Changes masks, and with them all that is stored of each weight.
 * @param update decides what is drawn at random
 */
function rewire(
  { config, rules, model, optimizer, evidence, progress, budgets, streams }: Run,
  update: number,
): { changes: LayerChange[]; before: { values: Float32Array; pattern: Pattern }[] } {
  const { method, seed } = config;
  const sparse = sparseParameters({ model });
  const layers = sparse.map((parameter) => ({
    name: parameter.name,
    gates: parameter.gates,
    pattern: parameter.pattern,
    values: parameter.read('values'),
    budgets: budgets[parameter.name],
    scores: evidence.of(parameter.name),
  }));
  const rate = rateAt(method, rules!.schedule, momentOf({ config, streams, progress }));
  const context = { sampling: method.sampling, seed, update, rate, state: progress.method };
  const { changes, state } = updateTopology(layers, rules!, context);
  progress.method = state;
  evidence.afterUpdate();
  for (const [i, parameter] of sparse.entries()) {
    const { pattern, removed, grown } = changes[i];
    if (removed.length + grown.length === 0) continue;
    if (method.reinitialiseRegrown) parameter.changePattern(without(parameter.pattern, removed), {});
    parameter.changePattern(pattern, optimizer.fills);
  }
  return { changes, before: layers };
}

/** Tells how masks differ from what was last told. */
function tellOfEpoch(run: Run, emit: Emit): void {
  const { masks, progress } = run;
  if (masks === undefined) return;
  const told = masks.last;
  const connections = connectionsOf(run.model.parameters, run.method);
  const changes = connections.map(({ name, pattern }, i) => {
    const [before, after] = [told[i].positions(), pattern.positions()];
    return { name, pattern, removed: difference(before, after), grown: difference(after, before) };
  });
  progress.updates += 1;
  masks.append(changes.map(({ pattern }) => pattern));
  emitTopology(run, 0, changes, connections.map(magnitudesNow), emit);
}

function emitTopology(
  run: Run,
  rate: number,
  changes: readonly LayerChange[],
  magnitudes: readonly Magnitudes[],
  emit: Emit,
): void {
  const { step, epoch, updates } = run.progress;
  const gatesOf = new Map(run.model.parameters.map(({ name, gates }) => [name, gates]));
  const layers = changes.map((change, i) => ({
    name: change.name,
    ...summarise(gatesOf.get(change.name)!, change),
    magnitudes: magnitudes[i],
  }));
  const units = run.groups === undefined ? {} : { units: unitsLeft(run.groups, shrink(run.groups, run).kept) };
  const update = updates;
  emit({ type: 'sparsity', step, epoch: update === 0 ? 0 : epoch + 1, update, removingRate: rate, layers, ...units });
}

function magnitudesNow({ values, pattern }: Connections): Magnitudes {
  return magnitudesOf(values, pattern.positions());
}

function without(pattern: Pattern, removed: Int32Array): Pattern {
  return Pattern.fromPositions(pattern.rows, pattern.columns, difference(pattern.positions(), removed));
}

function sparseParameters({ model }: Pick<Run, 'model'>): SparseParameter[] {
  return model.parameters.filter((parameter) => parameter instanceof SparseParameter);
}
