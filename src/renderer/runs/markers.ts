import type { Marker } from '../charts/curves';
import { interpolation } from '../../shared/axes';
import type { StoredEvent } from '../../shared/run-records';
import type { Axis, ReducedSeries } from '../../shared/series';

/**
 * What happened to a run, on the axis of its curves: topology updates as ticks, the start of averaging and resumptions with
 * their word.
 * @param curve by which steps are placed in time
 */
export function markersOf(events: readonly StoredEvent[], axis: Axis, curve: ReducedSeries | undefined): Marker[] {
  const place = placeOn(axis, events, curve);
  if (place === undefined) return [];
  return events.flatMap(({ event }): Marker[] => {
    switch (event.type) {
      case 'sparsity':
        return event.update === 0 ? [] : [{ x: place(event.step) }];
      case 'averaging':
        return [{ x: place(event.step), word: event.cause === 'restart' ? 'averages anew' : 'averaging begins' }];
      case 'started':
        return event.resumedFrom === null ? [] : [{ x: place(event.resumedFrom), word: 'resumed' }];
      case 'failed':
        return curve?.lastStep == null ? [] : [{ x: place(curve.lastStep), word: 'failed' }];
      default:
        return [];
    }
  });
}

/** Undefined where it is not known yet. */
function placeOn(
  axis: Axis,
  events: readonly StoredEvent[],
  curve: ReducedSeries | undefined,
): ((step: number) => number) | undefined {
  if (axis === 'step') return (step) => step;
  const started = events.find(({ event }) => event.type === 'started')?.event;
  if (started?.type !== 'started') return undefined;
  if (axis === 'epoch') return (step) => step / started.stepsPerEpoch;
  const last = curve?.lastStep;
  if (curve === undefined || last == null || last === 0 || curve.x.length === 0) return undefined;
  // Steps take about the same time each: good enough for a mark.
  return interpolation([
    { step: 0, value: 0 },
    { step: last, value: curve.x.at(-1)! },
  ]);
}
