import type { Attempt, RunRecord } from './run-records.js';
import type { RunState, TrainerEnd, TrainerState } from './run-state.js';

/**
 * What a run is doing: what its process says, if there is one that answers; else whether it waits; else how its last attempt
 * ended. A row never says that a run is running.
 *
 * @param live what the supervisor of its trainer says, undefined where there is no process
 * @param ahead runs that are to begin before it, if it waits
 * @returns undefined for a run that was never started and does not wait to be
 */
export function derivedState(
  record: Pick<RunRecord, 'queued' | 'attempts' | 'progress'>,
  live: TrainerState | undefined,
  ahead = 0,
): RunState | undefined {
  if (live !== undefined) return live;
  if (record.queued !== null) return { state: 'queued', ahead };
  const attempt = record.attempts.at(-1);
  if (attempt === undefined) return undefined;
  return attempt.end ?? unseenEnd(record.progress.lastEvent);
}

/** How an attempt ended whose end nobody was there to see. */
export function unseenEnd(lastEvent: string | null): TrainerEnd {
  if (lastEvent === 'finished' || lastEvent === 'stopped') return { state: lastEvent };
  if (lastEvent === 'failed') return { state: 'failed', error: 'it failed, and what it said is lost', begun: true };
  return { state: 'interrupted', reason: 'Sparrow ended while it was training' };
}

/** Wall time of training over all attempts, pauses left out. */
export function trainingMs(attempts: readonly Attempt[]): number {
  return attempts.reduce((sum, { started, last, pausedMs }) => sum + Math.max(0, last - started - pausedMs), 0);
}
