import { setImmediate } from 'node:timers/promises';
import type { RunEvent } from '../shared/run-events.js';
import { evaluate } from './evaluate.js';
import { trainingWindows, type TrainingWindow } from './corpus/windows.js';
import type { Measured } from './later.js';
import { lossAndGradientsInParts, partCount } from './models/micro-batches.js';
import { partSites, type Dropout } from './models/model.js';
import type { Scale } from './ops/apply-update.js';
import { dropoutMask } from './ops/dropout-mask.js';
import { clipScale, gradientNorm, gradientNormApart, watchGradients } from './optimizers/clipping.js';
import {
  emitInitialTopology,
  isEvidence,
  momentOf,
  removingRateNow,
  updateAfterEpoch,
  updateAfterNextStep,
  updateAtOnce,
} from './rewiring.js';
import { isTriggered } from './optimizers/trigger.js';
import { checkpointOf, describeRun, weightsOf, type Run } from './run.js';
import { takeWholeGradients } from './sparsity/evidence.js';
import { penalised } from './sparsity/penalty.js';
import type { CheckpointFile } from './storage/checkpoint.js';
import { forwardFlops, trainingFlops } from './flops.js';
import { activeWeights, adoptBest, Divergence, divergenceOf, finish, testLosses } from './final-tests.js';
import * as tf from './tf.js';
import { shrink, shrunkWeights, unitTensors, zeroSmall } from './whole-units.js';

/** The world outside the loop. */
export interface Observer {
  /** Takes an event with its number in the run. */
  emit(sequence: number, event: RunEvent): void;
  /** Resolves once every event so far is where no crash can lose it; a checkpoint is written only then. */
  settled(): Promise<void>;
  /** Resolves at once unless far more has been told than is written down; then, when that has caught up. */
  admitted(): Promise<void>;
  /** Whether to checkpoint and wait. */
  pauseRequested(): boolean;
  /** Resolves when to go on after that, or to stop. */
  released(): Promise<void>;
  /** Whether to checkpoint and end. */
  stopRequested(): boolean;
}

/**
 * Trains a run to its test perplexity: the procedure of Selfish-RNN (S. Liu et al., ICML 2021; algorithm page 4.5), of
 * which training with fixed masks or none is a special case.
 *
 * @returns whether it came to its end, or was stopped
 * @throws UserError where training diverges or a checkpoint cannot be written
 */
export async function train(run: Run, observer: Observer): Promise<'finished' | 'stopped'> {
  const { config, streams, model, progress } = run;
  const { epochs, bptt } = config.training;
  const emit = (event: RunEvent) => {
    observer.emit(run.sequence++, event);
  };
  const proceed = async () => {
    await setImmediate(); // messages come in between two steps
    await observer.admitted();
    return !observer.stopRequested();
  };
  const stop = (): 'stopped' => {
    emit({ type: 'stopped', step: progress.step, epoch: progress.epoch });
    return 'stopped';
  };
  const checkpointAndStop = async () => {
    await saveCheckpoint(run, observer, emit);
    return stop();
  };

  const clock = new Clock(progress);
  const pause = async () => {
    await saveCheckpoint(run, observer, emit);
    emit({ type: 'paused', step: progress.step, epoch: progress.epoch });
    await observer.released();
    clock.restart();
  };

  // The checkpoint may have been written and its event lost: it is told again, in the same place.
  if (run.resumedFrom !== null) emitCheckpoint(run, run.resumedFrom, emit);
  emit(describeRun(run));
  if (run.resumedFrom === null) emitInitialTopology(run, emit);
  while (progress.epoch < epochs && !progress.validation.stalled) {
    const windows = trainingWindows(streams.train, config, progress.epoch);
    while (progress.window < windows.length) {
      const window = windows[progress.window];
      const update = updateAfterNextStep(run, progress.window === windows.length - 1);
      const counts = isEvidence(run, windows.length - progress.window);
      try {
        trainOnWindow(run, window, update !== undefined, counts);
        progress.window += 1;
        await run.engine.apart?.keepUp();
        if (update !== undefined || progress.window === windows.length || isReportDue(run)) settle(run);
      } catch (error) {
        if (!(error instanceof Divergence)) throw error;
        clock.tick(window.length * streams.train.batch);
        report(run, clock, emit); // curves show where it broke
        throw error;
      }
      if (update === 'at once') updateAtOnce(run, emit);
      clock.tick(window.length * streams.train.batch);
      if (isReportDue(run)) report(run, clock, emit);
      if (!(await proceed())) return checkpointAndStop();
      if (observer.pauseRequested()) await pause();
    }

    exchangeAverages(run);
    const loss = await evaluate(model, streams.valid, bptt, proceed);
    if (loss !== undefined) judge(run, loss, emit);
    exchangeAverages(run);
    clock.tick(0);
    if (loss === undefined) return checkpointAndStop();

    const epoch = progress.epoch + 1;
    if (config.training.stop === 'nonmonotone') noteStall(run, loss);
    const cause = run.optimizer.afterValidation(model.parameters, loss, epoch - progress.rewoundAfter);
    if (cause !== undefined) emit({ type: 'averaging', step: progress.step, epoch, cause });
    updateAfterEpoch(run, cause === 'trigger' || cause === 'configured', emit);

    Object.assign(progress, { epoch, window: 0, epochLoss: { sum: 0, words: 0 } });
    tf.dispose([...run.state]);
    run.state = model.initialState(config.training.batch);
    await saveCheckpoint(run, observer, emit);
    if (!(await proceed())) return stop();
  }

  adoptBest(run);
  const losses = await testLosses(run, proceed);
  if (losses === undefined) return stop(); // the checkpoint of the last epoch stands
  clock.tick(0);
  finish(run, losses, emit);
  return 'finished';
}

