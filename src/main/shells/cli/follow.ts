import type { Client } from '../../../shared/contract/client.js';
import { ConnectionLost } from '../../../shared/contract/errors.js';
import { UserError } from '../../../shared/errors.js';
import type { RunEvent } from '../../../shared/run-events.js';
import { isEnd, type RunState, type TrainerEnd } from '../../../shared/run-state.js';
import type { Session } from './session.js';

export interface FollowOptions {
  readonly onEvent?: (event: RunEvent) => void;
  readonly onState?: (state: RunState) => void;
  /** Whether the run is to go on if its owner dies. */
  readonly goOn?: () => boolean;
  /** Ends the following where it returns true. */
  readonly until?: (state: RunState) => boolean;
}

const waitMs = 20_000;

/** Where to begin to follow what will be asked for next. */
export async function cursorNow(client: Client): Promise<number> {
  return (await client.now({})).cursor;
}

/**
 * Tells what happens in a run from a cursor on, until it has ended. When the owner dies, this command finds or becomes the
 * next one and has the run resumed.
 */
export async function follow(session: Session, id: string, cursor: number, options: FollowOptions): Promise<RunState> {
  let version = '';
  let after = cursor;
  let orphaned = false;
  let state: RunState | undefined;
  for (;;) {
    try {
      const news = await session.client.news({ runs: [id], after, version, waitMs });
      ({ version, cursor: after } = news);
      for (const { event } of news.events) options.onEvent?.(event);
      if (news.gone.includes(id)) throw new UserError(`${id} was deleted`);
      if (Object.hasOwn(news.states, id)) state = news.states[id];
      if (news.more || state === undefined) continue;
      options.onState?.(state);
      if (orphaned && state.state === 'interrupted' && options.goOn?.() === true) {
        await resumeOrphan(session.client, id);
      } else if (isEnd(state) || options.until?.(state) === true) {
        return state;
      }
      orphaned = false;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      orphaned = true;
      await session.rejoin();
    }
  }
}

/** Of several that follow it one is the first; the others read on, and what refused them is told as the run's state. */
async function resumeOrphan(client: Client, id: string): Promise<void> {
  try {
    await client.runs.resume({ id });
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof ConnectionLost) throw error;
  }
}

/** The same for a run that will end. */
export async function followToEnd(
  session: Session,
  id: string,
  cursor: number,
  options: Omit<FollowOptions, 'until'>,
): Promise<TrainerEnd> {
  const state = await follow(session, id, cursor, options);
  if (isEnd(state)) return state;
  throw new Error(`${id} is ${state.state} and no longer followed`);
}
