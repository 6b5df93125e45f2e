import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { clientOver } from '../../src/shared/contract/client.js';
import { UserError } from '../../src/shared/errors.js';
import type { Wire } from '../../src/shared/contract/wire.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** To a process that rests: the connection stands, and nothing comes. */
const silent: Wire = {
  send: () => undefined,
  onMessage: () => undefined,
  onClose: () => undefined,
  close: () => undefined,
};

test.each([
  ['a call', 60_000, undefined],
  ['a wait for news', 30_000, 20_000],
])('%s that is not answered ends after %i ms', async (_, boundMs, waitMs) => {
  const client = clientOver(silent, () => new UserError('it rests'));
  const call = waitMs === undefined ? client.now({}) : client.news({ after: 0, waitMs });
  let ended: unknown;
  call.catch((error: unknown) => {
    ended = error;
  });
  await vi.advanceTimersByTimeAsync(boundMs - 1000);
  expect(ended).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1500);
  expect(ended).toEqual(new UserError('it rests'));
  expect(vi.getTimerCount()).toBe(0);
});
