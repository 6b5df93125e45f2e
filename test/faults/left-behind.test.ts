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
