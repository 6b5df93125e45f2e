import { join } from 'node:path';
import { codeOf, UserError } from '../../../shared/errors.js';
import { dataFolder } from '../../data-folder.js';
import { Host } from '../host.js';
import { pageFolder, requirePage } from '../page/files.js';
import { WebServer, type WebServerOptions } from './server.js';
import { sessionKey, Sessions } from './sessions.js';

export interface ServeOptions {
  /** Undefined for the usual one, or one of the next where that is taken. */
  readonly port?: number | undefined;
  readonly folder?: string;
  readonly onDefect: (error: unknown) => void;
  /** Called when a link has been used. */
  readonly onOpened?: (next: string) => void;
}

/** SPAR on a telephone. */
const usualPort = 7727;
const portsToTry = 20;

/** A web server with its host. */
export interface Served {
  readonly host: Host;
  readonly port: number;
  /** Opens the application in a browser, once. */
  readonly link: string;
  /** @returns ids of the runs that were under way here and wait now */
  close(): Promise<string[]>;
}

/** Serves the application on 127.0.0.1. @throws UserError where that cannot be */
export async function serve({ port, folder = pageFolder, onDefect, onOpened }: ServeOptions): Promise<Served> {
  requirePage(folder);
  const host = await Host.open(onDefect);
  try {
    const sessions = new Sessions(sessionKey(join(dataFolder(), 'sessions.key')));
    const server: WebServer = await listen(port, {
      folder,
      sessions,
      admit: (wire) => {
        host.admit(wire);
      },
      onOpened: () => onOpened?.(server.link),
    });
    return {
      host,
      port: server.port,
      get link() {
        return server.link;
      },
      close: async () => {
        const waiting = await host.close(); // first, so that pages hear how their runs ended
        await server.close();
        return waiting;
      },
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}

async function listen(port: number | undefined, options: Omit<WebServerOptions, 'port'>): Promise<WebServer> {
  if (port !== undefined) {
    const server = await tryPort(port, options);
    if (server !== undefined) return server;
    throw new UserError(`port ${port} is taken by another program: choose another with --port, or leave it out`);
  }
  for (let i = 0; i < portsToTry; i += 1) {
    const server = await tryPort(usualPort + i, options);
    if (server !== undefined) return server;
  }
  return WebServer.start({ ...options, port: 0 });
}

/** Undefined where the port is taken. */
async function tryPort(port: number, options: Omit<WebServerOptions, 'port'>): Promise<WebServer | undefined> {
  try {
    return await WebServer.start({ ...options, port });
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return undefined;
    if (codeOf(error) === 'EACCES') {
      throw new UserError(`this user may not listen on port ${port}: choose one above 1023 with --port`);
    }
    throw error;
  }
}
