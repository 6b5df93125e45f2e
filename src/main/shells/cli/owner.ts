import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { join } from '../../owner/join.js';
import { tell } from './tell.js';

const lookMs = 250;
/** So long nobody may be attached and nothing under way before it ends. */
const lingerMs = 3000;

/**
 * `sparrow owner`: owns the data folder in the background, for runs whose commands do not wait for them, and ends when there
 * is nothing left to do. Started by other commands; where there is an owner already it ends at once.
 */
export function ownerCommand(): Command {
  return new Command('owner').description('Own the data folder until its queue is empty.').action(async () => {
    const seat = await join();
    if (seat.kind === 'guest') {
      seat.leave();
      return;
    }
    const { owner } = seat;
    owner.workbench.scheduler.start(tell);
    const asked = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        asked.abort();
      });
    }
    for (let idleMs = 0; idleMs < lingerMs && !asked.signal.aborted; idleMs += lookMs) {
      await sleep(lookMs);
      if (!owner.workbench.scheduler.idle || owner.guests > 0) idleMs = 0;
    }
    await owner.close(() => true); // whoever owns the folder next goes on with what is under way
  });
}
