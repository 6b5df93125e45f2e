import type { RunState } from '../../shared/run-state';
import type { RunTableRow } from '../../shared/run-table';
import { useWorkbench } from '../live/workbench';
import { useNotices } from '../stores/notices';
import { useRuns } from '../stores/runs';

/** What can be done with a run in a state, in the order of buttons. */
export const deeds = ['pause', 'continue', 'resume', 'stop', 'trash'] as const;
export type Deed = (typeof deeds)[number];

const possible: Readonly<Record<Deed, readonly RunState['state'][]>> = {
  pause: ['running'],
  continue: ['paused', 'pausing'],
  resume: ['stopped', 'interrupted', 'failed'],
  stop: ['queued', 'starting', 'running', 'pausing', 'paused'],
  trash: ['queued', 'stopped', 'finished', 'interrupted', 'failed'],
};

export const deedWords: Readonly<Record<Deed, string>> = {
  pause: 'Pause',
  continue: 'Continue',
  resume: 'Resume',
  stop: 'Stop',
  trash: 'Move to trash',
};

export function canDo(deed: Deed, state: RunState['state']): boolean {
  return possible[deed].includes(state);
}

/** Does things with runs, says what was done, and offers to take it back where that is possible. */
export function useRunActions() {
  const { client } = useWorkbench();
  const notices = useNotices();
  const runs = useRuns();

  /** Does it with those of the runs that it can be done with. */
  async function act(deed: Deed, rows: readonly Pick<RunTableRow, 'id' | 'name' | 'state'>[]): Promise<void> {
    const fit = rows.filter(({ state }) => canDo(deed, state));
    if (fit.length === 0) return;
    if (deed === 'trash') {
      await trash(fit);
      return;
    }
    await notices.attempt(() =>
      Promise.all(fit.map(({ id }) => (deed === 'resume' ? client.runs.resume({ id }) : client.runs[deed]({ id })))),
    );
  }

  async function trash(rows: readonly Pick<RunTableRow, 'id' | 'name'>[]): Promise<void> {
    const ids = rows.map(({ id }) => id);
    await notices.attempt(() => client.runs.trash({ ids }), `${named(rows)} moved to the trash`, {
      word: 'Undo',
      run: () => void restore(ids),
    });
  }

  async function restore(ids: readonly string[]): Promise<void> {
    await notices.attempt(async () => {
      await client.runs.restore({ ids: [...ids] });
      await runs.readAll();
    });
  }

  return { act, restore };
}

/** One run by its name, several by their number. */
export function named(rows: readonly { readonly name: string }[]): string {
  return rows.length === 1 ? rows[0].name : `${rows.length} runs`;
}
