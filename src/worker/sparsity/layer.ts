import type { Scores } from './evidence.js';
import type { Gate } from './parameter.js';
import type { Pattern } from './pattern.js';

/** A layer as a method sees it: its shape, its mask and its weights, however they are stored. */
export interface Layer {
  readonly name: string;
  readonly gates: readonly Gate[];
  readonly pattern: Pattern;
  /** Values of the active weights, ascending by position. */
  readonly values: Float32Array;
  /** Active weights each gate had at first: their sum is what the layer has after every update without redistribution. */
  readonly budgets: readonly number[];
  /** What the method asked for of the training steps before the update. */
  readonly scores?: Scores | undefined;
}
