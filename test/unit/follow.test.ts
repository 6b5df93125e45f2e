import { expect, test } from 'vitest';
import { follow } from '../../src/main/shells/cli/follow.js';
import type { Session } from '../../src/main/shells/cli/session.js';
import { ConnectionLost } from '../../src/shared/contract/errors.js';
import { UserError } from '../../src/shared/errors.js';
import type { RunState } from '../../src/shared/run-state.js';

/** A session whose owner dies at once; the next one tells these states in turn and refuses to resume the run. */
function orphaned(states: readonly RunState[]) {
  const asked: string[] = [];
  let told = -1;
  const client = {
    news: () => {
      if (told === -1) {
        told = 0;
        return Promise.reject(new ConnectionLost());
      }
      const state = states[Math.min(told++, states.length - 1)];
      return Promise.resolve({
        events: [],
        cursor: 0,
        more: false,
        gone: [],
        version: `v-${told}`,
        states: { 'a-1': state },
      });
    },
    runs: {
      resume: ({ id }: { id: string }) => {
        asked.push(id);
        return Promise.reject(new UserError(`${id} is starting already`));
      },
    },
  };
  return { session: { client, rejoin: () => Promise.resolve() } as unknown as Session, asked };
}

test('of two that follow a run whose owner died, the one that comes second reads on', async () => {
  const interrupted: RunState = { state: 'interrupted', reason: 'the command that trained it is gone' };
  const { session, asked } = orphaned([interrupted, { state: 'running' }, { state: 'finished' }]);
  const end = await follow(session, 'a-1', 0, { goOn: () => true });
  expect(end).toEqual({ state: 'finished' });
  expect(asked).toEqual(['a-1']);
});

test('a run that nobody can resume is told as it is, and is not asked for again', async () => {
  const interrupted: RunState = { state: 'interrupted', reason: 'the command that trained it is gone' };
  const { session, asked } = orphaned([interrupted]);
  expect(await follow(session, 'a-1', 0, { goOn: () => true })).toEqual(interrupted);
  expect(asked).toEqual(['a-1']);
});
