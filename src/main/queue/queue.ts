import type { RunConfig } from '../../shared/run-config.js';

/** All that computes. */
export const devices = ['cpu'] as const;

/** What computes a run: runs on one device take turns. All engines that are there share the processor's cores. */
export function deviceOf(config: RunConfig): (typeof devices)[number] {
  switch (config.device.engine) {
    case 'auto':
    case 'native':
    case 'wasm':
      return 'cpu';
  }
}

/**
 * Which of the waiting runs may begin now: in their order, as long as their device has room. No more of them are looked at
 * than it takes to fill every device.
 * @param busy the device of each run that is under way
 * @param room how many runs each device takes at a time
 */
export function nextRuns<Waiting extends { readonly device: string }>(
  waiting: Iterable<Waiting>,
  busy: readonly string[],
  room: ReadonlyMap<string, number>,
): Waiting[] {
  const taken = new Map<string, number>();
  const take = (device: string) => taken.set(device, (taken.get(device) ?? 0) + 1);
  const hasRoom = (device: string) => (taken.get(device) ?? 0) < (room.get(device) ?? 0);
  for (const device of busy) take(device);
  const next: Waiting[] = [];
  if (![...room.keys()].some(hasRoom)) return next;
  for (const run of waiting) {
    if (!hasRoom(run.device)) continue;
    take(run.device);
    next.push(run);
    if (![...room.keys()].some(hasRoom)) break;
  }
  return next;
}
