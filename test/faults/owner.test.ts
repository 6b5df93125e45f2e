import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { outcome, train as trainSmall } from '../support/small-run.js';
import { gone } from '../support/process.js';
import { Home, inDatabase, ownerOf, slowSteps, Sparrow, sparrow, statesOf, trainerOf } from '../support/sparrow.js';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(async () => {
  await home.end();
  home.remove();
});

const slow = slowSteps(15);
const train = (name: string) => [...trainSmall(name), '--set', 'training.epochs=5'];

let undisturbed: ReturnType<typeof outcome>;
beforeAll(async () => {
  const calm = new Home();
  try {
    expect(await sparrow(calm, train('undisturbed'))).toMatchObject({ status: 0, stderr: '' });
    undisturbed = outcome(calm.run('undisturbed-1'));
  } finally {
    calm.remove();
  }
});

const states = () => statesOf(home);

/** State of a run that nobody may be left to train: then it is resumed. */
async function finishing(id: string): Promise<string | undefined> {
  const state = (await states())[id];
  if (state === 'interrupted' || state === 'queued') await sparrow(home, ['resume', id, '--json']);
  return state;
}

function soundDatabase(): void {
  expect(inDatabase(home.run('any'), (store) => store.problems())).toEqual([]);
}

test('when the owner is killed, a command that waits takes over and both runs end as undisturbed', async () => {
  const owner = new Sparrow(home, train('doomed'), slow);
  await owner.event(({ type }) => type === 'checkpoint');
  const guest = new Sparrow(home, train('heir'));
  await expect.poll(states, { timeout: 60_000 }).toMatchObject({ 'doomed-1': 'running', 'heir-1': 'queued' });
  expect(ownerOf(home)).toBe(owner.process.pid);
  owner.process.kill('SIGKILL');
  expect((await guest.ended).status).toBe(0);
  expect(outcome(home.run('heir-1'))).toEqual(undisturbed);
  expect(await states()).toMatchObject({ 'doomed-1': 'interrupted', 'heir-1': 'finished' });
  expect((await sparrow(home, ['resume', 'doomed-1', '--json'])).status).toBe(0);
  expect(outcome(home.run('doomed-1'))).toEqual(undisturbed);
  soundDatabase();
});

test('an owner that is interrupted hands the queue over, and a killed heir is followed by the next', async () => {
  const owner = new Sparrow(home, train('first'), slow);
  await owner.event(({ type }) => type === 'step');
  const [second, third] = ['second', 'third'].map((name) => new Sparrow(home, train(name), slow));
  await expect.poll(states, { timeout: 60_000 }).toMatchObject({ 'second-1': 'queued', 'third-1': 'queued' });
  owner.process.kill('SIGINT');
  expect(await owner.ended).toMatchObject({ status: 130, signal: null });
  await expect.poll(() => ownerOf(home), { timeout: 60_000 }).not.toBe(undefined);
  await Promise.race([second, third].map((waiting) => waiting.event(({ type }) => type === 'checkpoint')));
  process.kill(ownerOf(home)!, 'SIGKILL');
  for (const { ended } of [second, third]) {
    const { status, signal, stderr } = await ended;
    // The killed one had become the owner itself, or one in the background had.
    if (signal === null) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  }
  for (const id of ['second-1', 'third-1']) {
    await expect.poll(() => finishing(id), { timeout: 60_000, interval: 200 }).toBe('finished');
    expect(outcome(home.run(id))).toEqual(undisturbed);
  }
  expect((await states())['first-1']).toBe('stopped');
  soundDatabase();
});

test('a run that was paused rests on when its owner is killed, and goes on as if nothing had been', async () => {
  const owner = new Sparrow(home, train('resting'), slow);
  await owner.event(({ type }) => type === 'checkpoint');
  expect(await sparrow(home, ['pause', 'resting-1'])).toMatchObject({ status: 0, stdout: 'resting-1 is paused\n' });
  const trainer = trainerOf(home.run('resting-1'))!;
  owner.process.kill('SIGKILL');
  await gone(trainer);
  expect(await states()).toEqual({ 'resting-1': 'paused' }); // said by a reader
  const next = await sparrow(home, [...train('next'), '--set', 'training.epochs=1']);
  expect(next).toMatchObject({ status: 0, stderr: '' });
  expect(await states()).toMatchObject({ 'resting-1': 'paused', 'next-1': 'finished' });
  expect(await sparrow(home, ['resume', 'resting-1', '--json'])).toMatchObject({ status: 0, stderr: '' });
  expect(outcome(home.run('resting-1'))).toEqual(undisturbed);
  soundDatabase();
});

