import type { RunEvent, RunEventOf } from '../../shared/run-events.js';
import type { MetricName } from '../../shared/series.js';

/** The metrics in an event, without `elapsedMs`, which the clock adds to each that has some. */
export function metricsOf(event: RunEvent): readonly (readonly [name: MetricName, value: number])[] {
  switch (event.type) {
    case 'step':
      return [
        ['loss', event.loss],
        ['gradientNorm', event.gradientNorm],
        ['learningRate', event.learningRate],
        ['removingRate', event.removingRate],
        ['tokensPerSecond', event.tokensPerSecond],
        ...flopsIn(event),
      ];
    case 'evaluation':
      return [
        ['trainingLoss', event.trainingLoss],
        ['validationLoss', event.loss],
        ['validationPerplexity', event.perplexity],
        ...flopsIn(event),
      ];
    case 'finished':
      return [
        ['testLoss', event.testLoss],
        ['testPerplexity', event.testPerplexity],
      ];
    default:
      return [];
  }
}

function flopsIn({ flops }: RunEventOf<'step' | 'evaluation'>): [name: MetricName, value: number][] {
  if (flops === undefined) return [];
  return [
    ['flops', flops.training],
    ['flopsOfDense', flops.training / flops.dense],
  ];
}

/** The step an event belongs to, or null. */
export function stepOf(event: RunEvent): number | null {
  return 'step' in event ? event.step : null;
}

/** How a value is stored; see `metrics.kind`. */
export function kindOf(value: number): 0 | 1 | 2 | 3 {
  if (Number.isFinite(value)) return 0;
  if (Number.isNaN(value)) return 1;
  return value > 0 ? 2 : 3;
}

const values = [undefined, NaN, Infinity, -Infinity];

/** The reverse of `kindOf`. */
export function valueOf(value: unknown, kind: unknown): number {
  return kind === 0 ? Number(value) : (values[Number(kind)] ?? NaN);
}
