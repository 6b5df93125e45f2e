import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocket as NodeWebSocket } from 'ws';
import { Connection } from '../../src/renderer/connection/connection.js';
import { openWebSocket } from '../../src/renderer/connection/web-socket.js';
import { contractPath, sessionPath } from '../../src/shared/web-session.js';
import type { Home } from './sparrow.js';

const project = join(import.meta.dirname, '../..');
const patienceMs = 60_000;

/** A command that serves the application, as it is installed. */
export class Served {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  /** @param args of `node`, in the project's folder */
  constructor(home: Home, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const nowhere = { DISPLAY: undefined, WAYLAND_DISPLAY: undefined, SSH_CONNECTION: undefined };
    this.process = spawn(process.execPath, args, {
      cwd: project,
      env: { ...process.env, ...nowhere, SPARROW_HOME: home.path, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.process.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = once(this.process, 'close').then(([status]) => status as number | null);
  }

  /** The link that it prints. */
  async link(): Promise<URL> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline && this.process.exitCode === null;) {
      const line = /^http:\S+$/m.exec(this.stdout)?.[0];
      if (line !== undefined) return new URL(line);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no link was printed: ${this.stderr}`);
  }

  async end(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    this.process.kill(signal);
    const late = setTimeout(() => this.process.kill('SIGKILL'), patienceMs);
    const status = await this.ended;
    clearTimeout(late);
    return status;
  }
}

/** What a tab has after it has opened a link. */
export interface TabSession {
  readonly origin: string;
  readonly cookie: string;
  readonly secret: string;
}

/** Opens a link as the page does. */
export async function visit(link: URL): Promise<TabSession> {
  const token = link.hash.replace('#token=', '');
  const { origin } = link;
  const body = JSON.stringify({ token });
  const response = await fetch(origin + sessionPath, { method: 'POST', headers: { origin }, body });
  if (!response.ok) throw new Error(`the link is refused: ${response.status}`);
  const { secret } = (await response.json()) as { secret: string };
  return { origin, cookie: response.headers.getSetCookie()[0].split(';')[0], secret };
}

/** The page's own connection, with a cookie jar that has one cookie. */
export function connectionOf({ origin, cookie, secret }: TabSession): Connection {
  return new Connection(() => {
    const url = origin.replace('http', 'ws') + contractPath;
    const socket = new NodeWebSocket(url, { headers: { origin, cookie } });
    socket.on('error', () => undefined); // 'close' follows, as in a browser
    return openWebSocket(socket as unknown as WebSocket, secret);
  });
}
