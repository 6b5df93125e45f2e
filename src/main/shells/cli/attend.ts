import { assertNever, UserError } from '../../../shared/errors.js';
import type { RunEvent } from '../../../shared/run-events.js';
import type { RunState, TrainerEnd } from '../../../shared/run-state.js';
import { followToEnd } from './follow.js';
import { barProgress, jsonProgress, lineProgress, type Progress } from './progress.js';
import type { Session } from './session.js';
import { exitStatusOf, Signals } from './signals.js';
import { summary } from './summary.js';
import { tell } from './tell.js';

export interface AttendOptions {
  readonly json: boolean;
  /** Whether this command has made the runs: one that never begins is deleted again. */
  readonly created: boolean;
  /** From where on to tell events. */
  readonly cursor: number;
}

/** Shows how runs go, one after the other, stops them on Ctrl+C, and leaves the exit status behind. */
export async function attend(session: Session, ids: readonly string[], options: AttendOptions): Promise<void> {
  let progress: Progress | undefined;
  const left = [...ids];
  const signals = new Signals(
    session,
    () => left,
    () => progress?.interrupt('sparrow: stopping at the next step and writing a checkpoint'),
  );
  for (const id of ids) {
    const shown = (progress = progressFor(id, options.json));
    let begun = !options.created;
    const end = await followToEnd(session, id, options.cursor, {
      onEvent: (event: RunEvent) => {
        begun = true;
        shown.show(event);
        if (event.type === 'paused') signals.paused();
      },
      onState: (state: RunState) => {
        if (state.state === 'queued') shown.wait(state.ahead);
      },
      goOn: () => signals.first === undefined,
    });
    shown.stop();
    left.shift();
    try {
      await conclude(session, id, end, { ...options, begun, signal: signals.first });
    } catch (error) {
      if (ids.length === 1) throw error;
      tell(error); // the others of a sweep go on
      process.exitCode = 1;
    }
  }
}

function progressFor(run: string, json: boolean): Progress {
  if (json) return jsonProgress(run);
  const drawable = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  return drawable ? barProgress(run) : lineProgress(run);
}

/** What is left to say and the exit status. */
async function conclude(
  session: Session,
  id: string,
  end: TrainerEnd,
  { json, begun, signal }: AttendOptions & { readonly begun: boolean; readonly signal: NodeJS.Signals | undefined },
): Promise<void> {
  const resume = `go on with "sparrow resume ${id}"`;
  switch (end.state) {
    case 'finished':
      if (!json) process.stdout.write(summary(id, await eventsOf(session, id)));
      return;
    case 'stopped':
      process.stderr.write(
        `sparrow: ${id} ${begun ? 'is stopped and checkpointed' : 'was stopped before it began'}: ${resume}\n`,
      );
      process.exitCode = exitStatusOf(signal ?? 'SIGTERM');
      return;
    case 'failed':
      if (!begun && !end.begun) await session.client.runs.discard({ id });
      throw errorOf(end);
    case 'interrupted': {
      const text = `${id} was interrupted: ${end.reason}; ${resume}`;
      if (signal === undefined) throw new UserError(text);
      process.stderr.write(`sparrow: ${text}\n`);
      process.exitCode = exitStatusOf(signal);
      return;
    }
    default:
      assertNever(end);
  }
}

async function eventsOf(session: Session, id: string): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (let after = 0; ;) {
    const news = await session.client.news({ runs: [id], after, limit: 1000 });
    events.push(...news.events.map(({ event }) => event));
    if (!news.more) return events;
    after = news.cursor;
  }
}

function errorOf({ error: message, stack }: Extract<TrainerEnd, { state: 'failed' }>): Error {
  if (stack === undefined || stack === '') return new UserError(message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}
