import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { routerOf } from '../../src/main/contract/router.js';
import { serveOver } from '../../src/main/contract/serve.js';
import { portWire } from '../../src/main/transports/port-wire.js';
import { Connection, Refused, type ConnectionState } from '../../src/renderer/connection/connection.js';
import { TabSession, type Tab } from '../../src/renderer/connection/session.js';
import { ConnectionLost, OwnerLeaves } from '../../src/shared/contract/errors.js';
import { relay, type Wire } from '../../src/shared/contract/wire.js';
import { desk } from './support/desk.js';

/** Opens wires to a workbench, through a relay as where another process is the owner. */
function openers(workbench: ReturnType<typeof desk>['workbench']) {
  const ports: MessagePort[] = [];
  const open = (): Promise<Wire> => {
    const page = new MessageChannel();
    const owner = new MessageChannel();
    ports.push(page.port1, page.port2, owner.port1, owner.port2);
    relay(portWire(page.port2), portWire(owner.port1));
    serveOver(portWire(owner.port2), routerOf(workbench, '1.0.0'));
    return Promise.resolve(portWire(page.port1));
  };
  onTestFinished(() => {
    for (const port of ports) port.close();
  });
  return {
    open,
    /** The owner dies. */
    sever: () => {
      ports.at(-1)!.close();
    },
  };
}

const pauses = [5];
const stateOf = (connection: Connection) => connection.state.state;

function connection(open: () => Promise<Wire>): { made: Connection; states: ConnectionState['state'][] } {
  const made = new Connection(open, pauses);
  const states: ConnectionState['state'][] = [];
  made.onState(({ state }) => states.push(state));
  onTestFinished(() => {
    made.close();
  });
  return { made, states };
}

test('calls that come too early wait for the connection', async () => {
  const { open } = openers(desk().workbench);
  let failures = 3;
  const { made, states } = connection(() => (failures-- > 0 ? Promise.reject(new Error('unreachable')) : open()));
  expect(made.state).toEqual({ state: 'connecting' });
  expect((await made.client.hello({})).version).toBe('1.0.0');
  expect(states).toEqual(['connected']);
  expect(made.state).toEqual({ state: 'connected', version: '1.0.0' });
});

test('a lost connection rejects what is under way and comes back by itself', async () => {
  const { workbench } = desk();
  const { open, sever } = openers(workbench);
  let reachable = true;
  const { made, states } = connection(() => (reachable ? open() : Promise.reject(new Error('unreachable'))));
  await made.connected();
  const { version } = await made.client.news({ after: 0 });
  const waiting = made.client.news({ after: 0, version, waitMs: 30_000 });
  await made.client.hello({});
  reachable = false;
  sever();
  await expect(waiting).rejects.toBeInstanceOf(ConnectionLost);
  await expect.poll(() => stateOf(made)).toBe('lost');
  await expect(made.client.hello({})).rejects.toBeInstanceOf(ConnectionLost);
  reachable = true;
  await made.connected();
  expect((await made.client.hello({})).pid).toBe(process.pid);
  expect(states).toEqual(['connected', 'lost', 'connected']);
});

test('where it is of no use to try again it says why', async () => {
  const open = vi.fn(() => Promise.reject(new Refused('a new link is needed')));
  const { made } = connection(open);
  await expect(made.client.hello({})).rejects.toThrow('a new link is needed');
  expect(made.state).toEqual({ state: 'refused', message: 'a new link is needed' });
  await expect(made.connected()).rejects.toBeInstanceOf(Refused);
  await expect(made.client.hello({})).rejects.toBeInstanceOf(Refused);
  expect(open).toHaveBeenCalledTimes(1);
});

test('what an owner that leaves has not done is asked of the next one', async () => {
  const first = desk();
  const next = desk();
  const wires = [openers(first.workbench), openers(next.workbench)];
  let owner = 0;
  const { made } = connection(() => wires[owner].open());
  await made.connected();
  const refusing = vi.spyOn(first.workbench.commands, 'create').mockImplementation(() => {
    throw new OwnerLeaves();
  });
  const asked = made.client.runs.create({ configs: [{ name: 'late' }] });
  await expect.poll(() => refusing.mock.calls.length).toBe(1);
  owner = 1;
  wires[0].sever();
  expect(await asked).toEqual({ ids: ['late-1'] });
  expect(next.trainers.all).toHaveLength(1);
});

interface Site {
  token: string;
  readonly secret: string;
}

/** A tab of a browser that has opened an address of a site. */
function tab({ site, hash = '', others }: { site: Site; hash?: string; others?: string }) {
  const stored = new Map<string, string>();
  const told: string[] = [];
  const addresses: string[] = [];
  const fetched = vi.fn((_: string, { body }: { body: string }) => {
    const fits = body === JSON.stringify({ token: site.token });
    if (fits) site.token = 'next';
    const status = fits ? 200 : 401;
    return Promise.resolve({ ok: fits, status, json: () => Promise.resolve({ secret: site.secret }) });
  });
  const made: Tab = {
    location: { hash, pathname: '/' },
    storage: { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) },
    replaceAddress: (address) => addresses.push(address),
    fetch: fetched,
    askOthers: () => Promise.resolve(others),
    answerOthers: (secret) => told.push(secret),
  };
  return { made, stored, told, addresses, fetched };
}

test('a link is taken out of the address at once, and opens a session that the tab keeps', async () => {
  const site = { token: 'abc', secret: 's' };
  const first = tab({ site, hash: '#token=abc' });
  const session = new TabSession(first.made);
  expect(first.addresses).toEqual(['/']);
  expect(await session.secret()).toBe('s');
  expect(await session.secret()).toBe('s');
  expect(first.fetched).toHaveBeenCalledTimes(1);
  expect(first.told).toEqual(['s']);
  expect(await new TabSession({ ...first.made, location: { hash: '#/runs', pathname: '/' } }).secret()).toBe('s');
  expect(first.addresses).toEqual(['/']);
});

test('a server that cannot be reached is asked again with the same link', async () => {
  const site = { token: 'abc', secret: 's' };
  const one = tab({ site, hash: '#token=abc' });
  const session = new TabSession(one.made);
  one.fetched.mockRejectedValueOnce(new TypeError('failed to fetch'));
  await expect(session.secret()).rejects.toThrow('failed to fetch');
  one.fetched.mockResolvedValueOnce({ ok: false, status: 429, json: () => Promise.reject(new Error()) });
  await expect(session.secret()).rejects.toThrow('429');
  expect(await session.secret()).toBe('s');
});

test('a used link goes on with what the tab or another one has, and is refused where none has anything', async () => {
  const site = { token: 'new', secret: 's' };
  await expect(new TabSession(tab({ site, hash: '#token=old' }).made).secret()).rejects.toBeInstanceOf(Refused);
  await expect(new TabSession(tab({ site }).made).secret()).rejects.toBeInstanceOf(Refused);
  expect(await new TabSession(tab({ site, hash: '#token=old', others: 'o' }).made).secret()).toBe('o');
  const kept = tab({ site, hash: '#token=old' });
  kept.stored.set('sparrow-session', 'mine');
  expect(await new TabSession(kept.made).secret()).toBe('mine');
});
