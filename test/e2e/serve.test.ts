import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Connection } from '../../src/renderer/connection/connection.js';
import { contentSecurityPolicy } from '../../src/main/shells/page/policy.js';
import { connectionOf, Served, visit, type TabSession } from '../support/served.js';
import { gone } from '../support/process.js';
import { Home, ownerOf, slowSteps, Sparrow, sparrow, trainerOf } from '../support/sparrow.js';

const bundle = 'out/main/sparrow.js';
const patience = { timeout: 60_000 };

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(async () => {
  await home.end();
  home.remove();
});

function started(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Served {
  const served = new Served(home, args, environment);
  onTestFinished(async () => {
    await served.end('SIGKILL');
  });
  return served;
}
const serve = (port = '0', environment = {}) => started([bundle, 'serve', '--port', port], environment);

function connected(session: TabSession): Connection {
  const connection = connectionOf(session);
  onTestFinished(() => {
    connection.close();
  });
  return connection;
}

const tiny = (epochs: number) => ({
  name: 'tiny',
  model: { hidden: 8, embedding: 8 },
  corpus: { name: 'built-in', vocabulary: 100, tokens: 1000 },
  training: { epochs, batch: 5, evaluationBatch: 2, bptt: 10 },
});

test('npm start without a display serves the application and shows the demonstration, until Ctrl+C', async () => {
  const start = started(['scripts/run.mjs', 'start', '--port', '0']);
  const link = await start.link();
  expect(start.stderr).toMatch(/^sparrow: there is no display for a window: [^\n]+ served to your browser instead$/m);
  const page = await fetch(link.origin);
  expect(page.headers.get('content-security-policy')).toBe(contentSecurityPolicy);
  const [, script] = /<script[^>]* src="\.([^"]+)"/.exec(await page.text())!;
  expect((await fetch(link.origin + script)).headers.get('content-type')).toMatch(/javascript/);

  const { client } = connected(await visit(link));
  const { runs } = await client.runs.list({});
  expect(runs.map(({ record }) => record.config.method.kind).sort()).toEqual(['dense', 'selfish', 'static']);
  expect(runs.every(({ record }) => record.tags.includes('demonstration'))).toBe(true);
  const states = async () => (await client.runs.list({})).runs.map(({ state }) => state.state);
  await expect.poll(states, patience).toContain('running');
  const owner = ownerOf(home)!;
  const trainers = runs.flatMap(({ record: { id } }) => trainerOf(home.run(id)) ?? []);
  expect(await start.end()).toBe(0);
  for (const pid of [owner, ...trainers]) await gone(pid);
  expect(ownerOf(home)).toBeUndefined();
  expect(start.stderr).toMatch(/^sparrow: \S+ waits with a checkpoint: the next Sparrow goes on$/m);
}, 300_000); // set-up may have to build

test('the demonstration does not come again when it was removed, nor where there are runs already', async () => {
  const first = started([bundle, 'start', '--port', '0']);
  const { client } = connected(await visit(await first.link()));
  const ids = (await client.runs.list({})).runs.map(({ record }) => record.id);
  expect(ids).toHaveLength(3);
  for (const id of ids.toReversed()) await client.runs.stop({ id, now: true }).catch(() => undefined); // or it has ended
  await expect.poll(() => client.runs.trash({ ids }).then(() => 'done', String), patience).toBe('done');
  await client.runs.purge({ ids });
  await first.end();
  const second = started([bundle, 'start', '--port', '0']);
  expect((await connected(await visit(await second.link())).client.runs.list({})).runs).toEqual([]);
  await second.end();
});

test('serve demonstrates nothing; a page outlives the server, and its run goes on', async () => {
  const first = serve('0', slowSteps(20));
  const link = await first.link();
  const session = await visit(link);
  await expect.poll(() => first.stderr, patience).toMatch(/^sparrow: a page is open; the link for another: http:\S+$/m);
  await expect(visit(link)).rejects.toThrow('401');
  const connection = connected(session);
  expect((await connection.client.runs.list({})).runs).toEqual([]);
  const { ids } = await connection.client.runs.create({ configs: [tiny(100_000)] });
  const state = async () => (await connection.client.runs.get({ id: ids[0] })).state.state;
  await expect.poll(state, patience).toBe('running');
  expect(await first.end()).toBe(0);
  expect(first.stderr).toContain('tiny-1 waits with a checkpoint');
  await expect.poll(() => connection.state.state, patience).toBe('lost');

  const again = serve(link.port, slowSteps(20));
  await again.link();
  await connection.connected();
  await expect.poll(state, patience).toBe('running');
  await connection.client.runs.stop({ id: ids[0], now: true });
  await again.end();
});

test('a server that is killed leaves nothing that the next one minds', async () => {
  const first = serve('0', slowSteps(20));
  const link = await first.link();
  const connection = connected(await visit(link));
  const { ids } = await connection.client.runs.create({ configs: [tiny(100_000)] });
  const state = async () => (await connection.client.runs.get({ id: ids[0] })).state.state;
  await expect.poll(state, patience).toBe('running');
  await first.end('SIGKILL');
  await expect.poll(() => connection.state.state, patience).toBe('lost');
  await serve(link.port).link();
  await connection.connected();
  expect(await state()).toBe('interrupted');
  await connection.client.runs.resume({ id: ids[0] });
  await expect.poll(state, patience).toBe('running');
  await connection.client.runs.stop({ id: ids[0], now: true });
});

