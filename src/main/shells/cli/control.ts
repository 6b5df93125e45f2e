import { Command } from 'commander';
import { UserError } from '../../../shared/errors.js';
import { isEnd, isLive } from '../../../shared/run-state.js';
import { attach, type GuestSeat } from '../../owner/join.js';
import { cursorNow, follow } from './follow.js';
import { withSession } from './session.js';
import { bytes } from './text.js';

/** `sparrow stop ID [--now]` */
export function stopCommand(): Command {
  return new Command('stop')
    .description('Checkpoint a run and stop it, or take it out of the queue.')
    .argument('<id>', 'the run')
    .option('--now', 'without a checkpoint')
    .action(async (id: string, { now }: { now?: true }) => {
      await withSession(async (session) => {
        const cursor = await cursorNow(session.client);
        await session.client.runs.stop({ id, now: now === true });
        const end = await follow(session, id, cursor, {});
        if (end.state === 'failed') throw new UserError(`${id} has failed: ${end.error}`);
        const how = end.state === 'interrupted' ? `interrupted: ${end.reason}` : end.state;
        process.stdout.write(`${id} is ${how}\n`);
      });
    });
}

/** `sparrow pause ID` */
export function pauseCommand(): Command {
  return new Command('pause')
    .description('Checkpoint a run and let it rest where it is; "sparrow resume" goes on.')
    .argument('<id>', 'the run')
    .action(async (id: string) => {
      const { client, leave } = await attachedTo(id);
      try {
        await client.runs.pause({ id });
        for (let version = ''; ;) {
          const news = await client.news({ runs: [id], after: Number.MAX_SAFE_INTEGER, version, waitMs: 20_000 });
          version = news.version;
          if (news.gone.includes(id)) throw new UserError(`${id} was deleted`);
          if (!Object.hasOwn(news.states, id)) continue;
          const state = news.states[id];
          if (state.state === 'paused') break;
          if (isEnd(state)) throw new UserError(`${id} is ${state.state}: it has ended before it could rest`);
        }
        process.stdout.write(`${id} is paused\n`);
      } finally {
        leave();
      }
    });
}

/** `sparrow rm ID... [--restore | --purge]` */
export function removeCommand(): Command {
  return new Command('rm')
    .description('Put runs into the trash, take them out again, or delete them for good.')
    .argument('<id...>', 'the runs')
    .option('--restore', 'out of the trash')
    .option('--purge', 'delete what is in the trash for good, with its checkpoints')
    .action(async (ids: string[], { restore, purge }: { restore?: true; purge?: true }) => {
      if (restore === true && purge === true)
        throw new UserError('--restore and --purge exclude each other: choose one');
      const names = ids.join(', ');
      await withSession(async ({ client }) => {
        if (restore === true) {
          await client.runs.restore({ ids });
          process.stdout.write(`restored ${names}\n`);
        } else if (purge === true) {
          const { freedBytes } = await client.runs.purge({ ids });
          process.stdout.write(`deleted ${names}: ${bytes(freedBytes)} freed\n`);
        } else {
          await client.runs.trash({ ids });
          process.stdout.write(
            `put ${names} into the trash: "sparrow rm --restore" takes it out, --purge deletes it\n`,
          );
        }
      });
    });
}

async function attachedTo(id: string): Promise<GuestSeat> {
  const seat = await attach();
  if (seat === undefined) throw new UserError(`nothing is being trained: there is no run ${id} that could be paused`);
  const { state } = await seat.client.runs.get({ id });
  if (isLive(state)) return seat;
  seat.leave();
  throw new UserError(`${id} is ${state.state}: only a run that is being trained can be paused`);
}
