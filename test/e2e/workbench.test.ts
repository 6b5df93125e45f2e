import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { isAlive } from '../support/process.js';
import { eventsOf, Home, ownerOf, slowSteps, Sparrow, sparrow, statesOf } from '../support/sparrow.js';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(async () => {
  await home.end();
  home.remove();
});

const settings = [
  ...['model.hidden=8', 'model.embedding=8', 'corpus.vocabulary=100', 'corpus.tokens=1000', 'training.epochs=2'],
  ...['training.batch=5', 'training.evaluationBatch=2', 'training.bptt=10', 'training.reportEvery=2'],
];
const train = (name: string, ...more: string[]) => [
  ...['train', '--name', name],
  ...settings.flatMap((setting) => ['--set', setting]),
  ...more,
];
const slow = slowSteps(20);
const endless = ['--set', 'training.epochs=100000'];

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly config: { readonly seed: number; readonly method: { readonly density: number } };
  readonly progress: { readonly step: number };
}

async function listed(...args: string[]): Promise<Listed[]> {
  const { stdout, stderr, status } = await sparrow(home, ['runs', '--json', ...args]);
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return JSON.parse(stdout) as Listed[];
}

const stateOf = async (id: string) => (await statesOf(home))[id];
const said = async (...args: string[]) => {
  const { stdout, stderr, status } = await sparrow(home, args);
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout;
};

test('there are no runs before the first, and nothing is made by looking', async () => {
  expect(await listed()).toEqual([]);
  expect(await said('runs')).toBe('');
  expect(existsSync(join(home.path, 'sparrow.db'))).toBe(false);
  const { status, stderr } = await sparrow(home, ['show', 'x-1']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^sparrow: x-1: there is no run [^\n]*\n$/);
});

test('what one terminal trains, another sees live, pauses, resumes and stops', async () => {
  const first = new Sparrow(home, [...train('live', ...endless), '--json'], slow);
  await first.event(({ type }) => type === 'step');
  const [before] = await listed();
  expect(before).toMatchObject({ id: 'live-1', state: 'running' });
  await expect
    .poll(async () => (await listed())[0].progress.step, { timeout: 60_000 })
    .toBeGreaterThan(before.progress.step);
  expect(await said('show', 'live-1')).toMatch(/^state +running$/m);

  expect(await said('pause', 'live-1')).toBe('live-1 is paused\n');
  await first.event(({ type }) => type === 'paused');
  const steps = first.events.length;
  await sleep(300);
  expect(first.events).toHaveLength(steps);
  expect(await stateOf('live-1')).toBe('paused');

  const second = new Sparrow(home, ['resume', 'live-1', '--json'], slow);
  await second.event(({ type }) => type === 'step');
  expect(await said('pause', 'live-1')).toBe('live-1 is paused\n');
  const seen = first.events.length;
  const third = new Sparrow(home, ['resume', 'live-1']);
  await first.event((event) => event.type === 'evaluation' && first.events.indexOf(event) >= seen);
  expect(await said('stop', 'live-1')).toBe('live-1 is stopped\n');
  const stopped = 'sparrow: live-1 is stopped and checkpointed: go on with "sparrow resume live-1"\n';
  for (const command of [first, second]) {
    const { status, stderr } = await command.ended;
    expect(status).toBe(143);
    expect(stderr).toBe(stopped);
  }
  const { stderr: told } = await third.ended;
  expect(told).toMatch(
    /^live-1: [^\n]* parameters active, [^\n]*, resumed from step \d+\n(epoch \d+\/100000 [^\n]*\n)+/,
  );
  expect(told.endsWith(stopped)).toBe(true);
  expect(await stateOf('live-1')).toBe('stopped');
  const again = await sparrow(home, ['stop', 'live-1']);
  expect(again).toMatchObject({ status: 1, stderr: 'sparrow: live-1 is stopped: there is nothing to stop\n' });
  const late = await sparrow(home, ['pause', 'live-1']);
  expect(late).toMatchObject({ status: 1, stdout: '' });
});

