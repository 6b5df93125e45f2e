import type { ReducedSeries } from '../../shared/series';

/**
 * A curve of losses in nats as perplexity, their exponential. A loss of a run that diverges may be a number whose exponential
 * is none: there is a mark in its place.
 */
export function perplexityOf(line: ReducedSeries): ReducedSeries {
  const { x, y, marks } = line;
  const values = y.map(Math.exp);
  const isShown = (_: number, i: number) => Number.isFinite(values[i]);
  const overflown = x
    .filter((_, i) => !Number.isFinite(values[i]))
    .map((place) => ({ x: place, step: 0, nan: 0, plusInfinity: 1, minusInfinity: 0 }));
  return { ...line, x: x.filter(isShown), y: values.filter(isShown), marks: [...marks, ...overflown] };
}
