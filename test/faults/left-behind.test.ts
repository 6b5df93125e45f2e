import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { outcome, train } from '../support/small-run.js';
import { gone } from '../support/process.js';
import { eventsOf, Home, ownerOf, slowSteps, Sparrow, sparrow, statesOf, trainerOf } from '../support/sparrow.js';

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

const stateOf = async (id: string) => (await statesOf(home))[id];

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
  await expect.poll(() => stateOf('sweep-2'), { timeout: 60_000 }).toBe('queued');
  owner.process.kill('SIGSTOP'); // so that it cannot answer the guest
  guest.process.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 300));
  owner.process.kill('SIGKILL');
  expect((await guest.ended).status).toBe(130);
  expect(guest.events).toEqual([]);
  expect([await stateOf('sweep-1'), await stateOf('sweep-2')]).toEqual(['stopped', 'stopped']);
});

test.runIf(process.platform === 'linux')(
  'Ctrl+Z of an owner checkpoints what it trains for others before it rests',
  async () => {
    await sparrow(home, [...train('other'), ...endless, '--detach'], slow);
    await expect.poll(() => trainerOf(home.run('other-1')), { timeout: 60_000 }).toBeDefined();
    const background = ownerOf(home)!;
    process.kill(background, 'SIGTERM'); // leaves the run in the queue
    await gone(background);
    const owner = new Sparrow(home, train('own'), slow);
    await expect.poll(() => stateOf('other-1'), { timeout: 60_000 }).toBe('running');
    expect(await stateOf('own-1')).toBe('queued');
    owner.process.kill('SIGTSTP');
    const rests = () => /^\d+ \(.*\) T /.test(readFileSync(`/proc/${owner.process.pid}/stat`, 'utf8'));
    await expect.poll(rests, { timeout: 60_000 }).toBe(true);
    const told = eventsOf(home.run('other-1'));
    expect(told.slice(-2).map(({ type }) => type)).toEqual(['checkpoint', 'paused']);
    owner.process.kill('SIGCONT');
    await expect.poll(() => eventsOf(home.run('other-1')).length, { timeout: 60_000 }).toBeGreaterThan(told.length);
    await sparrow(home, ['stop', 'other-1']);
    expect((await owner.ended).status).toBe(0);
  },
);
