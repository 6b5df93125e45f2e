import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import packageJson from '../../../package.json';
import { UserError } from '../../shared/errors.js';
import type { Client } from '../../shared/contract/client.js';
import type { Wire } from '../../shared/contract/wire.js';
import { LockHeld, ProcessLock } from '../../system/process-lock.js';
import { routerOf, type Router } from '../contract/router.js';
import { clientInMemory, serveOver } from '../contract/serve.js';
import { corporaFolder, dataFolder, databaseFile, runsFolder } from '../data-folder.js';
import { adoptEarlierRuns } from '../earlier-runs.js';
import { StoreReader } from '../store/reader.js';
import { openWritable } from '../store/open.js';
import type { WritableStore } from '../store/store.js';
import { endOrphans } from '../trainers/orphans.js';
import type { Spawn } from '../trainers/trainer-process.js';
import { socketWire } from '../transports/socket-wire.js';
import { Workbench } from '../workbench/workbench.js';
import { announce, dropAddress, newAddress, removeEndpoint } from './endpoint.js';
import { limits } from './limits.js';

/** How often to look whether a backup is due. */
const backupMs = 60 * 60 * 1000;

export interface OwnerOptions {
  /** How trainers are started, if not as plain Node processes. */
  readonly spawn?: Spawn;
}

/** The owner of a data folder: holds its lock, its database and its queue, and answers whoever attaches. */
export class Owner {
  readonly client: Client;
  readonly workbench: Workbench;
  readonly #lock: ProcessLock;
  readonly #store: WritableStore;
  readonly #reader: StoreReader;
  readonly #analyst: StoreReader;
  readonly #router: Router;
  readonly #folder: string;
  #server: Server | undefined;
  readonly #guests = new Set<Socket>();
  readonly #leaving = new AbortController();
  #backup: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Becomes the owner; undefined while somebody else is. The queue waits until the workbench is started. */
  static async become(options: OwnerOptions = {}): Promise<Owner | undefined> {
    const folder = dataFolder();
    const lock = tryLock(join(folder, 'owner.lock'));
    if (lock === undefined) return undefined;
    let store: WritableStore | undefined;
    try {
      store = openWritable(databaseFile());
      await endOrphans(store, runsFolder());
      adoptEarlierRuns(store, runsFolder(), (text) => process.stderr.write(`sparrow: ${text}\n`));
      const owner = new Owner(folder, lock, store, options);
      await owner.#listen();
      owner.#keepBackups();
      return owner;
    } catch (error) {
      store?.close();
      lock.release();
      throw error;
    }
  }

  private constructor(folder: string, lock: ProcessLock, store: WritableStore, options: OwnerOptions) {
    this.#folder = folder;
    this.#lock = lock;
    this.#store = store;
    this.#reader = new StoreReader(store.path);
    this.#analyst = new StoreReader(store.path);
    this.workbench = new Workbench({
      store,
      reader: this.#reader,
      analyst: this.#analyst,
      runsFolder: runsFolder(),
      corporaFolder: corporaFolder(),
      ...limits(),
      ...options,
    });
    this.#router = routerOf(this.workbench, packageJson.version);
    this.client = clientInMemory(this.#router);
  }

  /** How many shells are attached. */
  get guests(): number {
    return this.#guests.size;
  }

  /** Answers a shell's page. */
  admit(wire: Wire): void {
    serveOver(wire, this.#router);
  }

  /**
   * Stops what is under way and lets go of the folder.
   * @param handOver names the runs that the next owner is to go on with
   */
  close(handOver: (id: string) => boolean): Promise<void> {
    this.#closed ??= this.#close(handOver);
    return this.#closed;
  }

  async #close(handOver: (id: string) => boolean): Promise<void> {
    await this.workbench.close(handOver);
    this.#leaving.abort();
    await this.#backup;
    // What was asked before is answered: the last news of runs that were stopped among it.
    await new Promise((resolve) => setImmediate(resolve));
    const server = this.#server;
    const closed = server === undefined ? undefined : new Promise((resolve) => server.close(resolve));
    for (const guest of this.#guests) guest.destroySoon();
    const patience = setTimeout(() => {
      for (const guest of this.#guests) guest.destroy(); // one that does not read must not keep us
    }, 1000);
    await closed;
    clearTimeout(patience);
    removeEndpoint(this.#folder);
    await Promise.all([this.#reader.close(), this.#analyst.close()]);
    this.#store.close();
    this.#lock.release();
  }

  /** Now and from time to time. One that fails, for want of room, say, is tried again. */
  #keepBackups(): void {
    const keep = () => {
      this.#backup = this.#store.backUpIfDue(this.#leaving.signal).catch(() => undefined);
    };
    keep();
    const timer = setInterval(keep, backupMs);
    timer.unref();
    this.#leaving.signal.addEventListener('abort', () => {
      clearInterval(timer);
    });
  }

  async #listen(): Promise<void> {
    const address = newAddress(this.#folder);
    const server = createServer((socket) => {
      this.#guests.add(socket);
      socket.once('close', () => this.#guests.delete(socket));
      serveOver(socketWire(socket), this.#router);
    });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        // Nobody else may connect between the socket's making, which happens in this call, and its change of mode.
        const mask = process.umask(0o177);
        server.listen(address, resolve);
        process.umask(mask);
      });
    } catch (error) {
      dropAddress(address);
      throw new UserError(
        `cannot listen on ${address}: ${error instanceof Error ? error.message : String(error)}. Set SPARROW_HOME to a folder ` +
          'on a disk that can hold sockets',
      );
    }
    this.#server = server;
    announce(this.#folder, address);
  }
}

function tryLock(path: string): ProcessLock | undefined {
  try {
    return new ProcessLock(path, 'the data folder');
  } catch (error) {
    if (error instanceof LockHeld) return undefined;
    throw error;
  }
}