test('lists and seeds make a run of each combination, and one that waits can be stopped', async () => {
  const before = new Sparrow(home, [...train('before', ...endless), '--json'], slow); // so that there is time to look
  await before.event(({ type }) => type === 'started');
  const sweep = new Sparrow(
    home,
    train('grid', '--set', 'method.density=[0.2, 0.4]', '--seeds', '2', '--set', 'seed=5', '--json'),
    slow,
  );
  await expect.poll(() => stateOf('grid-4'), { timeout: 60_000 }).toBe('queued');
  const runs = await listed('--filter', '-name:before');
  expect(runs.map(({ config }) => [config.method.density, config.seed])).toEqual([
    ...[
      [0.2, 5],
      [0.2, 6],
      [0.4, 5],
      [0.4, 6],
    ],
  ]);
  expect(runs.map(({ state }) => state)).toEqual(['queued', 'queued', 'queued', 'queued']);
  expect(await said('queue', 'move', 'grid-4', '--before', 'grid-3')).toBe('');
  expect(JSON.parse(await said('queue', '--json'))).toEqual(['grid-1', 'grid-2', 'grid-4', 'grid-3']);
  expect(await said('queue')).toMatch(
    /^ +before-1 +running .*\n1 +grid-1 +queued .*\n2 +grid-2 +queued .*\n3 +grid-4 +queued .*\n4 +grid-3 /m,
  );
  expect(await sparrow(home, ['queue', 'move', 'before-1'])).toMatchObject({
    status: 1,
    stderr: 'sparrow: before-1 does not wait in the queue: it cannot be moved there\n',
  });
  expect(await said('stop', 'grid-3')).toBe('grid-3 is stopped\n');
  await said('stop', 'before-1');
  await before.ended;
  const { status, stderr } = await sweep.ended;
  expect(stderr).toContain('sparrow: grid-3 was stopped before it began: go on with "sparrow resume grid-3"\n');
  expect(status).toBe(143);
  const ends = await listed('--filter', '-name:before');
  expect(ends.map(({ state }) => state)).toEqual(['finished', 'finished', 'stopped', 'finished']);
  expect((await listed('--filter', 'density<0.3 seed:6')).map(({ id }) => id)).toEqual(['grid-2']);
  expect(await said('tag', 'grid-1', 'grid-4', '--add', 'paper', '--add', 'seen')).toBe('');
  expect(await said('tag', 'grid-4', '--remove', 'paper')).toBe('');
  expect((await listed('--filter', 'tag:paper')).map(({ id }) => id)).toEqual(['grid-1']);
  await said('rename', 'grid-1', 'The best');
  await said('note', 'grid-1', 'of four');
  expect(await said('show', 'grid-1')).toMatch(/^name +The best$[^]*^tags +paper, seen\nnote +of four$/m);
  expect(await sparrow(home, ['tag', 'grid-1'])).toMatchObject({
    status: 1,
    stderr: 'sparrow: grid-1: say what to --add or to --remove\n',
  });
});

test.each([
  [['--set', 'method.density=[0.1,,0.3]'], /--set method\.density=\[0\.1,,0\.3\]: expected values between commas/],
  [['--set', 'method.density=[0.1,2]'], /method\.density: 2 must be at most 1/],
  [['--seeds', '0'], /'0' is invalid.*whole number from 1 to 10000/],
  [['--set', 'seed=[1,2]', '--seeds', '9999'], /that would be 19998 runs/],
  [['--detach', '--preset', 'slow'], /no such preset/],
])('a sweep of %j is refused whole', async (args, line) => {
  const { status, stdout, stderr } = await sparrow(home, ['train', ...args]);
  expect(stderr).toMatch(/^sparrow: [^\n]+\n$/);
  expect(stderr).toMatch(line);
  expect(stdout).toBe('');
  expect(status).toBeGreaterThan(0);
  expect(await listed()).toEqual([]);
});

