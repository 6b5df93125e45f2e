/** Numbers and times as the window shows them. */
export { bytes, integer, nats, percent, perplexity } from '../../shared/text';
import { integer } from '../../shared/text';

/** Ticks and tooltips: 0.000125, 12.5, 1,250, 1.3e9 */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-4)) return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  if (size >= 1000) return integer(value);
  return String(Number(value.toPrecision(4)));
}

/** 1234567 -> 1.23 M */
export function magnitude(value: number): string {
  const unit = [
    [1e18, 'E'],
    [1e15, 'P'],
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ].find(([size]) => value >= Number(size));
  return unit === undefined ? integer(value) : `${(value / Number(unit[0])).toPrecision(3)} ${unit[1]}`;
}

/** 83000 -> 1 min 23 s */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** What is left, as rough as it is known. */
export function remaining(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

const stamp = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** 24 Nov 2026, 14:05 */
export function dateAndTime(time: number): string {
  return stamp.format(time);
}

/** 14:05:09 */
export function timeOfDay(time: number): string {
  return clock.format(time);
}

export function orDash<T>(value: T | null | undefined, format: (value: T) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}