test('a command that only reads says what is true and settles nothing', async () => {
  const owner = new Sparrow(home, train('unsettled'), slow);
  await owner.event(({ type }) => type === 'checkpoint');
  const trainer = trainerOf(home.run('unsettled-1'))!;
  owner.process.kill('SIGKILL');
  await gone(trainer);
  expect((await states())['unsettled-1']).toBe('interrupted');
  expect((await sparrow(home, ['show', 'unsettled-1'])).stdout).toMatch(
    /^state +interrupted: the command that trained it/m,
  );
  const attempts = () => inDatabase(home.run('unsettled-1'), ({ runs }) => runs.get('unsettled-1').attempts);
  expect(attempts()).toMatchObject([{ end: null }]);
  expect((await sparrow(home, ['rm', 'unsettled-1'])).status).toBe(0); // one that writes settles
  expect(attempts()).toMatchObject([{ end: { state: 'interrupted' } }]);
});

test('a trainer that hangs is noticed, killed, and its run can be resumed', async () => {
  const running = new Sparrow(home, train('hung'), { ...slow, SPARROW_PATIENCE: '8' });
  await running.event(({ type }) => type === 'checkpoint');
  const trainer = trainerOf(home.run('hung-1'))!;
  process.kill(trainer, 'SIGSTOP');
  const { status, stderr } = await running.ended;
  expect(stderr).toMatch(
    /^sparrow: hung-1 was interrupted: the trainer did not answer for \d+ s and was killed; [^\n]*\n$/,
  );
  expect(status).toBe(1);
  await gone(trainer);
  expect((await states())['hung-1']).toBe('interrupted');
  expect((await sparrow(home, ['resume', 'hung-1', '--json'])).status).toBe(0);
  expect(outcome(home.run('hung-1'))).toEqual(undisturbed);
  soundDatabase();
});

test('a trainer that dies is started again as often as was asked for', async () => {
  const running = new Sparrow(home, [...train('restarted'), '--restarts', '1'], slow);
  await running.event(({ type }) => type === 'checkpoint');
  const trainer = trainerOf(home.run('restarted-1'))!;
  process.kill(trainer, 'SIGKILL');
  await gone(trainer);
  expect(await running.ended).toMatchObject({ status: 0, stderr: '' });
  expect(outcome(home.run('restarted-1'))).toEqual(undisturbed);
});

test('a trainer that floods is killed, and the database takes no harm', async () => {
  const preload = pathToFileURL(join(import.meta.dirname, '../support/flooding-trainer.mjs')).href;
  const { status, stderr } = await sparrow(home, train('flood'), { NODE_OPTIONS: `--import=${preload}` });
  // On a fast machine the owner may keep up with it.
  expect(stderr).toMatch(
    /^sparrow: (the trainer does not wait for its events to be written|flood-1 was interrupted: .* exit status 3)/,
  );
  expect(stderr).not.toContain('defect');
  expect(status).toBe(1);
  expect((await states())['flood-1']).toMatch(/^failed|interrupted$/);
  soundDatabase();
});

test('a run that diverges has failed, with what to do', async () => {
  const settings = [
    'optimizer.kind=sgd',
    'optimizer.averagingFrom=0',
    'optimizer.learningRate=1000',
    'optimizer.clip=1e9',
  ];
  const { status, stderr } = await sparrow(home, [
    ...train('nan'),
    ...settings.flatMap((setting) => ['--set', setting]),
  ]);
  expect(stderr).toMatch(/^sparrow: training diverged at step \d+, [^\n]*lower optimizer\.learningRate[^\n]*\n$/);
  expect(status).toBe(1);
  expect((await states())['nan-1']).toBe('failed');
  soundDatabase();
});

test('an owner that rests is named to whoever cannot reach it', async () => {
  const owner = new Sparrow(home, train('resting'), slow);
  await owner.event(({ type }) => type === 'step');
  owner.process.kill('SIGSTOP');
  const { status, stderr } = await sparrow(home, ['stop', 'resting-1']);
  expect(stderr).toMatch(
    /^sparrow: the data folder \S+ belongs to process \d+, which does not answer: [^\n]*fg[^\n]*\n$/,
  );
  expect(status).toBe(1);
  owner.process.kill('SIGCONT');
  expect((await owner.ended).status).toBe(0);
  expect(outcome(home.run('resting-1'))).toEqual(undisturbed);
});

test('commands that start together agree on one owner, and no process is left', async () => {
  const names = ['a', 'b', 'c', 'd'];
  const all = await Promise.all(names.map((name) => sparrow(home, [...train(name), '--set', 'training.epochs=2'])));
  expect(all.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  expect(await states()).toMatchObject(Object.fromEntries(names.map((name) => [`${name}-1`, 'finished'])));
  // One may have handed over to an owner in the background, which ends when there is nothing to do.
  await expect.poll(() => ownerOf(home), { timeout: 60_000 }).toBeUndefined();
});
