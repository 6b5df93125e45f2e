import { afterEach, beforeEach, expect, test } from 'vitest';
import { outcome, train } from '../support/small-run.js';
import { gone, Home, slowSteps, Sparrow, sparrow, trainerOf } from '../support/sparrow.js';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(async () => {
  await home.end();
  home.remove();
});

const slow = slowSteps(15);
const endless = ['--set', 'training.epochs=100000'];

async function stateOf(id: string): Promise<string | undefined> {
  const { stdout } = await sparrow(home, ['runs', '--json']);
  return (JSON.parse(stdout) as { id: string; state: string }[]).find((run) => run.id === id)?.state;
}

test('a trainer that hung when its owner was killed is ended by the next owner, and its run goes on', async () => {
  const owner = new Sparrow(home, train('hung'), slow);
  await owner.event(({ type }) => type === 'checkpoint');
  const trainer = trainerOf(home.run('hung-1'))!;
  process.kill(trainer, 'SIGSTOP');
  try {
    owner.process.kill('SIGKILL');
    await owner.ended;
    expect(await sparrow(home, ['resume', 'hung-1', '--json'])).toMatchObject({ status: 0, stderr: '' });
    await gone(trainer);
    expect(outcome(home.run('hung-1')).story.at(-1)?.type).toBe('finished');
  } finally {
    if (trainerOf(home.run('hung-1')) === trainer) process.kill(trainer, 'SIGKILL');
  }
});

test('a command that is interrupted while its owner dies trains nothing when it becomes the owner', async () => {
  const owner = new Sparrow(home, [...train('doomed'), ...endless], slow);
  await owner.event(({ type }) => type === 'step');
  const guest = new Sparrow(home, [...train('sweep'), '--set', 'seed=[1,2]'], slow);
  await expect.poll(() => stateOf('sweep-2'), { timeout: 20_000 }).toBe('queued');
  owner.process.kill('SIGSTOP'); // so that it cannot answer the guest
  guest.process.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 300));
  owner.process.kill('SIGKILL');
  expect((await guest.ended).status).toBe(130);
  expect(guest.events).toEqual([]);
  expect([await stateOf('sweep-1'), await stateOf('sweep-2')]).toEqual(['stopped', 'stopped']);
});