test('with --detach a run is trained in the background, whose process ends when nothing is left to do', async () => {
  const ids = JSON.parse(await said(...train('away', '--detach', '--json'), '--seeds', '2')) as string[];
  expect(ids).toEqual(['away-1', 'away-2']);
  const owner = ownerOf(home)!;
  expect(isAlive(owner)).toBe(true);
  await expect.poll(() => stateOf('away-2'), { timeout: 60_000 }).toBe('finished');
  await expect.poll(() => isAlive(owner), { timeout: 60_000 }).toBe(false);
  expect(ownerOf(home)).toBeUndefined();
  expect(readFileSync(join(home.path, 'owner.log'), 'utf8')).toBe('');
  expect(eventsOf(home.run('away-2')).at(-1)?.type).toBe('finished');
});

test('a run goes into the trash, comes back, and is deleted for good with its files', async () => {
  await sparrow(home, train('rubbish'));
  expect((await sparrow(home, ['rm', '--purge', 'rubbish-1'])).stderr).toMatch(
    /^sparrow: rubbish-1 is not in the trash/,
  );
  await said('rm', 'rubbish-1');
  expect(await listed()).toEqual([]);
  expect((await listed('--trash')).map(({ id }) => id)).toEqual(['rubbish-1']);
  expect((await sparrow(home, ['resume', 'rubbish-1'])).status).toBe(1);
  await said('rm', '--restore', 'rubbish-1');
  expect((await listed()).map(({ id }) => id)).toEqual(['rubbish-1']);
  await said('rm', 'rubbish-1');
  expect(await said('rm', '--purge', 'rubbish-1')).toMatch(/^deleted rubbish-1: [\d.]+ [kM]?B(ytes)? freed\n$/);
  expect(existsSync(home.run('rubbish-1'))).toBe(false);
  expect(await listed('--trash')).toEqual([]);
});

