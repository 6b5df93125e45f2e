import { once } from 'node:events';
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { contentSecurityPolicy } from '../../src/main/shells/page/policy.js';
import { WebServer } from '../../src/main/shells/web/server.js';
import { Failures, Sessions } from '../../src/main/shells/web/sessions.js';
import type { Wire } from '../../src/shared/contract/wire.js';
import { admitted, closeCodes, contractPath, sessionPath } from '../../src/shared/web-session.js';

interface Site {
  readonly server: WebServer;
  readonly sessions: Sessions;
  readonly wires: Wire[];
  readonly origin: string;
}

async function site(failures?: Failures): Promise<Site> {
  const parent = mkdtempSync(join(tmpdir(), 'sparrow-site-'));
  const folder = join(parent, 'renderer');
  mkdirSync(join(folder, 'assets'), { recursive: true });
  writeFileSync(join(folder, 'index.html'), '<title>Sparrow</title>');
  writeFileSync(join(folder, 'assets', 'main-1a2b.js'), 'export {};');
  writeFileSync(join(folder, 'assets', 'strange.xyz'), '?');
  writeFileSync(join(parent, 'private.txt'), 'private');
  const wires: Wire[] = [];
  const sessions = new Sessions(Buffer.alloc(32, 7));
  const server = await WebServer.start({
    port: 0,
    folder,
    sessions,
    admit: (wire) => wires.push(wire),
    ...(failures === undefined ? {} : { failures }),
  });
  onTestFinished(async () => {
    await server.close();
    rmSync(parent, { recursive: true, force: true });
  });
  return { server, sessions, wires, origin: `http://127.0.0.1:${server.port}` };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A request that says exactly what it is told to, as no browser would. */
async function ask(
  { server }: Site,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: OutgoingHttpHeaders; body?: string | Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false });
    asked.once('error', reject);
    asked.once('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    asked.end(body);
  });
}

const exchange = (one: Site, token: string, headers: OutgoingHttpHeaders = { origin: one.origin }) =>
  ask(one, sessionPath, { method: 'POST', headers, body: JSON.stringify({ token }) });

