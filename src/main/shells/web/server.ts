import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { z } from 'zod';
import type { Wire } from '../../../shared/contract/wire.js';
import { admitted, closeCodes, contractPath, sessionPath } from '../../../shared/web-session.js';
import { webSocketWire } from '../../transports/web-socket-wire.js';
import { pageFile } from '../page/files.js';
import { pageHeaders } from '../page/policy.js';
import { cookieIn, cookieName, refusalOf } from './rules.js';
import { Failures, type Sessions } from './sessions.js';

export interface WebServerOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** Of the built page. */
  readonly folder: string;
  readonly sessions: Sessions;
  /** Takes each page that has shown its session. */
  readonly admit: (wire: Wire) => void;
  /** Called when a token has been spent: the next one opens another window. */
  readonly onOpened?: () => void;
  readonly failures?: Failures;
}

const longestBody = 1024; // a token
/** Ten thousand configurations, the most that the contract takes at once. */
const longestMessage = 32 * 1024 * 1024;
const longestSecret = 200;
const secretWithinMs = 10_000;
/** Sockets that have not shown their session yet. */
const mostStrangers = 16;
const heartbeatMs = 30_000;
const goodbyeMs = 1000;

const exchangeSchema = z.strictObject({ token: z.string().max(200) });

/** The application on 127.0.0.1: the page's files, the exchange of a token for a session, and the contract over WebSocket. */
export class WebServer {
  readonly #options: WebServerOptions;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: longestMessage });
  readonly #failures: Failures;
  readonly #alive = new WeakSet<WebSocket>();
  #strangers = 0;

  /** @throws an error of the system where it cannot listen, such as EADDRINUSE */
  static async start(options: WebServerOptions): Promise<WebServer> {
    const web = new WebServer(options);
    await new Promise<void>((resolve, reject) => {
      web.#server.once('error', reject);
      web.#server.listen(options.port, '127.0.0.1', resolve);
    });
    return web;
  }

  private constructor(options: WebServerOptions) {
    this.#options = options;
    this.#failures = options.failures ?? new Failures();
    this.#server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (request, response) => {
      this.#answer(request, response).catch(() => {
        if (response.headersSent) response.destroy();
        else reply(response, 500, 'the file cannot be read');
      });
    });
    this.#server.maxConnections = 200;
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    const heartbeat = setInterval(() => {
      this.#listenForHearts();
    }, heartbeatMs);
    this.#server.once('close', () => {
      clearInterval(heartbeat);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What to open in a browser, once. The part behind # never leaves the browser, nor stands in its history or in a log. */
  get link(): string {
    return `http://127.0.0.1:${this.port}/#token=${this.#options.sessions.token}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets.clients) socket.close(closeCodes.goingAway);
    const patience = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
      this.#server.closeAllConnections();
    }, goodbyeMs);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(patience);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = refusalOf(asked(request), false);
    if (refusal !== undefined) {
      reply(response, 403, refusal);
      return;
    }
    const pathname = pathOf(request);
    if (pathname === sessionPath) {
      await this.#exchange(request, response);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      reply(response, 405, 'pages are read here', { allow: 'GET, HEAD' });
      return;
    }
    const file = await pageFile(this.#options.folder, pathname);
    if (file === undefined) {
      reply(response, 404, 'there is no such page');
      return;
    }
    response.writeHead(200, { ...pageHeaders, ...file.headers, 'content-length': file.body.length });
    response.end(request.method === 'HEAD' ? undefined : file.body);
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      reply(response, 405, 'a token is exchanged here', { allow: 'POST' });
      return;
    }
    if (this.#failures.tooMany) {
      reply(response, 429, 'too many failures: wait a minute', { 'retry-after': '60' });
      return;
    }
    const body = await bodyOf(request);
    if (body === undefined) {
      reply(response, 413, 'that is no token', { connection: 'close' });
      return;
    }
    const asks = exchangeSchema.safeParse(jsonOf(body));
    const session = asks.success ? this.#options.sessions.exchange(asks.data.token) : undefined;
    if (session === undefined) {
      this.#failures.add();
      reply(response, 401, 'this link has been used or is of another server');
      return;
    }
    const name = cookieName(request.headers.host ?? '');
    response.writeHead(200, {
      ...pageHeaders,
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'set-cookie': `${name}=${session.cookie}; Path=/; HttpOnly; SameSite=Strict`,
    });
    response.end(JSON.stringify({ secret: session.secret }));
    this.#options.onOpened?.();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined); // it closes
    const refusal = refusalOf(asked(request), true);
    if (refusal !== undefined) refuse(socket, '403 Forbidden');
    else if (pathOf(request) !== contractPath) refuse(socket, '404 Not Found');
    else if (this.#failures.tooMany) refuse(socket, '429 Too Many Requests');
    else if (this.#strangers >= mostStrangers) refuse(socket, '503 Service Unavailable');
    else {
      this.#sockets.handleUpgrade(request, socket, head, (opened) => {
        const cookie = cookieIn(request.headers.cookie, cookieName(request.headers.host ?? ''));
        this.#receive(opened, cookie ?? '');
      });
    }
  }

  /** The first message is the secret; what comes before it has been shown is nobody's. */
  #receive(socket: WebSocket, cookie: string): void {
    this.#alive.add(socket);
    socket.on('pong', () => this.#alive.add(socket));
    socket.on('error', () => undefined); // 'close' follows
    this.#strangers += 1;
    const late = setTimeout(() => {
      socket.close(closeCodes.refused);
    }, secretWithinMs);
    const known = () => {
      clearTimeout(late);
      socket.off('close', known);
      this.#strangers -= 1;
    };
    socket.once('close', known);
    socket.once('message', (data: Buffer, isBinary) => {
      known();
      const secret = isBinary || data.length > longestSecret ? '' : data.toString();
      if (this.#failures.tooMany) {
        socket.close(closeCodes.tooMany);
      } else if (this.#options.sessions.admits(cookie, secret)) {
        socket.send(admitted);
        this.#options.admit(webSocketWire(socket));
      } else {
        this.#failures.add();
        socket.close(closeCodes.refused);
      }
    });
  }

  /** A browser that is gone without a word, as when a laptop sleeps, does not answer. */
  #listenForHearts(): void {
    for (const socket of this.#sockets.clients) {
      if (this.#alive.delete(socket)) socket.ping();
      else socket.terminate();
    }
  }
}

function asked({ method = '', headers: { host, origin } }: IncomingMessage) {
  return { method, host, origin };
}

/** Of the URL as it was sent: nothing is resolved or decoded here. */
function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0];
}

function reply(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...pageHeaders,
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(`${text}\n`);
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Undefined where it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  // What is left of one that is too long is not read, but it is answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longestBody) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
