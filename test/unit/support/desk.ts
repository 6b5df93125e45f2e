import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { WebSocket as NodeWebSocket } from 'ws';
import { routerOf } from '../../../src/main/contract/router.js';
import { clientInMemory, serveOver } from '../../../src/main/contract/serve.js';
import { StoreReader } from '../../../src/main/store/reader.js';
import { openWritable } from '../../../src/main/store/open.js';
import type { WritableStore } from '../../../src/main/store/store.js';
import { WebServer } from '../../../src/main/shells/web/server.js';
import { Sessions } from '../../../src/main/shells/web/sessions.js';
import { portWire } from '../../../src/main/transports/port-wire.js';
import { socketWire } from '../../../src/main/transports/socket-wire.js';
import { Workbench } from '../../../src/main/workbench/workbench.js';
import { clientOver, type Client } from '../../../src/shared/contract/client.js';
import type { Message, Wire } from '../../../src/shared/contract/wire.js';
import { contractPath } from '../../../src/shared/web-session.js';
import { openWebSocket } from '../../../src/renderer/connection/web-socket.js';
import { FakeTrainers } from './fake-trainer.js';

/** The bundle that set-up has made. */
const readerThread = join(import.meta.dirname, '../../../out/main/store-reader.js');

export interface Desk {
  readonly workbench: Workbench;
  readonly store: WritableStore;
  readonly trainers: FakeTrainers;
  readonly runsFolder: string;
  /** What went wrong where nobody asked. */
  readonly defects: unknown[];
  readonly path: string;
}

/** A workbench with a database of its own and trainers that do what a test says; gone when the test is. */
export function desk(
  options: { readonly runsPerDevice?: number; readonly path?: string; readonly start?: boolean } = {},
): Desk {
  const path = options.path ?? mkdtempSync(join(tmpdir(), 'sparrow-desk-'));
  const store = openWritable(join(path, 'sparrow.db'));
  const trainers = new FakeTrainers();
  const runsFolder = join(path, 'runs');
  const [reader, analyst] = [1, 2].map(() => new StoreReader(store.path, readerThread));
  const workbench = new Workbench({
    store,
    reader,
    analyst,
    runsFolder,
    corporaFolder: join(path, 'corpora'),
    corpusProgram: join(import.meta.dirname, '../../../out/main/corpus-process.js'),
    patience: { startMs: 60_000, silenceMs: 60_000, stopMs: 60_000 },
    runsPerDevice: options.runsPerDevice ?? 1,
    spawn: trainers.spawn,
  });
  const defects: unknown[] = [];
  if (options.start !== false) workbench.scheduler.start((error) => defects.push(error));
  onTestFinished(async () => {
    for (const trainer of trainers.all) trainer.end();
    await workbench.close(() => false);
    await Promise.all([reader.close(), analyst.close()]);
    store.close();
    rmSync(path, { recursive: true, force: true });
  });
  return { workbench, store, trainers, runsFolder, defects, path };
}

/** A shell that is attached, and a way to have the owner's side die. */
interface Attached {
  readonly client: Client;
  /** Undefined where both live in one process and die together. */
  readonly sever?: () => void;
  /** Sends what is no call. */
  readonly sendRaw?: (content: Message) => void;
}

type Transport = (workbench: Workbench) => Promise<Attached>;

/** Every way in which the contract is carried. */
export const transports: readonly { readonly name: string; readonly attach: Transport }[] = [
  {
    name: 'memory',
    attach: (workbench) => Promise.resolve({ client: clientInMemory(routerOf(workbench, '1.0.0')) }),
  },
  {
    name: 'a socket',
    attach: async (workbench) => {
      const folder = mkdtempSync(join(tmpdir(), 'sparrow-wire-'));
      const address = process.platform === 'win32' ? `\\\\.\\pipe\\${folder}` : join(folder, 's');
      const router = routerOf(workbench, '1.0.0');
      const served: Socket[] = [];
      const server = createServer((socket) => {
        served.push(socket);
        serveOver(socketWire(socket), router);
      });
      server.listen(address);
      await once(server, 'listening');
      const socket = connect(address);
      await once(socket, 'connect');
      onTestFinished(() => {
        socket.destroy();
        for (const one of served) one.destroy();
        server.close();
        rmSync(folder, { recursive: true, force: true });
      });
      const wire = socketWire(socket);
      return {
        client: clientOver(wire, () => new Error('unanswered')),
        sever: () => {
          for (const one of served) one.destroy();
        },
        sendRaw: (content) => {
          wire.send(content);
        },
      };
    },
  },
  {
    name: 'a message port',
    attach: (workbench) => {
      const { port1, port2 } = new MessageChannel();
      serveOver(portWire(port1), routerOf(workbench, '1.0.0'));
      onTestFinished(() => {
        port1.close();
        port2.close();
      });
      const wire = portWire(port2);
      return Promise.resolve({
        client: clientOver(wire, () => new Error('unanswered')),
        sever: () => {
          port1.close();
        },
        sendRaw: (content) => {
          wire.send(content);
        },
      });
    },
  },
  {
    name: 'a WebSocket',
    attach: async (workbench) => {
      const router = routerOf(workbench, '1.0.0');
      const served: Wire[] = [];
      const sessions = new Sessions(Buffer.alloc(32));
      const server = await WebServer.start({
        port: 0,
        folder: tmpdir(),
        sessions,
        admit: (wire) => {
          served.push(wire);
          serveOver(wire, router);
        },
      });
      onTestFinished(() => server.close());
      const { cookie, secret } = sessions.exchange(sessions.token)!;
      const { port } = server;
      const socket = new NodeWebSocket(`ws://127.0.0.1:${port}${contractPath}`, {
        headers: { origin: `http://127.0.0.1:${port}`, cookie: `sparrow-${port}=${cookie}` },
      });
      const wire = await openWebSocket(socket as unknown as WebSocket, secret); // as the page does
      return {
        client: clientOver(wire, () => new Error('unanswered')),
        sever: () => {
          for (const one of served) one.close();
        },
        sendRaw: (content) => {
          wire.send(content);
        },
      };
    },
  },
];
