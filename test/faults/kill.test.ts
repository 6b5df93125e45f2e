import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RandomStream } from '../../src/worker/random/random.js';
import { outcome, train } from '../support/small-run.js';
import { gone, isAlive } from '../support/process.js';
import { eventsOf, Home, isKnown, slowSteps, Sparrow, sparrow, story, trainerOf } from '../support/sparrow.js';

const home = new Home();
afterAll(async () => {
  await home.end();
  home.remove();
});

let undisturbed: ReturnType<typeof outcome>;
beforeAll(async () => {
  const { status, stderr } = await sparrow(home, train('undisturbed'));
  expect(stderr).toBe('');
  expect(status).toBe(0);
  undisturbed = outcome(home.run('undisturbed-1'));
  expect(undisturbed.story.at(-1)?.type).toBe('finished');
});

/** Of what is to be interrupted. */
const slow = slowSteps(15);

/** A moment at which to kill: resolves when it has come. None lets a run get further than one epoch. */
type Moment = (running: Sparrow, random: RandomStream) => Promise<unknown>;

const afterSteps: Moment = async (running, random) => {
  const reports = Math.floor(random.next() * 6);
  let seen = 0;
  await running.event(({ type }) => type === 'step' && seen++ === reports);
};
const atTopologyUpdate: Moment = (running) => running.event((event) => event.type === 'sparsity' && event.update > 0);
const atEvaluation: Moment = (running) => running.event(({ type }) => type === 'evaluation');
const atStart: Moment = (_running, random) => sleep(random.next() * 600);

const moments = [
  ...[afterSteps, atTopologyUpdate, atStart, atEvaluation, afterSteps],
  ...[afterSteps, atStart, atTopologyUpdate, afterSteps, atEvaluation],
];

