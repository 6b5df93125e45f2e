import type { RunConfig } from '../../shared/run-config.js';
import type { Scale } from '../ops/apply-update.js';
import type { Parameter, Slot, SlotFills } from '../sparsity/parameter.js';
import type * as tf from '../tf.js';
import { Adam } from './adam.js';
import { Sgd } from './sgd.js';
import { SntAsgd } from './snt-asgd.js';

/** Why averaging begins: validation has stalled, or a set epoch has come, for the first time or to begin anew. */
export type AveragingCause = 'trigger' | 'configured' | 'restart';

/** What turns gradients into new weights. Its tensors are slots of the parameters; the rest is `state`. */
export interface Optimizer {
  readonly learningRate: number;
  /** The slot with averaged weights, which are what is evaluated, once there is one. */
  readonly averaging: 'average' | 'wholeAverage' | undefined;
  /** Slots it keeps beside the values. */
  readonly slots: readonly Slot[];
  /** What a weight starts with when it becomes active. */
  readonly fills: SlotFills;
  /**
   * One step on every parameter.
   * @param gradients in the order of `parameters`, before clipping
   * @param scale factor on all of them, from clipping
   * @param rate factor on the learning rate in this step; 1 unless told
   */
  step(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], scale: Scale, rate?: number): void;
  /**
   * To be called with the validation loss of each epoch.
   * @param epoch counts from 1
   * @returns why averaging begins with the next step, if it does
   */
  afterValidation(parameters: readonly Parameter[], loss: number, epoch: number): AveragingCause | undefined;
  /** Averages begin with the next step, where it averages at all. */
  beginAveraging?(parameters: readonly Parameter[]): void;
  /** All that is not in a slot, as plain data. */
  state(): unknown;
  /** The inverse of `state`; slots are restored by the parameters themselves. */
  restore(state: unknown): void;
}

/** A new optimiser for parameters that have no other slots than their values. */
export function createOptimizer(config: RunConfig['optimizer'], parameters: readonly Parameter[]): Optimizer {
  switch (config.kind) {
    case 'sgd':
      return new Sgd(config, 0, parameters);
    case 'momentum':
      return new Sgd(config, config.momentum, parameters);
    case 'snt-asgd':
      return new SntAsgd(config);
    case 'nt-asgd':
      return new SntAsgd(config, 'wholeAverage');
    case 'asgd': {
      const optimizer = new SntAsgd(config, 'wholeAverage');
      optimizer.beginAveraging(parameters);
      return optimizer;
    }
    case 'adam':
      return new Adam(config, parameters);
  }
}