test('two servers and a terminal: one owns, the others show the same, and take over', async () => {
  const one = serve();
  const first = connected(await visit(await one.link()));
  const two = serve();
  const second = connected(await visit(await two.link()));
  await second.connected();
  expect(ownerOf(home)).toBe(one.process.pid);
  expect((await second.client.hello({})).pid).toBe(one.process.pid);
  const settings = ['model.hidden=8', 'model.embedding=8', 'corpus.vocabulary=100', 'corpus.tokens=1000'];
  settings.push('training.batch=5', 'training.evaluationBatch=2', 'training.bptt=10', 'training.epochs=100000');
  const train = new Sparrow(
    home,
    ['train', '--name', 'terminal', '--json', ...settings.flatMap((setting) => ['--set', setting])],
    { ...slowSteps(20) },
  );
  onTestFinished(() => {
    train.process.kill('SIGKILL');
  });
  await train.event(({ type }) => type === 'started');
  for (const { client } of [first, second]) {
    expect((await client.runs.get({ id: 'terminal-1' })).record.name).toBe('terminal');
  }
  await second.client.runs.stop({ id: 'terminal-1' });
  expect((await train.ended).status).toBe(143);
  expect(await one.end()).toBe(0);
  await expect
    .poll(async () => (await second.client.hello({}).catch(() => undefined))?.pid, patience)
    .toBe(two.process.pid);
  expect((await second.client.runs.list({})).runs).toHaveLength(1);
  expect(await two.end('SIGTERM')).toBe(0);
});

test('a port that is taken, or is none, is told', async () => {
  const one = serve();
  const { port } = await one.link();
  const { status, stderr } = await sparrow(home, ['serve', '--port', port]);
  expect(stderr).toBe(
    `sparrow: port ${port} is taken by another program: choose another with --port, or leave it out\n`,
  );
  expect(status).toBe(1);
  expect((await sparrow(home, ['serve', '--port', '70000'])).status).toBe(2);
});

test('the browser is led to the link by a file that is private and soon gone, never by a command line', async () => {
  const tools = mkdtempSync(join(tmpdir(), 'sparrow-tools-'));
  onTestFinished(() => {
    rmSync(tools, { recursive: true });
  });
  const asked = join(tools, 'asked');
  writeFileSync(join(tools, 'xdg-open'), `#!/bin/sh\nprintf '%s\\n' "$@" > "${asked}"\n`);
  chmodSync(join(tools, 'xdg-open'), 0o755);
  const path = `${tools}:${process.env['PATH'] ?? ''}`;
  const served = started([bundle, 'serve', '--port', '0', '--open'], { PATH: path });
  const link = await served.link();
  const opened = () => (existsSync(asked) ? readFileSync(asked, 'utf8').trim() : '');
  await expect.poll(opened, patience).toMatch(/open-\d+\.html$/);
  const file = opened();
  expect(file).not.toContain(link.hash);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toContain(`url=${link.href}"`);
  await visit(link);
  await expect.poll(() => existsSync(file), patience).toBe(false);
  expect(statSync(join(home.path, 'sessions.key')).mode & 0o777).toBe(0o600);
  await served.end();
});

/** A folder with what passes for Electron's binary. */
function fakeElectron(script: string): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), 'sparrow-electron-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, 'electron'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'electron'), 0o755);
  return { DISPLAY: ':99', ELECTRON_OVERRIDE_DIST_PATH: folder };
}

test('where the window opens, npm start stays until it is closed', async () => {
  const asked = join(home.path, 'asked');
  const electron = fakeElectron(`echo "$1" > "${asked}"; echo "sparrow: the window is open"; exec sleep 0.5`);
  const start = started(['scripts/run.mjs', 'start'], electron);
  expect(await start.ended).toBe(0);
  expect({ stdout: start.stdout, stderr: start.stderr }).toEqual({ stdout: '', stderr: '' });
  expect(JSON.parse(readFileSync(join(readFileSync(asked, 'utf8').trim(), 'package.json'), 'utf8'))).toMatchObject({
    main: 'out/main/electron.js',
  });
});

test('Ctrl+C in the terminal asks the window to end', async () => {
  const ready = join(home.path, 'ready');
  const words = 'echo "sparrow: the window is open"';
  const electron = fakeElectron(`trap 'exit 0' TERM; ${words}; touch "${ready}"; while :; do sleep 0.1; done`);
  const start = started([bundle, 'start'], electron);
  await expect.poll(() => existsSync(ready), patience).toBe(true);
  expect(await start.end()).toBe(0);
});

test.each([
  [
    'Running as root without --no-sandbox is not supported.',
    /exit status 1, after saying: Running as root[^\n]+ who is not root\. /,
  ],
  ['No usable sandbox! Update your kernel', /user namespaces/],
  ['electron: error while loading shared libraries: libgtk-3.so.0', /install the library that it names/],
])('a window that ends before it is open is told, and the application is served: %s', async (words, told) => {
  const start = started([bundle, 'start', '--port', '0'], fakeElectron(`echo "${words}" >&2; exit 1`));
  const link = await start.link();
  expect(start.stderr).toMatch(told);
  expect((await fetch(link.origin)).status).toBe(200);
  await start.end();
});
