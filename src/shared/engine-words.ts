import type { RunEventOf } from './run-events.js';

/** An engine in a line: its name, libraries and device with its driver. */
export function engineInWords({ name, version, features, device }: RunEventOf<'started'>['engine']): string {
  const libraries = [version, ...features].join(', ');
  if (device === undefined) return `${name} (${libraries})`;
  const driver = device.driver === null ? '' : `, driver ${device.driver}`;
  return `${name} (${libraries}) on ${device.id} (${device.name}${driver})`;
}
