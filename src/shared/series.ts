import { z } from 'zod';

/** Curves of metrics: what a chart asks for and what it gets, reduced to what a screen can show. */

/** Metrics that trainers tell, and of which event. */
export const metricNames = [
  'loss', // step
  'gradientNorm', // step
  'learningRate', // step
  'removingRate', // step
  'tokensPerSecond', // step
  'trainingLoss', // evaluation: mean of the epoch
  'validationLoss', // evaluation
  'validationPerplexity', // evaluation
  'testLoss', // finished
  'testPerplexity', // finished
  'elapsedMs', // any of these: training time of all attempts so far
] as const;
export type MetricName = (typeof metricNames)[number];

export const axes = ['step', 'epoch', 'tokens', 'wallTime'] as const;
/** What lies along x: `epoch` is a fraction, `tokens` counts training words, `wallTime` is seconds of training. */
export type Axis = (typeof axes)[number];

export const seriesRequestSchema = z.object({
  runs: z.array(z.string()).max(10_000),
  metric: z.string(),
  axis: z.enum(axes).default('step'),
  /** Most points a line may have. */
  points: z.int().min(4).max(100_000).default(1000),
  /** First and last step to show, where not all. */
  fromStep: z.int().min(0).optional(),
  toStep: z.int().min(0).optional(),
});
export type SeriesRequest = z.input<typeof seriesRequestSchema>;

/** Where a metric was not a finite number: drawn as a mark. */
interface Mark {
  readonly x: number;
  /** The first such step of those that this mark stands for. */
  readonly step: number;
  readonly nan: number;
  readonly plusInfinity: number;
  readonly minusInfinity: number;
}

export interface ReducedSeries {
  readonly run: string;
  /** Ascending, and y at the same place; finite. Each is a point that was measured, none is an average. */
  readonly x: number[];
  readonly y: number[];
  readonly marks: Mark[];
  /** How many values there are in the asked range, finite or not; more than points where it was reduced. */
  readonly values: number;
}
