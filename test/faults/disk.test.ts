import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, type TestContext } from 'vitest';
import { eventsOf, Home, isKnown, slowSteps, Sparrow, sparrow, story } from '../support/sparrow.js';

const homes: { readonly home: Home; readonly unmount: boolean }[] = [];
afterEach(async () => {
  for (const { home, unmount } of homes.splice(0)) {
    await home.end();
    if (unmount) spawnSync('umount', ['--lazy', home.path]);
    home.remove();
  }
});

/** A data folder on a disk of its own, of so many kilobytes. */
function smallDisk(context: TestContext, kilobytes: number): Home {
  const home = new Home();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0700`, 'tmpfs', home.path]);
  homes.push({ home, unmount: status === 0 });
  if (status !== 0) context.skip('a small file system cannot be mounted here: that takes root on Linux');
  return home;
}

function anyDisk(): Home {
  const home = new Home();
  homes.push({ home, unmount: false });
  return home;
}

const settings = [
  ...['model.hidden=32', 'model.embedding=32', 'model.layers=1', 'corpus.vocabulary=100', 'corpus.tokens=2000'],
  ...[
    'training.epochs=3',
    'training.batch=5',
    'training.bptt=10',
    'training.evaluationBatch=2',
    'training.reportEvery=5',
  ],
];
const train = ['train', '--json', '--name', 'full', ...settings.flatMap((setting) => ['--set', setting])];

/** Takes all room but so much. */
function fill(home: Home, leaveBytes: number): string {
  const file = join(home.path, 'filler');
  const { stdout } = spawnSync('df', ['--block-size=1', '--output=avail', home.path], { encoding: 'utf8' });
  writeFileSync(file, Buffer.alloc(Number(stdout.split('\n')[1]) - leaveBytes));
  return file;
}

// From no room for a database to room for some epochs; how much the whole run takes depends on how events fall together.
for (const room of [0, 60_000, 250_000, 350_000, 450_000]) {
  test(`a disk that is full after ${room} bytes ends a run with one line, and it can be resumed`, async (context) => {
    const undisturbed = anyDisk();
    expect((await sparrow(undisturbed, train)).status).toBe(0);

    const home = smallDisk(context, 16 * 1024);
    const filler = fill(home, room);
    const { status, stderr } = await sparrow(home, train);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sparrow: [^\n]*(ENOSPC|disk)[^\n]*\n$/i);
    expect(stderr).not.toContain('defect');

    rmSync(filler);
    const begun = isKnown(home.run('full-1'));
    const again = await sparrow(home, begun ? ['resume', 'full-1', '--json'] : train);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    const id = readdirSync(join(home.path, 'runs')).at(-1)!;
    expect(story(eventsOf(home.run(id)))).toEqual(story(eventsOf(undisturbed.run('full-1'))));
  });
}

test('an import that fills the disk leaves nothing behind', async (context) => {
  const home = smallDisk(context, 512);
  const elsewhere = mkdtempSync(join(tmpdir(), 'sparrow-texts-'));
  try {
    const file = join(elsewhere, 'text.txt');
    writeFileSync(file, 'a line of some words\n'.repeat(20_000));
    const { status, stderr } = await sparrow(home, [
      'data',
      'import',
      'big',
      '--train',
      file,
      '--valid',
      file,
      '--test',
      file,
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sparrow: cannot write the corpus to \S+big: ENOSPC[^\n]*\n$/);
    expect(readdirSync(join(home.path, 'corpora'))).toEqual([]);
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});

test('a data folder that cannot be written is told with the remedy', async (context) => {
  // Root may write to any folder, but not to a disk that is mounted for reading.
  const home = process.getuid?.() === 0 ? smallDisk(context, 64) : anyDisk();
  if (process.getuid?.() === 0) spawnSync('mount', ['-o', 'remount,ro', home.path]);
  else chmodSync(home.path, 0o500);
  const { status, stderr } = await sparrow(home, train);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^sparrow: cannot write to the data folder \S+: [^\n]*SPARROW_HOME[^\n]*\n$/);
});

test('a checkpoint that is damaged on disk is refused by name, and the one before still serves', async () => {
  const home = anyDisk();
  expect((await sparrow(home, train)).status).toBe(0);
  const told = story(eventsOf(home.run('full-1')));
  const running = new Sparrow(home, train, slowSteps(15));
  await running.event(({ type, ...event }) => type === 'checkpoint' && 'epoch' in event && event.epoch === 2);
  running.process.kill('SIGINT');
  expect((await running.ended).status).toBe(130);
  const run = home.run('full-2');
  const checkpoints = join(run, 'checkpoints');
  const newest = readdirSync(checkpoints)
    .filter((name) => name.startsWith('step-'))
    .sort()
    .at(-1)!;
  const tensors = join(checkpoints, newest.replace(/json$/, 'safetensors'));
  const bytes = readFileSync(tensors);
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(tensors, bytes);

  const refused = await sparrow(home, ['resume', 'full-2', '--json']);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/^sparrow: \S+\.safetensors is damaged: delete the \.json file[^\n]*\n$/);
  rmSync(tensors.replace(/safetensors$/, 'json'));
  const { status, stderr } = await sparrow(home, ['resume', 'full-2', '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(story(eventsOf(run))).toEqual(told);
});