/** What a training step works on. */
type Trained = Pick<
  Run,
  'config' | 'model' | 'optimizer' | 'rules' | 'groups' | 'evidence' | 'progress' | 'state' | 'later'
> & {
  readonly streams: Pick<Run['streams'], 'train'>;
};

/**
 * One optimiser step: forward, backward, clipping, update, masks.
 * @param updateFollows whether the topology changes before the next one
 * @param counts whether it goes by the gradient of this step
 */
export function trainOnWindow(
  run: Trained,
  { start, length, rate }: TrainingWindow,
  updateFollows = false,
  counts = updateFollows,
): void {
  const { config, streams, model, evidence, progress } = run;
  const { clip, clipNorm } = config.optimizer;
  const { seed } = config;
  const { batch, microBatch } = config.training;
  const step = progress.step;
  const dropoutOf =
    (part: number): Dropout =>
    (site, p, shape, scaled) =>
      p === 0 ? undefined : dropoutMask({ seed, step, site: site + part * partSites }, p, shape, scaled);

  const whole = evidence.wantsGradient(counts);
  watchGradients(model.parameters, clipNorm, { seed, step }, { whole, passes: partCount(batch, microBatch) });
  const pass = lossAndGradientsInParts(
    ...([model, streams.train.window(start, length), run.state, microBatch, dropoutOf] as const),
  );
  const { loss, state } = pass;
  // A part of the loss, if not of any that is told: it is clipped with it.
  const gradients = run.groups?.penalised(model.parameters, pass.gradients, config.method.groupLasso) ?? pass.gradients;
  const wholes = whole ? takeWholeGradients(model.parameters, gradients) : undefined;
  const measuring = [model.parameters, gradients, clipNorm, { seed, step }, wholes] as const;
  let scale: Scale;
  if (run.later === undefined) {
    const norm = gradientNorm(...measuring);
    note(run, { step: step + 1, length, loss: loss.dataSync<'float32'>()[0], norm });
    scale = clipScale(norm, clip);
    loss.dispose();
  } else {
    const apart = gradientNormApart(clip, ...measuring);
    run.later.add(step + 1, length, loss, apart.norm);
    scale = apart.scale;
  }
  if (wholes !== undefined) {
    evidence.noteGradient(wholes, scale, counts);
    tf.dispose([...wholes.values()].filter((tensor) => !gradients.includes(tensor)));
  }
  if (!(updateFollows && config.method.skipStep)) descend(run, gradients, scale, rate);

  tf.dispose([...gradients, ...run.state, ...(typeof scale === 'number' ? [] : [scale])]);
  run.state = state;
  countFlops(run, length * batch, whole);
  progress.step += 1;
}

/** @param wholeGradient whether the gradient of inactive weights was computed */
function countFlops({ config, model, progress }: Trained, words: number, wholeGradient: boolean): void {
  if (progress.flops === null) return;
  const forward = forwardFlops(model.parameters, config.model);
  progress.flops = {
    training: progress.flops.training + words * trainingFlops(forward, wholeGradient),
    dense: progress.flops.dense + words * trainingFlops({ ...forward, sparse: forward.dense }, false),
  };
}

/** For an event. */
function flopsOf({ progress: { flops } }: Pick<Run, 'progress'>) {
  return flops === null ? {} : { flops };
}

/** Brings what a device has computed apart into the progress of a run. @throws UserError where training has diverged */
function settle(run: Trained): void {
  for (const measured of run.later?.read() ?? []) note(run, measured);
}

/** @throws Divergence after the step at which training has diverged, which is the last one that is told */
function note(run: Trained, { step, length, loss, norm }: Measured): void {
  const { epochLoss, report } = run.progress;
  epochLoss.sum += loss * length;
  epochLoss.words += length;
  report.loss += loss;
  report.gradientNorm += norm;
  report.steps += 1;
  const diverged = divergenceOf(run, step, [
    ['the loss', loss],
    ['the norm of the gradient', norm],
  ]);
  if (diverged === undefined) return;
  run.progress.step = step;
  throw diverged;
}

