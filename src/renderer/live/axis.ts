import type { Axis } from '../../shared/series';
import { duration, shortNumber } from '../parts/format';

export const axisNames: Readonly<Record<Axis, string>> = {
  step: 'step',
  epoch: 'epoch',
  tokens: 'words seen',
  wallTime: 'training time',
  flops: 'training FLOPs',
};

/** Wall time is in seconds. */
export function axisFormat(axis: Axis): (value: number) => string {
  return axis === 'wallTime'
    ? (seconds) => (seconds < 10 ? `${Number(seconds.toFixed(1))} s` : duration(seconds * 1000))
    : shortNumber;
}
