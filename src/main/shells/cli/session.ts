import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../../shared/contract/client.js';
import { UserError } from '../../../shared/errors.js';
import { dataFolder, prepareDataFolder } from '../../data-folder.js';
import { attach, join, type GuestSeat, type Seat } from '../../owner/join.js';
import { tell } from './tell.js';

/** A command's dealings with the owner of the data folder, which may be this process, another one, or change on the way. */
export class Session {
  #seat: Seat;
  #started = false;

  private constructor(seat: Seat) {
    this.#seat = seat;
  }

  /** Should this process become the owner, its queue waits until the session is started. */
  static async open(): Promise<Session> {
    return new Session(await join());
  }

  /** From now on this process goes on with the queue whenever it is the owner. */
  start(): void {
    this.#started = true;
    if (this.#seat.kind === 'owner') this.#seat.owner.workbench.start(tell);
  }

  get client(): Client {
    return this.#seat.client;
  }

  /** After a lost connection: finds the next owner, or becomes it. */
  async rejoin(): Promise<void> {
    if (this.#seat.kind === 'guest') this.#seat.leave();
    this.#seat = await join();
    if (this.#started) this.start();
  }

  /** This process is about to leave: if it is the owner, it begins nothing more. */
  hold(): void {
    if (this.#seat.kind === 'owner') this.#seat.owner.workbench.hold();
  }

  /** Lets go. What this process has under way for others goes on in the background. */
  async leave(): Promise<void> {
    if (this.#seat.kind === 'guest') {
      this.#seat.leave();
      return;
    }
    const { owner } = this.#seat;
    const left = this.#started && !owner.workbench.idle;
    await owner.close(() => true);
    if (left) startBackgroundOwner();
  }
}

/** Attaches to the owner, or to one that is started in the background. */
export async function attachToBackground(): Promise<GuestSeat> {
  prepareDataFolder();
  const there = await attach();
  if (there !== undefined) return there;
  startBackgroundOwner();
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const seat = await attach();
    if (seat !== undefined) return seat;
    await sleep(50);
  }
  throw new UserError(`no owner could be started in the background: ${ownerLog()} says why`);
}

/** A process of its own that outlives this one and its terminal, and ends when the queue is empty. */
function startBackgroundOwner(): void {
  const log = openSync(ownerLog(), 'a', 0o600);
  spawn(process.execPath, [joinPath(import.meta.dirname, 'sparrow.js'), 'owner'], {
    detached: true,
    stdio: ['ignore', log, log],
    windowsHide: true,
  }).unref();
  closeSync(log);
}

function ownerLog(): string {
  return joinPath(dataFolder(), 'owner.log');
}