function descend(run: Trained, gradients: readonly tf.Tensor[], scale: Scale, rate: number): void {
  const { config, model, optimizer, rules, evidence } = run;
  if (evidence.wantsBefore) evidence.noteBefore(model.parameters);
  if (rules === undefined || rules.penalty === 'none') {
    optimizer.step(model.parameters, gradients, scale, rate);
    if (run.groups !== undefined) zeroSmall(model.parameters, config.method.zeroBelow);
    return;
  }
  const { method, seed } = config;
  const context = { method, seed, moment: momentOf(run) };
  const withTerms = penalised(model.parameters, gradients, scale, rules.penalty, context);
  optimizer.step(model.parameters, withTerms, 1, rate);
  tf.dispose(withTerms);
}

/** Takes note of a validation loss and keeps the weights that were measured if no epoch was better. */
function judge(run: Run, loss: number, emit: (event: RunEvent) => void): void {
  const { model, optimizer, progress } = run;
  const perplexity = Math.exp(loss);
  const diverged = divergenceOf(run, progress.step, [['the validation perplexity', perplexity]]);
  const epoch = progress.epoch + 1;
  const shrunk = run.groups === undefined ? undefined : shrink(run.groups, run);
  const active = shrunk?.parameters ?? (run.method.masks === 'pruned' ? activeWeights(run) : undefined);
  const best = diverged === undefined && (progress.best === null || isBetter({ loss, active }, progress.best));
  if (best) {
    progress.best = { epoch, loss, active };
    const weights =
      shrunk === undefined
        ? new Map([...unitTensors(run.kept), ...weightsOf(model.parameters, optimizer.averaging === 'wholeAverage')])
        : shrunkWeights(shrunk, run);
    run.checkpoints.saveBest(epoch, weights);
  }
  const trainingLoss = progress.epochLoss.sum / progress.epochLoss.words;
  const averaged = optimizer.averaging !== undefined;
  emit({
    type: 'evaluation',
    step: progress.step,
    epoch,
    trainingLoss,
    loss,
    perplexity,
    best,
    averaged,
    ...flopsOf(run),
  });
  if (diverged !== undefined) throw diverged;
}

interface Judged {
  readonly loss: number;
  /** Active weights, where they only become fewer. */
  readonly active?: number | undefined;
}

/** Of networks that are being pruned one with fewer weights counts more, whatever its loss: a denser one is not what was asked for. */
function isBetter(now: Judged, before: Judged): boolean {
  if (now.active !== before.active) return now.active! < before.active!;
  return now.loss < before.loss;
}

function isReportDue({ config, progress }: Run): boolean {
  return progress.step === 1 || progress.step % config.training.reportEvery === 0;
}

function report(run: Run, clock: Clock, emit: (event: RunEvent) => void): void {
  const { optimizer, progress } = run;
  const { loss, gradientNorm: norm, steps } = progress.report;
  emit({
    type: 'step',
    step: progress.step,
    epoch: progress.epoch + 1,
    loss: loss / steps,
    gradientNorm: norm / steps,
    learningRate: optimizer.learningRate,
    removingRate: removingRateNow(run),
    tokensPerSecond: clock.speed(),
    ...flopsOf(run),
  });
  progress.report = { loss: 0, gradientNorm: 0, steps: 0 };
}

async function saveCheckpoint(run: Run, observer: Observer, emit: (event: RunEvent) => void): Promise<void> {
  settle(run);
  await observer.settled();
  emitCheckpoint(run, run.checkpoints.save(checkpointOf(run)), emit);
}

function emitCheckpoint({ progress }: Run, { file, bytes }: CheckpointFile, emit: (event: RunEvent) => void): void {
  emit({ type: 'checkpoint', step: progress.step, epoch: progress.epoch, file, bytes });
}

/** Lets weights and averages, where there are any, change places; called twice, it changes nothing. */
function exchangeAverages({ model, optimizer }: Run): void {
  if (optimizer.averaging === undefined) return;
  for (const parameter of model.parameters) parameter.exchange('values', optimizer.averaging);
}

/** The stop of fine-tuning: the trigger's rule, whatever is averaged (S. Merity et al., 2018). */
function noteStall({ config, progress }: Run, loss: number): void {
  const { losses } = progress.validation;
  const stalled = isTriggered(losses, loss, config.optimizer.nonmonotone);
  progress.validation = { losses: [...losses, loss], stalled };
}

/** Measures time spent training, and speed since the last report. */
class Clock {
  readonly #progress: Run['progress'];
  #last = performance.now();
  #words = 0;
  #ms = 0;

  constructor(progress: Run['progress']) {
    this.#progress = progress;
  }

  /** @param words trained on since the last call; none during an evaluation */
  tick(words: number): void {
    const now = performance.now();
    const passed = now - this.#last;
    this.#last = now;
    this.#progress.trainingMs += passed;
    if (words === 0) return;
    this.#words += words;
    this.#ms += passed;
  }

  /** What has passed since the last call was not spent training. */
  restart(): void {
    this.#last = performance.now();
  }

  /** Words per second of training since the last call. */
  speed(): number {
    const speed = this.#ms === 0 ? 0 : (this.#words / this.#ms) * 1000;
    this.#words = 0;
    this.#ms = 0;
    return speed;
  }
}
