import { connect, type Socket } from 'node:net';
import { join as joinPath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, UserError } from '../../shared/errors.js';
import { clientOver, type Client } from '../../shared/contract/client.js';
import { protocol } from '../../shared/contract/protocol.js';
import { ConnectionLost } from '../../shared/contract/errors.js';
import type { Wire } from '../../shared/contract/wire.js';
import { lockHolder } from '../../system/process-lock.js';
import { dataFolder, prepareDataFolder } from '../data-folder.js';
import { socketWire } from '../transports/socket-wire.js';
import { readEndpoint, type Endpoint } from './endpoint.js';
import { Owner, type OwnerOptions } from './owner.js';

/** A shell's place at the workbench of a data folder. */
export type Seat =
  | { readonly kind: 'owner'; readonly client: Client; readonly owner: Owner }
  | {
      readonly kind: 'guest';
      readonly client: Client;
      /** Another connection to the same owner; undefined where it has just ended. */
      readonly another: () => Promise<Wire | undefined>;
      /** Resolves when the connection is closed, by whomever. */
      readonly lost: Promise<void>;
      readonly leave: () => void;
    };
export type GuestSeat = Extract<Seat, { kind: 'guest' }>;

/** An owner that starts or ends is done within this. */
const changeMs = 15_000;
const answerMs = 5_000;

/**
 * Attaches to the owner of the data folder, or becomes the owner where there is none; then the queue waits until the workbench
 * is started.
 * @throws UserError where the owner does not answer
 */
export async function join(options: OwnerOptions = {}): Promise<Seat> {
  prepareDataFolder();
  for (const deadline = Date.now() + changeMs; ;) {
    const guest = await attach();
    if (guest !== undefined) return guest;
    const owner = await Owner.become(options);
    if (owner !== undefined) return { kind: 'owner', client: owner.client, owner };
    if (Date.now() > deadline) throw unanswered(undefined);
    await sleep(50);
  }
}

/**
 * Attaches to the owner of the data folder, if there is one.
 * @throws UserError where it does not answer
 */
export async function attach(): Promise<GuestSeat | undefined> {
  const endpoint = readEndpoint(dataFolder());
  if (endpoint === undefined) return undefined;
  const socket = await connected(endpoint.address);
  if (socket === undefined) return undefined;
  const wire = socketWire(socket);
  const client = clientOver(wire, () => unanswered(endpoint.pid));
  const lost = new Promise<void>((resolve) => {
    wire.onClose(resolve);
  });
  const another = async () => {
    const added = await connected(endpoint.address);
    return added === undefined ? undefined : socketWire(added);
  };
  const leave = () => {
    socket.destroy();
  };
  const timeout = new AbortController();
  try {
    const hello = await Promise.race([
      client.hello({}),
      sleep(answerMs, undefined, { signal: timeout.signal }).then(() => {
        throw unanswered(endpoint.pid);
      }),
    ]);
    refuseOthers(hello, endpoint);
  } catch (error) {
    leave();
    if (error instanceof ConnectionLost) return undefined; // it has just ended
    throw error;
  } finally {
    timeout.abort();
  }
  return { kind: 'guest', client, another, lost, leave };
}

function refuseOthers(hello: { protocol: number; version: string }, { pid }: Endpoint): void {
  if (hello.protocol === protocol) return;
  throw new UserError(
    `the data folder ${dataFolder()} belongs to a Sparrow ${hello.version} (process ${pid}), which this one cannot talk to: ` +
      'end that one first',
  );
}

/** Undefined where nobody listens. */
async function connected(address: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once('connect', () => {
      resolve(socket);
    });
    socket.once('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTSOCK', 'EAGAIN'].includes(codeOf(error) ?? ''))
        resolve(undefined);
      else reject(error);
    });
  });
}

/** @param pid of the owner that was asked, if there was one */
function unanswered(pid: number | undefined): UserError {
  const lock = joinPath(dataFolder(), 'owner.lock');
  const holder = pid ?? lockHolder(lock);
  const who = holder === undefined ? 'another process' : `process ${holder}`;
  return new UserError(
    `the data folder ${dataFolder()} belongs to ${who}, which does not answer: if it rests (Ctrl+Z), let it go on with fg; ` +
      `otherwise end it (if it is no Sparrow, delete ${lock}), or set SPARROW_HOME to another folder`,
  );
}
