import type { RunView } from '../../../shared/contract/contract.js';
import { derivedState } from '../../../shared/derived-state.js';
import { UserError } from '../../../shared/errors.js';
import type { DamagedRun } from '../../../shared/run-records.js';
import { databaseFile } from '../../data-folder.js';
import { attach } from '../../owner/join.js';
import { openIfThere } from '../../store/open.js';
import type { ReadableStore } from '../../store/store.js';

/** Runs as they are: from the owner, or where there is none from the database, in which nothing is settled. */
export async function readRuns(trash: boolean): Promise<{ runs: RunView[]; damaged: DamagedRun[] }> {
  const seat = await attach();
  if (seat === undefined) {
    const read = withStore((store) => {
      const { runs, damaged } = store.runs.list({ trash });
      return { runs: runs.map((record) => unattended(store, record)), damaged };
    });
    return read ?? { runs: [], damaged: [] };
  }
  try {
    return await seat.client.runs.list({ trash });
  } finally {
    seat.leave();
  }
}

/** @throws UserError where one of them is not there */
export async function readRunsNamed(ids: readonly string[]): Promise<RunView[]> {
  const seat = await attach();
  if (seat === undefined) {
    const views = withStore((store) => ids.map((id) => unattended(store, store.runs.get(id))));
    if (views !== undefined) return views;
    throw new UserError(`${ids.join(', ')}: there is no run in ${databaseFile()} yet`);
  }
  try {
    const views: RunView[] = [];
    for (const id of ids) views.push(await seat.client.runs.get({ id }));
    return views;
  } finally {
    seat.leave();
  }
}

/** Reads the database, whoever owns it; nothing is settled. Undefined where there is none yet. */
export function withStore<T>(work: (store: ReadableStore) => T): T | undefined {
  const store = openIfThere(databaseFile());
  if (store === undefined) return undefined;
  try {
    return work(store);
  } finally {
    store.close();
  }
}

/** A run that nobody trains: there is no owner. */
function unattended(store: ReadableStore, record: RunView['record']): RunView {
  const ahead = store.queue.entries().findIndex(({ run }) => run === record.id);
  return { record, state: derivedState(record, { ahead: Math.max(0, ahead) }) };
}
