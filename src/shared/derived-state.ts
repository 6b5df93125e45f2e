import type { RunRecord } from './run-records.js';
import type { RunState, TrainerEnd, TrainerState } from './run-state.js';

/** What is known beside the database. */
export interface Known {
  /** Of the run's trainer, if one answers. */
  readonly live?: TrainerState | undefined;
  /** Runs that are to begin before it, if it waits. */
  readonly ahead?: number;
}

/**
 * The state of a run: it is running because its trainer answers, never because a row says so. An attempt that nobody saw
 * end has ended all the same: as its last event says, or by force.
 */
export function derivedState(record: RunRecord, { live, ahead = 0 }: Known): RunState {
  if (live !== undefined) return live;
  if (record.queued !== null) return { state: 'queued', ahead };
  const attempt = record.attempts.at(-1);
  if (attempt === undefined) return { state: 'stopped' };
  if (attempt.end !== null) return attempt.end;
  return unseenEnd(attempt.last > attempt.started ? record.progress.lastEvent : null);
}

/** How an attempt ended that nobody saw end, from the type of the last event it told. */
export function unseenEnd(lastEvent: string | null): TrainerEnd {
  if (lastEvent === 'finished' || lastEvent === 'stopped') return { state: lastEvent };
  return { state: 'interrupted', reason: 'the command that trained it is gone' };
}