/** What becomes of a socket: its first message, the code it is closed with, or the status it is refused with. */
async function knock(
  { server }: Site,
  {
    headers,
    secret,
    path = contractPath,
  }: { headers: Record<string, string>; secret?: string | Buffer; path?: string },
): Promise<string | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
  onTestFinished(() => {
    socket.terminate();
  });
  return new Promise((resolve) => {
    socket.on('open', () => {
      if (secret !== undefined) socket.send(secret);
    });
    socket.on('message', (data: Buffer) => {
      resolve(data.toString());
    });
    socket.on('close', resolve);
    socket.on('unexpected-response', (_, response) => {
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', () => undefined);
  });
}

function headersOf({ server, origin }: Site, cookie: string) {
  return { origin, cookie: `other=1; sparrow-${server.port}=${cookie}` };
}

test('the page is served with its policy, its files, and nothing else', async () => {
  const one = await site();
  const page = await ask(one, '/');
  expect(page).toMatchObject({ status: 200, body: '<title>Sparrow</title>' });
  expect(page.headers['content-security-policy']).toBe(contentSecurityPolicy);
  expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' });
  const script = await ask(one, '/assets/main-1a2b.js?v=1');
  expect(script).toMatchObject({ status: 200, body: 'export {};' });
  expect(script.headers['content-type']).toMatch(/javascript/);
  expect(script.headers['cache-control']).toMatch(/immutable/);
  expect(await ask(one, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  for (const path of ['/missing.html', '/assets', '/assets/', '/assets/strange.xyz', '/%', '/index.html/x']) {
    const missing = await ask(one, path);
    expect({ path, status: missing.status }).toEqual({ path, status: 404 });
    expect(missing.headers['content-security-policy']).toBe(contentSecurityPolicy);
  }
});

test('no path leads out of the page', async () => {
  const one = await site();
  const ways = [
    ...[
      '/../private.txt',
      '/assets/../../private.txt',
      '/%2e%2e/private.txt',
      '/..%2fprivate.txt',
      '/%2e%2e%2fprivate.txt',
    ],
    ...['/..\\private.txt', '/..%5cprivate.txt', '//private.txt', '/%00', '/index.html%00.js', '/c:/private.txt'],
    '/../renderer-other/private.txt',
  ];
  for (const path of ways) {
    const { status, body } = await ask(one, path);
    expect({ path, status, body: body.includes('private') }).toEqual({ path, status: 404, body: false });
  }
});

test('only 127.0.0.1 is listened to', async () => {
  const { server } = await site();
  const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const addresses = ['127.0.0.2', ...others.filter(({ internal }) => !internal).map(({ address }) => address)];
  for (const address of addresses) {
    const socket = connect(server.port, address);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(['ECONNREFUSED', 'EINVAL', 'EHOSTUNREACH', 'ENETUNREACH']).toContain(error.code);
    socket.destroy();
  }
});

test('only names of this machine are answered, at any port', async () => {
  const one = await site();
  for (const host of ['127.0.0.1:9000', 'localhost', 'localhost:80', '[::1]:9000', '127.0.0.1']) {
    expect((await ask(one, '/', { headers: { host } })).status).toBe(200);
  }
  const strangers = ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', 'evil.example:127.0.0.1'];
  for (const host of [...strangers, '127.0.0.2', 'localhost:80@evil.example', '[::]', '0.0.0.0', 'localhost:x']) {
    const { status, body } = await ask(one, '/', { headers: { host } });
    expect({ host, served: status === 200 || body.includes('<title>') }).toEqual({ host, served: false });
  }
  const nameless = connect(one.server.port, '127.0.0.1');
  nameless.write('GET / HTTP/1.0\r\n\r\n');
  expect(((await once(nameless, 'data')) as [Buffer])[0].toString()).toMatch(/^HTTP\/1\.1 403 /);
  nameless.destroy();
  const { cookie, secret } = one.sessions.exchange(one.sessions.token)!;
  const rebound = { host: 'evil.example', origin: 'http://evil.example', cookie: `sparrow-80=${cookie}` };
  expect(await knock(one, { headers: rebound, secret })).toBe(403);
});

test('other websites are refused, and told nothing by CORS', async () => {
  const one = await site();
  const token = one.sessions.token;
  const strangers = [
    ...['http://evil.example', 'null', `https://127.0.0.1:${one.server.port}`, `http://localhost:${one.server.port}`],
    ...['http://127.0.0.1:1', `${one.origin}.evil.example`, 'file://'],
  ];
  const { cookie, secret } = new Sessions(Buffer.alloc(32, 7)).exchange(token) ?? { cookie: '', secret: '' };
  expect(cookie).toBe(''); // a token is of one server
  for (const origin of strangers) {
    expect((await ask(one, '/', { headers: { origin } })).status).toBe(403);
    const answer = await exchange(one, token, { origin });
    expect(answer.status).toBe(403);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(await knock(one, { headers: { origin, cookie: `sparrow-${one.server.port}=${cookie}` }, secret })).toBe(403);
  }
  const preflight = await ask(one, sessionPath, {
    method: 'OPTIONS',
    headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
  });
  expect(preflight.status).toBe(403);
  expect((await exchange(one, token, {})).status).toBe(403); // no browser leaves the origin of a POST out
  expect((await exchange(one, token)).status).toBe(200); // none of these has spent it
});

test('a token opens one session, whose cookie no script reads', async () => {
  const one = await site();
  const token = one.sessions.token;
  expect(one.server.link).toBe(`${one.origin}/#token=${token}`);
  const first = await exchange(one, token);
  expect(first.status).toBe(200);
  expect(first.headers['set-cookie']).toEqual([
    expect.stringMatching(new RegExp(`^sparrow-${one.server.port}=[^;]+; Path=/; HttpOnly; SameSite=Strict$`)),
  ]);
  expect(first.headers['cache-control']).toBe('no-store');
  expect(first.body).not.toContain(token);
  expect((await exchange(one, token)).status).toBe(401);
  expect(one.server.link).not.toContain(token);
  expect((await exchange(one, one.sessions.token)).status).toBe(200);
  const through = { host: 'localhost:9000', origin: 'http://localhost:9000' }; // ssh -L 9000:127.0.0.1:PORT
  expect((await exchange(one, one.sessions.token, through)).headers['set-cookie']?.[0]).toMatch(/^sparrow-9000=/);
});

test('what is no token is refused, and a body is short', async () => {
  const one = await site(new Failures(100));
  const post = (body: string | Buffer, headers = {}) =>
    ask(one, sessionPath, { method: 'POST', headers: { origin: one.origin, ...headers }, body });
  for (const body of ['', '{', '[]', '{"token":1}', '{"token":""}', JSON.stringify({ token: 'x'.repeat(500) })]) {
    expect((await post(body)).status).toBe(401);
  }
  expect((await post(Buffer.alloc(100_000, 'x'))).status).toBe(413);
  expect((await post(JSON.stringify({ token: one.sessions.token, more: 'x'.repeat(2000) }))).status).toBe(413);
  expect((await ask(one, sessionPath)).status).toBe(405);
  for (const method of ['PUT', 'DELETE', 'TRACE', 'OPTIONS']) {
    expect((await ask(one, '/', { method, headers: { origin: one.origin } })).status).toBe(405);
  }
});

test('the contract is spoken with whoever has both halves of a session, and nobody else', async () => {
  const one = await site(new Failures(100));
  const { cookie, secret } = one.sessions.exchange(one.sessions.token)!;
  const other = one.sessions.exchange(one.sessions.token)!;
  const headers = headersOf(one, cookie);
  expect(await knock(one, { headers, secret })).toBe(admitted);
  expect(one.wires).toHaveLength(1);
  const strangers = [
    { headers: { origin: one.origin }, secret },
    { headers: { origin: one.origin, cookie: `sparrow-1=${cookie}` }, secret },
    { headers, secret: other.secret },
    { headers: headersOf(one, other.cookie), secret },
    { headers: headersOf(one, `${cookie.startsWith('A') ? 'B' : 'A'}${cookie.slice(1)}`), secret },
    { headers: headersOf(one, secret), secret: cookie },
    { headers, secret: '' },
    { headers, secret: 'x'.repeat(10_000) },
    { headers, secret: Buffer.from(secret) },
    { headers, secret: '{"method":"hello"}' },
  ];
  for (const stranger of strangers) expect(await knock(one, stranger)).toBe(closeCodes.refused);
  expect(await knock(one, { headers: { cookie: headers.cookie }, secret })).toBe(403);
  expect(await knock(one, { headers, secret, path: '/' })).toBe(404);
  expect(await knock(one, { headers, secret, path: '/contract/x' })).toBe(404);
  expect(one.wires).toHaveLength(1);
});

test('a message is not endless', async () => {
  const one = await site();
  const { cookie, secret } = one.sessions.exchange(one.sessions.token)!;
  const socket = new WebSocket(`ws://127.0.0.1:${one.server.port}${contractPath}`, { headers: headersOf(one, cookie) });
  await once(socket, 'open');
  socket.send(secret);
  await once(socket, 'message');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  socket.send(Buffer.alloc(33 * 1024 * 1024));
  expect((await closed)[0]).toBe(1009);
});

test('after too many failures nobody is listened to for a while', async () => {
  let now = 0;
  const one = await site(new Failures(3, 60_000, () => now));
  const { cookie, secret } = one.sessions.exchange(one.sessions.token)!;
  expect((await exchange(one, 'wrong')).status).toBe(401);
  expect(await knock(one, { headers: headersOf(one, cookie), secret: 'wrong' })).toBe(closeCodes.refused);
  expect((await exchange(one, 'wrong', { origin: 'http://evil.example' })).status).toBe(403); // counts for nothing
  expect(await knock(one, { headers: headersOf(one, cookie), secret })).toBe(admitted);
  expect((await exchange(one, 'wrong')).status).toBe(401);
  const late = await exchange(one, one.sessions.token);
  expect(late.status).toBe(429);
  expect(late.headers['retry-after']).toBe('60');
  expect(await knock(one, { headers: headersOf(one, cookie), secret })).toBe(429);
  now = 60_000;
  expect((await exchange(one, one.sessions.token)).status).toBe(200);
});

test('sockets that show nothing are few', async () => {
  const one = await site();
  const { cookie, secret } = one.sessions.exchange(one.sessions.token)!;
  const headers = headersOf(one, cookie);
  const strangers = Array.from(
    { length: 16 },
    () => new WebSocket(`ws://127.0.0.1:${one.server.port}${contractPath}`, { headers }),
  );
  await Promise.all(strangers.map((socket) => once(socket, 'open')));
  expect(await knock(one, { headers, secret })).toBe(503);
  const gone = once(strangers[0], 'close');
  strangers[0].close();
  await gone;
  await expect.poll(() => knock(one, { headers, secret }), { timeout: 10_000 }).toBe(admitted);
});

test('a session lasts a week, over starts of the server, and not with another key', () => {
  let now = 1_800_000_000_000;
  const sessions = (key: number) => new Sessions(Buffer.alloc(32, key), () => now);
  const first = sessions(1);
  const { cookie, secret } = first.exchange(first.token)!;
  expect(sessions(1).admits(cookie, secret)).toBe(true);
  expect(sessions(2).admits(cookie, secret)).toBe(false);
  const [, unique, signature] = cookie.split('.');
  expect(sessions(1).admits(`${(now + 1000).toString(36)}.${unique}.${signature}`, secret)).toBe(false);
  now += 7 * 24 * 60 * 60 * 1000;
  expect(sessions(1).admits(cookie, secret)).toBe(false);
});
