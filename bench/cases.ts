import { modelKindNames, type ModelKindName } from '../src/shared/model-config.js';

/** What is timed: a step of a model in the setting that all have in common. */
export interface Step {
  /** A stack of LSTM layers unless it says otherwise. */
  readonly model?: ModelKindName;
  readonly hidden: number;
  /** 1 is a dense run. */
  readonly density: number;
}

/** A row of the table: a model of two LSTM layers, and how much faster and smaller than its peer its training step must be. */
export interface Case extends Step {
  readonly id: string;
  /** Least ratio of the peer's time to ours, with the exact norm of the dense gradient. */
  readonly must: number;
  /** The ratio we would like. */
  readonly reach: number;
  /** Largest ratio of our peak memory to the peer's. */
  readonly memory?: number;
}

export const cases: readonly Case[] = [
  { id: '1500-0.33', hidden: 1500, density: 0.33, must: 1.5, reach: 2, memory: 0.6 },
  { id: '1500-0.10', hidden: 1500, density: 0.1, must: 3.5, reach: 5, memory: 0.4 },
  { id: '650-0.33', hidden: 650, density: 0.33, must: 1.1, reach: 1.5 },
  { id: '650-0.10', hidden: 650, density: 0.1, must: 2, reach: 3 },
  { id: '200-0.33', hidden: 200, density: 0.33, must: 1.3, reach: 2 },
  { id: '1500-dense', hidden: 1500, density: 1, must: 1 / 1.25, reach: 1 },
];

/** What all of them have in common, the peer's defaults. */
export const setting = { vocabulary: 10_000, layers: 2, batch: 20, bptt: 35, threads: 2 } as const;

/** A row of the table of models. */
export type ModelCase = Required<Step>;

/** One of each model, all of one size: they are told apart by their cells and heads, and have no bars. */
export const modelCases: readonly ModelCase[] = modelKindNames.map((model) => ({ model, hidden: 650, density: 0.33 }));

/** Which gradient is measured for clipping; the bars are for the first. */
const norms = ['all', 'sketched', 'active'] as const;
export type Norm = (typeof norms)[number];

/** A dense run has no inactive weights: there all norms are the same. */
export function normsOf({ density }: Step): readonly Norm[] {
  return density === 1 ? ['all'] : norms;
}

export function titleOf({ model, hidden, density }: Step): string {
  const size = density === 1 ? `hidden ${hidden}, dense` : `hidden ${hidden}, density ${density.toFixed(2)}`;
  return model === undefined ? size : `${model}, ${size}`;
}
