import { Command } from 'commander';
import type { RunView } from '../../../shared/contract/contract.js';
import { UserError } from '../../../shared/errors.js';
import { isLive } from '../../../shared/run-state.js';
import { readRuns } from './read-runs.js';
import { withSession } from './session.js';
import { percent, table } from './text.js';

/** `sparrow queue [--json] | queue move ID... [--before ID | --last]` */
export function queueCommand(): Command {
  const queue = new Command('queue')
    .description(
      'List what is being trained and what waits, in the order in which it begins; "sparrow stop" takes out.',
    )
    .option('--json', 'the ids of those that wait, as a JSON array')
    .action(async ({ json }: { json?: true }) => {
      const { runs } = await readRuns(false);
      const waiting = runs.filter(({ state }) => state.state === 'queued').sort((a, b) => aheadOf(a) - aheadOf(b));
      if (json === true) process.stdout.write(`${JSON.stringify(waiting.map(({ record }) => record.id))}\n`);
      else
        process.stdout.write(
          listing(
            runs.filter(({ state }) => isLive(state)),
            waiting,
          ),
        );
    });
  queue
    .command('move')
    .description('Have runs that wait begin first, or before another one, or last.')
    .argument('<id...>', 'the runs, in the order in which they are to begin')
    .option('--before <id>', 'which they are to begin')
    .option('--last', 'after all others')
    .action(async (ids: string[], { before, last }: { before?: string; last?: true }) => {
      if (before !== undefined && last === true)
        throw new UserError('--before and --last exclude each other: choose one');
      await withSession(({ client }) =>
        client.queue.reorder({ ids, ...(last === true ? { before: null } : before === undefined ? {} : { before }) }),
      );
    });
  return queue;
}

function aheadOf({ state }: RunView): number {
  return state.state === 'queued' ? state.ahead : 0;
}

function listing(live: readonly RunView[], waiting: readonly RunView[]): string {
  const row = (place: string, { record: { id, config }, state }: RunView) => [
    place,
    id,
    state.state,
    config.method.kind,
    percent(config.method.density),
    config.corpus.name,
  ];
  const rows = [...live.map((view) => row('', view)), ...waiting.map((view, i) => row(String(i + 1), view))];
  return rows.length === 0 ? '' : table([['', 'run', 'state', 'method', 'density', 'corpus'], ...rows]);
}
