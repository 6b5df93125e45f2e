import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../../shared/contract/client.js';
import { OwnerLeaves } from '../../../shared/contract/errors.js';
import { UserError } from '../../../shared/errors.js';
import { dataFolder, prepareDataFolder } from '../../data-folder.js';
import { attach, join, type GuestSeat, type Seat } from '../../owner/join.js';
import { limits } from '../../owner/limits.js';
import { tell } from './tell.js';

/** A command's dealings with the owner of the data folder, which may be this process, another one, or change on the way. */
export class Session {
  #seat: Seat;
  #started = false;
  #held = false;
  #resting: string[] = [];
  #onRejoin: () => void = () => undefined;

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
    if (this.#seat.kind === 'owner') this.#seat.owner.workbench.scheduler.start(tell);
  }

  get client(): Client {
    return this.#seat.client;
  }

  /** Asks the owner, or the next one where it is about to end. */
  ask<T>(question: (client: Client) => Promise<T>): Promise<T> {
    return askAgain(
      () => question(this.client),
      () => this.rejoin(),
    );
  }

  /** After a lost connection: finds the next owner, or becomes it. */
  async rejoin(): Promise<void> {
    if (this.#seat.kind === 'guest') this.#seat.leave();
    this.#seat = await join();
    if (this.#held) this.hold(); // what was asked of the owner that is gone holds for the next one
    if (this.#started) this.start();
    this.#onRejoin();
  }

  /** @param listener is called after each change of owner: what was asked of the one before may not have been done */
  onRejoin(listener: () => void): void {
    this.#onRejoin = listener;
  }

  /** This process is about to leave: whenever it is the owner, it begins nothing more. */
  hold(): void {
    this.#held = true;
    if (this.#seat.kind === 'owner') this.#seat.owner.workbench.scheduler.hold();
  }

  /** Before this process rests: what it trains for others has a checkpoint first. @param own which this command sees to */
  async restOthers(own: string | undefined): Promise<void> {
    if (this.#seat.kind === 'owner') this.#resting = await this.#seat.owner.workbench.scheduler.restAllBut(own);
  }

  /** Ends their rest. */
  wakeOthers(): void {
    if (this.#seat.kind !== 'owner') return;
    for (const id of this.#resting.splice(0)) {
      try {
        this.#seat.owner.workbench.commands.continue(id);
      } catch (error) {
        if (!(error instanceof UserError)) throw error; // it has ended meanwhile
      }
    }
  }

  /** Lets go. What this process has under way for others goes on in the background. */
  async leave(): Promise<void> {
    if (this.#seat.kind === 'guest') {
      this.#seat.leave();
      return;
    }
    const { owner } = this.#seat;
    // One that was here for a moment leaves alone what waited before, but not what a guest has queued with it.
    const left = (this.#started || owner.workbench.commands.asked) && owner.workbench.scheduler.hasWork;
    await owner.close(() => true);
    if (left) startBackgroundOwner();
  }
}

/** With the owner, or as an owner that leaves the queue alone. */
export async function withSession(work: (session: Session) => Promise<unknown>): Promise<void> {
  const session = await Session.open();
  try {
    await work(session);
  } finally {
    await session.leave();
  }
}

const pauseMs = 100;

/** An owner that is about to end waits for its trainers' last checkpoints, and no longer than its patience with them. */
async function askAgain<T>(question: () => Promise<T>, rejoin: () => Promise<void>): Promise<T> {
  for (const deadline = Date.now() + limits().patience.stopMs + 15_000; ;) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof OwnerLeaves) || Date.now() > deadline) throw error;
    }
    await sleep(pauseMs);
    await rejoin();
  }
}

/** Asks the owner, or one that is started in the background. */
export async function askInBackground<T>(question: (client: Client) => Promise<T>): Promise<T> {
  let seat = await attachToBackground();
  try {
    return await askAgain(
      () => question(seat.client),
      async () => {
        seat.leave();
        seat = await attachToBackground();
      },
    );
  } finally {
    seat.leave();
  }
}

async function attachToBackground(): Promise<GuestSeat> {
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
