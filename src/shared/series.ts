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
  'flops', // step, evaluation: of training so far
  'flopsOfDense', // step, evaluation: the same as a share of what it would be without masks
  'elapsedMs', // any of these: training time of all attempts so far
] as const;
export type MetricName = (typeof metricNames)[number];

export const axes = ['step', 'epoch', 'tokens', 'wallTime', 'flops'] as const;
/** What lies along x: `epoch` is a fraction, `tokens` counts training words, `wallTime` is seconds and `flops` FLOPs of training. */
export type Axis = (typeof axes)[number];

/** Of one request. Each line may have some hundred points more than the store would like, however many there are. */
const mostLines = 2000;

export const seriesRequestSchema = z
  .strictObject({
    runs: z.array(z.string()),
    metrics: z.array(z.string()).min(1).max(20),
    axis: z.enum(axes).default('step'),
    /** Most points a line may have. */
    points: z.int().min(4).max(100_000).default(1000),
    /** First and last step to show, where not all. */
    fromStep: z.int().min(0).optional(),
    toStep: z.int().min(0).optional(),
  })
  .refine(({ runs, metrics }) => runs.length * metrics.length <= mostLines, {
    path: ['runs'],
    error: `must be fewer: runs times metrics are lines, of which there may be ${mostLines} at most`,
  });
export type SeriesRequest = z.input<typeof seriesRequestSchema>;

const reducedSeriesSchema = z.object({
  run: z.string(),
  metric: z.string(),
  /** Ascending, and y at the same place; finite. Each is a point that was measured, none is an average. */
  x: z.array(z.number()),
  y: z.array(z.number()),
  /** Where the metric was not a finite number: drawn as a mark, at the first such step of those that it stands for. */
  marks: z.array(
    z.object({
      x: z.number(),
      step: z.int(),
      nan: z.int(),
      plusInfinity: z.int(),
      minusInfinity: z.int(),
    }),
  ),
  /** How many values there are in the asked range, finite or not; more than points where it was reduced. */
  values: z.int(),
  /** The last step there is of the metric, in range or not, or null: a line is continued from the one after it. */
  lastStep: z.int().nullable(),
});
export type ReducedSeries = z.output<typeof reducedSeriesSchema>;

export const seriesAnswerSchema = z.object({
  /** Of the newest event in these lines: the news after it continue them. */
  cursor: z.int().min(0),
  /** One for each run and metric, in the order asked for, the metrics of a run together; empty where it has none. */
  lines: z.array(reducedSeriesSchema),
});
export type SeriesAnswer = z.output<typeof seriesAnswerSchema>;
