import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { contentSecurityPolicy } from '../../src/main/shells/page/policy.js';
import { clientOver } from '../../src/shared/contract/client.js';
import type { Message, Wire } from '../../src/shared/contract/wire.js';
import { gone, isAlive } from '../support/process.js';
import { Home, ownerOf } from '../support/sparrow.js';

/** What the stand-in tells: see test/support/electron-module.ts. */
interface Said {
  readonly called?: string;
  readonly args?: readonly unknown[];
  readonly read?: string;
  readonly status?: number;
  readonly policy?: string;
  readonly opened?: string;
  readonly port?: string;
  readonly bridge?: readonly string[];
  readonly wire?: Message;
  readonly utility?: number;
  readonly asked?: string;
  readonly buttons?: readonly string[];
}

const project = join(import.meta.dirname, '../..');

test('the built main process and preload: the page by its scheme, a run in a utility process, and nothing left', async () => {
  const home = new Home();
  const standIn = pathToFileURL(join(project, 'test/support/electron-module.ts')).href;
  const main = fork(join(project, 'out/main/electron.js'), [], {
    execArgv: [`--import=${standIn}`],
    env: { ...process.env, SPARROW_HOME: home.path, NODE_NO_WARNINGS: '1' },
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => {
    main.kill('SIGKILL');
    home.remove();
  });
  const ended = once(main, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const output = { stdout: '', stderr: '' };
  main.stdout!.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  main.stderr!.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const said: Said[] = [];
  const listeners: ((message: Message) => void)[] = [];
  main.on('message', (one: Said) => {
    said.push(one);
    if (one.wire !== undefined) for (const listener of listeners) listener(one.wire);
  });
  await expect
    .poll(() => (main.exitCode === null ? output.stdout : JSON.stringify(output)), { timeout: 60_000 })
    .toMatch(/^sparrow: the window is open$/m);

  const called = (name: string) => said.filter(({ called }) => called === name).map(({ args }) => args);
  expect(called('enableSandbox')).toHaveLength(1);
  expect(called('registerSchemesAsPrivileged')[0]).toMatchObject([
    { scheme: 'sparrow', privileges: { standard: true } },
  ]);
  expect(called('setPath')).toEqual([['userData', join(home.path, 'window')]]);
  expect(called('BrowserWindow')[0]).toMatchObject([{ contextIsolation: true, sandbox: true, nodeIntegration: false }]);
  for (const guard of ['setPermissionRequestHandler', 'setPermissionCheckHandler', 'setWindowOpenHandler']) {
    expect(called(guard)).toHaveLength(1);
  }
  const files = said.filter(({ read }) => read !== undefined);
  expect(files.every(({ policy }) => policy === contentSecurityPolicy)).toBe(true);
  const statuses = (status: number) => files.filter((file) => file.status === status).map(({ read }) => read);
  expect(statuses(200)).toEqual(
    expect.arrayContaining(['sparrow://app/index.html', expect.stringMatching(/\/assets\/.+\.js$/)]),
  );
  expect(statuses(404)).toEqual(['sparrow://app/..%2f..%2fpackage.json']);
  expect(statuses(403)).toEqual(['sparrow://other/index.html']);
  expect(said.flatMap(({ opened }) => opened ?? [])).toEqual(['https://example.org/']);
  expect(said.filter(({ port }) => port !== undefined)).toEqual([
    { port: 'sparrow-port', bridge: ['askForPort', 'openLink', 'pathOf'] },
  ]);

  const wire: Wire = {
    send: (message) => main.send(message),
    onMessage: (listener) => listeners.push(listener),
    onClose: (listener) => main.once('disconnect', listener),
    close: () => undefined,
  };
  const client = clientOver(wire, () => new Error('unanswered'));
  const { runs } = await client.runs.list({});
  expect(runs.map(({ record }) => record.tags)).toEqual([['demonstration'], ['demonstration'], ['demonstration']]);
  for (const { record } of runs.toReversed()) await client.runs.stop({ id: record.id, now: true });
  const config = {
    name: 'tiny',
    model: { hidden: 8, embedding: 8 },
    corpus: { name: 'built-in', vocabulary: 100, tokens: 1000 },
    training: { epochs: 1, batch: 5, evaluationBatch: 2, bptt: 10 },
  };
  const { ids } = await client.runs.create({ configs: [config] });
  const state = async () => (await client.runs.get({ id: ids[0] })).state;
  await expect.poll(state, { timeout: 60_000 }).toEqual({ state: 'finished' });
  const endless = { ...config, training: { ...config.training, epochs: 100_000 } };
  const [id] = (await client.runs.create({ configs: [endless] })).ids;
  await expect.poll(async () => (await client.runs.get({ id })).state.state, { timeout: 60_000 }).toBe('running');
  expect(ownerOf(home)).toBe(main.pid);
  const trainers = said.flatMap(({ utility }) => utility ?? []);
  expect(trainers.filter(isAlive)).toHaveLength(1);

  const asked = () => said.filter(({ asked }) => asked !== undefined);
  const question = { asked: 'tiny is being trained.', buttons: ['Checkpoint and close', 'Keep training'] };
  main.send('close the window');
  await expect.poll(asked, { timeout: 60_000 }).toEqual([question]);
  expect((await client.runs.get({ id })).state.state).toBe('running'); // it was kept
  main.send('close the window');
  await expect.poll(asked, { timeout: 60_000 }).toEqual([question, question]);
  main.kill('SIGTERM'); // it does not wait for an answer
  expect(await ended).toEqual([0, null]);
  for (const trainer of trainers) await gone(trainer);
  expect(ownerOf(home)).toBeUndefined();
  expect(output.stderr).toBe('');
}, 180_000);
