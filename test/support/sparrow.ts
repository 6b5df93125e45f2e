import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { vi } from 'vitest';
import { readRuns } from '../../src/main/shells/cli/read-runs.js';
import { openReadable } from '../../src/main/store/open.js';
import type { ReadableStore } from '../../src/main/store/store.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { gone, isAlive, patienceMs } from './process.js';

/** The command line as it is installed: the bundle that set-up has built, under this Node, with a data folder of its own. */
const bundle = join(import.meta.dirname, '../../out/main/sparrow.js');
// Of several commands one after the other each has its patience: what hangs is told by its own bound.
vi.setConfig({ testTimeout: 6 * patienceMs, hookTimeout: 3 * patienceMs });

/**
 * An environment in which a step takes so long at least, for runs that are to be interrupted: the machine may be busy, and a
 * small run is over in no time.
 */
export function slowSteps(stepMs: number): NodeJS.ProcessEnv {
  const preload = pathToFileURL(join(import.meta.dirname, 'slow-trainer.mjs')).href;
  return { NODE_OPTIONS: `--import=${preload}`, SPARROW_TEST_STEP_MS: String(stepMs) };
}

/** A data folder that is gone when the tests of a file are done. */
export class Home {
  readonly path = mkdtempSync(join(tmpdir(), 'sparrow-home-'));

  run(id: string): string {
    return join(this.path, 'runs', id);
  }

  /** Commands that were begun in it. */
  readonly commands: Sparrow[] = [];

  /** Ends whatever is still at work in it, by its id: commands, owners in the background, trainers. */
  async end(): Promise<void> {
    for (const { process: command } of this.commands) command.kill('SIGKILL');
    await Promise.all(this.commands.map(({ ended }) => ended));
    // A command that was just about to end may have started an owner as its last deed.
    for (let owner = ownerOf(this); owner !== undefined; owner = ownerOf(this)) await end(owner);
    const runs = join(this.path, 'runs');
    for (const id of existsSync(runs) ? readdirSync(runs) : []) {
      const trainer = trainerOf(this.run(id));
      if (trainer !== undefined) await end(trainer);
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function sparrow(
  home: Home,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new Sparrow(home, args, environment).ended;
}

/** A command that is under way. With `--json` its events can be awaited. */
export class Sparrow {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly events: RunEvent[] = [];
  readonly #listeners = new Set<(event: RunEvent) => void>();

  /** @param boundMs after which it is killed */
  constructor(home: Home, args: readonly string[], environment: NodeJS.ProcessEnv = {}, boundMs = patienceMs) {
    const child = spawn(process.execPath, [bundle, ...args], {
      env: { ...process.env, SPARROW_HOME: home.path, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    home.commands.push(this);
    const output = { stdout: '', stderr: '' };
    child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      output.stdout += `${line}\n`;
      if (!args.includes('--json') || !line.startsWith('{"type"')) return;
      const event = JSON.parse(line) as RunEvent;
      this.events.push(event);
      for (const listener of this.#listeners) listener(event);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), boundMs);
    this.ended = once(child, 'close').then(([status, signal]) => {
      clearTimeout(timer);
      return { status: status as number | null, signal: signal as NodeJS.Signals | null, ...output };
    });
  }

  /** Resolves with the first event that fits; rejects if the command ends without one. */
  async event(fits: (event: RunEvent) => boolean): Promise<RunEvent> {
    const early = this.events.find(fits);
    if (early !== undefined) return early;
    return new Promise((resolve, reject) => {
      this.#listeners.add((event) => {
        if (fits(event)) resolve(event);
      });
      void this.ended.then(({ stderr }) => {
        reject(new Error(`ended without the event that was awaited: ${stderr}`));
      });
    });
  }
}

/** Id of the trainer process that is at work on a run, or undefined where there is none. */
export function trainerOf(run: string): number | undefined {
  const lock = join(run, 'trainer.lock');
  if (!existsSync(lock)) return undefined;
  const pid = Number.parseInt(readFileSync(lock, 'utf8'), 10);
  return Number.isInteger(pid) && isAlive(pid) ? pid : undefined;
}

async function end(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // it has just ended
  }
  await gone(pid);
}

/** What `sparrow runs` says of each run, asked from this process, which is quicker. */
export async function statesOf(home: Home): Promise<Record<string, string>> {
  vi.stubEnv('SPARROW_HOME', home.path);
  try {
    const { runs } = await readRuns(false);
    return Object.fromEntries(runs.map(({ record, state }) => [record.id, state.state]));
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Events of a run, in order, from the database of its data folder. */
export function eventsOf(run: string): RunEvent[] {
  return inDatabase(run, ({ events }) => events.of(basename(run)).map(({ event }) => event));
}

/** Whether the database knows a run; none does where there is no database, or one that was never finished. */
export function isKnown(run: string): boolean {
  if (!existsSync(databaseOf(run))) return false;
  try {
    return inDatabase(run, ({ runs }) => runs.has(basename(run)));
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('there is no database')) return false;
    throw error;
  }
}

/** Reads the database that a run is in. */
export function inDatabase<T>(run: string, read: (store: ReadableStore) => T): T {
  const store = openReadable(databaseOf(run));
  try {
    return read(store);
  } finally {
    store.close();
  }
}

function databaseOf(run: string): string {
  return join(dirname(dirname(run)), 'sparrow.db');
}

/** The process that owns a data folder, or undefined where none does. */
export function ownerOf(home: Home): number | undefined {
  const file = join(home.path, 'owner.json');
  if (!existsSync(file)) return undefined;
  const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number };
  return isAlive(pid) ? pid : undefined;
}

/** What must not depend on when a run was interrupted: everything but the clock and the interruptions themselves. */
export function story(events: readonly RunEvent[]): RunEvent[] {
  return events.flatMap((event): RunEvent[] => {
    switch (event.type) {
      case 'started':
      case 'paused':
      case 'stopped':
      case 'checkpoint':
        return [];
      case 'step':
        return [{ ...event, tokensPerSecond: 0 }];
      case 'finished':
        return [{ ...event, trainingMs: 0 }];
      default:
        return [event];
    }
  });
}
