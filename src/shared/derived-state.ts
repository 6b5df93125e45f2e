import type { RunProgress, RunRecord } from './run-records.js';
import type { RunState, TrainerEnd, TrainerState } from './run-state.js';

/** What is known beside the database. */
export interface Known {
  /** Of the run's trainer, if one answers. */
  readonly live?: TrainerState | undefined;
  /** Runs that are to begin before it, if it waits. */
  readonly ahead?: number;
}

/** What its state is derived from: of the attempts only the last one counts. */
export interface Standing extends Pick<RunRecord, 'id' | 'queued' | 'paused' | 'attempts'> {
  readonly progress: Pick<RunProgress, 'lastEvent' | 'failure'>;
}

/**
 * The state of a run: it is running because its trainer answers, never because a row says so. One that a person has paused
 * is so whether its trainer rests or has gone with its owner. An attempt that nobody saw
 * end has ended all the same: as its last event says, or by force.
 */
export function derivedState(record: Standing, { live, ahead = 0 }: Known): RunState {
  if (live !== undefined) return live;
  if (record.queued !== null) return { state: 'queued', ahead };
  const end = lastEnd(record);
  // It rests without a process, which has gone with its owner.
  if (record.paused !== null && (end.state === 'stopped' || end.state === 'interrupted')) return { state: 'paused' };
  return end;
}

/** How the last attempt ended. */
function lastEnd({ attempts, progress: { lastEvent, failure } }: Standing): TrainerEnd {
  const attempt = attempts.at(-1);
  if (attempt === undefined) return { state: 'stopped' };
  if (attempt.end !== null) return attempt.end;
  // Until it has told something, the run's last event is that of an attempt before.
  return unseenEnd(attempt.from === null || lastEvent === null ? undefined : { type: lastEvent, ...failure });
}

/** What an attempt told last: any event, of which a failure has a message. */
interface LastEvent {
  readonly type: string;
  readonly message?: string;
  readonly stack?: string | undefined;
}

/** How an attempt ended that nobody saw end, from the last event it told, if it told any. */
export function unseenEnd(last: LastEvent | undefined): TrainerEnd {
  switch (last?.type) {
    case 'finished':
    case 'stopped':
      return { state: last.type };
    case 'failed': {
      const { message = 'it is not known why', stack } = last;
      return { state: 'failed', error: message, begun: true, ...(stack === undefined ? {} : { stack }) };
    }
    default:
      return { state: 'interrupted', reason: 'the command that trained it is gone' };
  }
}