test('killed with SIGKILL at ten moments and resumed each time, a run ends as one that was never killed', async () => {
  const random = new RandomStream(1, 'language', 99);
  const run = home.run('killed-1');
  let landed = 0;
  for (const [i, moment] of moments.entries()) {
    // Other numbers of threads on the way: they must change nothing.
    const args = isKnown(run) ? ['resume', 'killed-1', '--json', '--threads', String(1 + (i % 2))] : train('killed');
    const running = new Sparrow(home, args, slowSteps(60)); // no attempt gets much further than an epoch
    await moment(running, random);
    const trainer = trainerOf(run);
    // In turn the trainer, the command that watches it, and both at once.
    if (i % 3 !== 0 && trainer !== undefined) process.kill(trainer, 'SIGKILL');
    if (i % 3 !== 1 || trainer === undefined) running.process.kill('SIGKILL');
    const { status } = await running.ended;
    if (status !== 0) landed += 1;
    const orphan = trainerOf(run);
    if (orphan !== undefined) await gone(orphan);
  }
  expect(landed).toBe(moments.length);
  const { status, stderr } = await sparrow(home, ['resume', 'killed-1', '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(outcome(run)).toEqual(undisturbed);
}, 600_000);

test('killed in the middle of any file operation of an epoch, a run ends as one that was never killed', async () => {
  const preload = pathToFileURL(join(import.meta.dirname, '../support/die-in-file-operation.mjs')).href;
  const run = home.run('torn-1');
  // Masks, the weights of the best epoch, the two files of a checkpoint: until the last one is through, each attempt
  // begins where the one before began and gets one operation further.
  for (let moment = 1; moment <= 26; moment++) {
    const environment = { NODE_OPTIONS: `--import=${preload}`, SPARROW_TEST_DIE_AT: String(moment) };
    const args = isKnown(run) ? ['resume', 'torn-1', '--json'] : train('torn');
    const { status, stderr } = await sparrow(home, args, environment);
    expect(stderr).toMatch(/^sparrow: torn-1 was interrupted: the trainer ended with SIGKILL; .*\n$/);
    expect(status).toBe(1);
  }
  expect(eventsOf(run).some(({ type }) => type === 'checkpoint')).toBe(true);
  expect((await sparrow(home, ['resume', 'torn-1', '--json'])).status).toBe(0);
  expect(outcome(run)).toEqual(undisturbed);
}, 600_000);

test('a trainer whose watching command is killed ends by itself', async () => {
  const running = new Sparrow(home, train('orphan'), slow);
  await running.event(({ type }) => type === 'step');
  const trainer = trainerOf(home.run('orphan-1'))!;
  expect(isAlive(trainer)).toBe(true);
  running.process.kill('SIGKILL');
  await gone(trainer);
});

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} checkpoints, exits with ${expected} and loses nothing`, async () => {
    const name = `stopped-by-${signal.toLowerCase()}`;
    const running = new Sparrow(home, train(name), slow);
    await running.event((event) => event.type === 'step' && event.step >= 15);
    running.process.kill(signal);
    const { status, stderr } = await running.ended;
    expect(status).toBe(expected);
    expect(stderr).toBe(`sparrow: ${name}-1 is stopped and checkpointed: go on with "sparrow resume ${name}-1"\n`);
    const steps = eventsOf(home.run(`${name}-1`));
    expect(steps.at(-1)).toMatchObject({ type: 'stopped' });
    expect(steps.at(-2)).toMatchObject({ type: 'checkpoint' });
    const resumed = new Sparrow(home, ['resume', `${name}-1`, '--json']);
    const started = await resumed.event(({ type }) => type === 'started');
    // It goes on from the very step at which it stopped.
    expect(started).toMatchObject({ resumedFrom: (steps.at(-1) as { step: number }).step });
    expect((await resumed.ended).status).toBe(0);
    expect(outcome(home.run(`${name}-1`))).toEqual(undisturbed);
  });
}

test('Ctrl+Z checkpoints before it rests, and going on loses nothing', async () => {
  const running = new Sparrow(home, train('rested'), slow);
  await running.event((event) => event.type === 'step' && event.step >= 15);
  running.process.kill('SIGTSTP');
  await running.event(({ type }) => type === 'paused');
  const events = eventsOf(home.run('rested-1'));
  expect(events.slice(-2).map(({ type }) => type)).toEqual(['checkpoint', 'paused']);
  await sleep(500);
  expect(eventsOf(home.run('rested-1'))).toHaveLength(events.length); // it does rest
  running.process.kill('SIGCONT');
  expect((await running.ended).status).toBe(0);
  expect(outcome(home.run('rested-1'))).toEqual(undisturbed);
});

test('a second signal ends a run at once, and what was checkpointed can be resumed', async () => {
  const running = new Sparrow(home, train('impatient'), slow);
  await running.event(({ type }) => type === 'checkpoint');
  const trainer = trainerOf(home.run('impatient-1'))!;
  process.kill(trainer, 'SIGSTOP'); // so that it cannot follow the first one
  // One that comes right after another is taken for the same key press.
  const insist = setInterval(() => running.process.kill('SIGINT'), 700);
  const { status, stderr } = await running.ended;
  clearInterval(insist);
  expect(status).toBe(130);
  expect(stderr).toMatch(/^sparrow: impatient-1 was interrupted: .*SIGKILL.*"sparrow resume impatient-1"\n$/);
  expect((await sparrow(home, ['resume', 'impatient-1', '--json'])).status).toBe(0);
  expect(outcome(home.run('impatient-1'))).toEqual(undisturbed);
});

test('a run is trained by one process: a second resume is refused and the first goes on', async () => {
  const first = new Sparrow(home, [...train('twice'), '--set', 'training.epochs=100000']);
  await first.event(({ type }) => type === 'step');
  const second = await sparrow(home, ['resume', 'twice-1', '--json']);
  expect(second.status).toBe(1);
  expect(second.stderr).toBe('sparrow: twice-1 is running already: "sparrow show twice-1" says how it stands\n');
  const seen = first.events.length;
  await first.event((event) => first.events.indexOf(event) > seen);
  first.process.kill('SIGINT');
  expect((await first.ended).status).toBe(130);
  const run = 'twice-1'; // what is printed names the run
  expect(story(eventsOf(home.run(run))).map((event) => ({ ...event, run }))).toEqual(story(first.events));
});

test('a run that is resumed while another command is about to finish it ends as it would have', async () => {
  const first = new Sparrow(home, train('overtaken'), slow);
  await first.event((event) => event.type === 'checkpoint' && event.epoch === 2);
  const resumed = [1, 2, 3].map(() => sparrow(home, ['resume', 'overtaken-1', '--json']));
  expect((await first.ended).status).toBe(0);
  // Each came at another moment: too early, or too late. What none may do is harm.
  for (const { status, stderr } of await Promise.all(resumed)) {
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sparrow: overtaken-1 is (starting|running|finished)[^\n]*\n$/);
  }
  expect(outcome(home.run('overtaken-1'))).toEqual(undisturbed);
});

test('two runs of one name that start together take turns', async () => {
  const [a, b] = [new Sparrow(home, train('pair')), new Sparrow(home, train('pair'))];
  expect([(await a.ended).status, (await b.ended).status]).toEqual([0, 0]);
  expect(outcome(home.run('pair-1'))).toEqual(undisturbed);
  expect(outcome(home.run('pair-2'))).toEqual(undisturbed);
});

test('a run that is finished cannot be resumed', async () => {
  const { status, stderr } = await sparrow(home, ['resume', 'undisturbed-1']);
  expect(status).toBe(1);
  expect(stderr).toBe('sparrow: undisturbed-1 is finished: there is nothing to resume\n');
});