test('runs are exported as CSV and compared', async () => {
  await sparrow(home, train('=x', '--set', 'method.density=[0.2,0.5]'));
  const csv = join(home.path, 'out.csv');
  await said('export', 'x-1', 'x-2', '--csv', csv, '--metric', 'validationPerplexity');
  const lines = readFileSync(csv, 'utf8').trimEnd().split('\r\n');
  expect(lines[0]).toBe('run,name,metric,step,value');
  expect(lines).toHaveLength(1 + 2 * 2);
  expect(lines[1]).toMatch(/^x-1,'=x,validationPerplexity,\d+,[\d.]+$/);
  expect(await said('export', 'x-1', '--csv', '-', '--what', 'sparsity')).toMatch(
    /^run,name,update,step,epoch,layer,gate,/,
  );
  expect(await said('export', 'x-1', 'x-2', '--csv', '-', '--what', 'wide', '--metric', 'loss')).toMatch(
    /^step,x-1,x-2\n1,/,
  );
  expect((await said('export', 'x-1', '--csv', '-', '--what', 'runs')).split('\n')[1]).toMatch(/^x-1,'=x,finished,/);
  const unheard = new Sparrow(home, ['export', 'x-1', '--csv', '-']);
  unheard.process.stdout!.destroy(); // as `| head` does when it has enough
  expect(await unheard.ended).toMatchObject({ status: 1, stderr: '' });
  const compared = await said('compare', 'x-1', 'x-2');
  expect(compared).toMatch(/^method\.density +0\.2 +0\.5$/m);
  const life = JSON.parse(await said('topology', 'x-1', '--json')) as { connections: unknown[]; gates: unknown[] };
  expect(life.connections.length % 7).toBe(0); // the network, two matrices of each layer, embedding and decoder
  expect(life.gates).toHaveLength(4 * 5 + 2 * 5);
  expect(await said('topology', 'x-1')).toMatch(/^explored +[\d.]+ % of all positions/m);
  expect(await said('topology', 'x-1', 'x-2')).toMatch(/^matched +x-1 +x-2\nx-1 +0\.000 +0\.\d+$/m);
  expect(await said('topology', 'x-1', 'x-2', '--no-matching')).not.toMatch(/^matched/m);
  expect(await said('topology', 'x-1', 'x-2', '--over-time')).toMatch(/^x-1 +\d+ +x-2 +\d+ +0\.\d+/m);
  const distances = await said('topology', 'x-1', 'x-2', '--csv', '-');
  expect(distances).toMatch(/^run,update,other_run,other_update,layer,distance,matched_distance,chance\nx-1,/);
  expect(distances.trimEnd().split('\n')).toHaveLength(1 + 1 + 6);
  const refusals: [string[], RegExp][] = [
    [['topology', 'x-1', 'no-1'], /no-1: there is no such run/],
    [['export', 'x-1'], /required option '--csv <file>'/],
    [['export', 'no-1', '--csv', csv], /no-1: there is no such run/],
    [['export', 'x-1', '--csv', join(home.path, 'no/where.csv')], /cannot write \S+where\.csv: ENOENT/],
    [['export', 'x-1', '--csv', csv, '--metric', 'speed'], /speed: no such metric; there are loss/],
    [['compare', 'x-1'], /name two runs or more/],
    [['compare', 'x-1', 'x-2', '--baseline', 'x-3'], /must be one of the compared runs/],
    [['runs', '--filter', 'hiden:3'], /there is no field hiden/],
  ];
  for (const [args, line] of refusals) {
    const { status, stderr } = await sparrow(home, args);
    expect(stderr).toMatch(/^sparrow: [^\n]+\n$/);
    expect(stderr).toMatch(line);
    expect(status).toBeGreaterThan(0);
  }
});

test.runIf(process.platform !== 'win32')(
  'the socket is for its user alone, also where the folder has a long path',
  async () => {
    for (const folder of [home.path, join(home.path, 'long'.repeat(40))]) {
      const environment = { ...slow, SPARROW_HOME: folder };
      const running = new Sparrow(home, [...train('private', ...endless), '--json'], environment);
      await running.event(({ type }) => type === 'step');
      const { address } = JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8')) as { address: string };
      expect(statSync(address).mode & 0o777).toBe(0o600);
      expect(statSync(join(folder, 'owner.json')).mode & 0o777).toBe(0o600);
      expect(statSync(join(address, '..')).mode & 0o077).toBe(0);
      expect(await sparrow(home, ['stop', 'private-1'], environment)).toMatchObject({ status: 0, stderr: '' });
      await running.ended;
      expect(existsSync(address)).toBe(false);
    }
  },
);

test('runs of the version that had no database are taken over with all they told', async () => {
  const config = parseRunConfig({ name: 'old' });
  const event = { type: 'stopped', step: 7, epoch: 1 } as const;
  const write = (id: string, log: string) => {
    mkdirSync(home.run(id), { recursive: true });
    writeFileSync(join(home.run(id), 'config.json'), JSON.stringify(config));
    writeFileSync(join(home.run(id), 'events.jsonl'), log);
  };
  const line = (sequence: number) => `${JSON.stringify({ sequence, time: '2026-11-01T12:00:00Z', event })}\n`;
  write('old-1', line(0));
  write('old-3', `${line(0)}${line(1)}{"sequence":2,"ti`);
  write('old-4', `damaged\n${line(1)}`);
  const looked = await sparrow(home, ['runs']);
  expect(looked).toMatchObject({ status: 0, stdout: '' });
  expect(looked.stderr).toMatch(/^sparrow: 3 runs of an earlier version are not in the database yet: [^\n]*\n$/);
  const first = await sparrow(home, train('old'));
  expect(first.stderr).toMatch(
    /^sparrow: the run old-4 of an earlier version is left as it is: \S+events\.jsonl is damaged in line 1\n/,
  );
  expect(eventsOf(home.run('old-1'))).toEqual([event]);
  expect(eventsOf(home.run('old-3'))).toEqual([event, event]);
  const { stdout } = await sparrow(home, ['runs', '--json']);
  expect((JSON.parse(stdout) as Listed[]).map(({ id, state }) => [id, state])).toEqual([
    ...[
      ['old-1', 'stopped'],
      ['old-3', 'stopped'],
      ['old-2', 'finished'],
    ],
  ]);
  expect(readFileSync(join(home.run('old-4'), 'events.jsonl'), 'utf8')).toMatch(/^damaged/);
});
