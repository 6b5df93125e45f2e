import type { RunConfig } from '../../shared/run-config.js';

/** Devices on which runs were seen to compute, by the engine that was asked for: what `auto` comes to is known from then on. */
export type SeenDevices = ReadonlyMap<RunConfig['device']['engine'], string>;

/** What computes a run: runs on one device take turns. All engines of the processor share its cores. */
export function deviceOf({ device }: RunConfig, seen: SeenDevices): string {
  return device.id === 'auto' ? (seen.get(device.engine) ?? 'cpu') : device.id;
}

/**
 * Which of the waiting runs may begin now: in their order, as long as their device has room.
 * @param busy the device of each run that is under way
 * @param most how many runs a device takes at a time
 */
export function nextRuns<Waiting extends { readonly device: string }>(
  waiting: Iterable<Waiting>,
  busy: readonly string[],
  most: number,
): Waiting[] {
  const taken = new Map<string, number>();
  const take = (device: string) => taken.set(device, (taken.get(device) ?? 0) + 1);
  for (const device of busy) take(device);
  const next: Waiting[] = [];
  for (const run of waiting) {
    if ((taken.get(run.device) ?? 0) >= most) continue;
    take(run.device);
    next.push(run);
  }
  return next;
}
