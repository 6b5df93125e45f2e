import type { RunConfig } from '../../shared/run-config.js';
import type { QueueEntry } from '../../shared/run-records.js';

/** What computes a run: runs on one device take turns. All engines that are there share the processor's cores. */
export function deviceOf(config: RunConfig): string {
  switch (config.device.engine) {
    case 'auto':
    case 'native':
    case 'wasm':
      return 'cpu';
  }
}

/**
 * Which of the waiting runs may begin now: in their order, as long as their device has room.
 * @param busy the device of each run that is under way
 */
export function nextRuns(
  waiting: readonly { readonly entry: QueueEntry; readonly device: string }[],
  busy: readonly string[],
  runsPerDevice: number,
): QueueEntry[] {
  const taken = new Map<string, number>();
  const take = (device: string) => taken.set(device, (taken.get(device) ?? 0) + 1);
  for (const device of busy) take(device);
  return waiting
    .filter(({ device }) => {
      if ((taken.get(device) ?? 0) >= runsPerDevice) return false;
      take(device);
      return true;
    })
    .map(({ entry }) => entry);
}
