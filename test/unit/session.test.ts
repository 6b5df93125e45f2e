import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { Owner } from '../../src/main/owner/owner.js';
import { askInBackground, Session } from '../../src/main/shells/cli/session.js';
import { temporaryFolder } from './support/temp-folder.js';

vi.mock('node:child_process', async (original) => ({
  ...(await original<object>()),
  spawn: vi.fn(() => ({ unref: () => undefined })), // an owner in the background
}));

beforeEach(() => {
  vi.stubEnv('SPARROW_HOME', temporaryFolder());
  vi.mocked(spawn).mockClear();
});

const config = { name: 'late' };

test('what is asked of an owner that is about to end is asked of the next one', async () => {
  const owner = (await Owner.become())!;
  const guest = await Session.open();
  await owner.workbench.close(() => true);
  const asked = guest.ask((client) => client.runs.create({ configs: [config] }));
  await sleep(300);
  await owner.close(() => true);
  expect(await asked).toEqual({ ids: ['late-1'] });
  await guest.leave();
});

test('a run that is queued with an owner that is there for a moment is not left behind', async () => {
  const passing = await Session.open();
  await askInBackground((client) => client.runs.create({ configs: [config] }));
  expect(spawn).not.toHaveBeenCalled();
  await passing.leave();
  expect(spawn).toHaveBeenCalledTimes(1);
});

test('an owner that is there for a moment leaves alone what waited before', async () => {
  const first = await Session.open();
  await first.client.runs.create({ configs: [config] });
  await first.leave();
  vi.mocked(spawn).mockClear();
  const second = await Session.open();
  await second.leave();
  expect(spawn).not.toHaveBeenCalled();
});
