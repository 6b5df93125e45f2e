import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseRunConfig, type RunConfig } from '../shared/run-config.js';
import {
  eventWindow,
  heartbeatMs,
  trainerCommandSchema,
  type RunEvent,
  type RunFacts,
  type TrainerCommand,
  type TrainerMessage,
} from '../shared/run-events.js';
import { benchStep } from './bench.js';
import { builtInSize } from './corpus/built-in-language.js';
import { corpusSize } from './corpus/library.js';
import { tryEngine } from './engines/self-test.js';
import { DeviceLost } from './engines/webgpu/device-lost.js';
import { explain } from './explain.js';
import { factsOf } from './facts.js';
import { openPort } from './port.js';
import { openRun } from './run.js';
import { LockHeld, ProcessLock } from '../system/process-lock.js';
import { train, type Observer } from './trainer.js';

/** How long a trainer may take to notice that its parent was killed, and to end. */
const orphanMs = 3000;

/**
 * The trainer process: takes one run from its configuration to its test perplexity, tells its parent about it, and ends.
 */
class Connection implements Observer {
  #sent = -1;
  #acknowledged = -1;
  #stopRequested = false;
  #pauseRequested = false;
  #release: (() => void) | undefined;
  /** Who waits for an event to be acknowledged. */
  readonly #waiting = new Set<{ readonly sequence: number; readonly resolve: () => void }>();

  emit(sequence: number, event: RunEvent): void {
    this.#sent = sequence;
    void port.send({ sequence, event } satisfies TrainerMessage);
  }

  settled(): Promise<void> {
    return this.#acknowledgedUpTo(this.#sent);
  }

  admitted(): Promise<void> {
    return this.#acknowledgedUpTo(this.#sent - eventWindow);
  }

  stopRequested(): boolean {
    return this.#stopRequested;
  }

  pauseRequested(): boolean {
    return this.#pauseRequested;
  }

  released(): Promise<void> {
    if (!this.#pauseRequested) return Promise.resolve();
    return new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  pause(): void {
    this.#pauseRequested = true;
  }

  continue(): void {
    this.#pauseRequested = false;
    this.#release?.();
  }

  stop(): void {
    this.#stopRequested = true;
    this.continue();
  }

  acknowledge(sequence: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
    for (const waiting of this.#waiting) {
      if (waiting.sequence > this.#acknowledged) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #acknowledgedUpTo(sequence: number): Promise<void> {
    if (this.#acknowledged >= sequence) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.add({ sequence, resolve });
    });
  }
}

const connection = new Connection();

const port = openPort((message) => {
  const command = trainerCommandSchema.parse(message);
  switch (command.type) {
    case 'train':
      void run(command);
      break;
    case 'probe':
      void tryEngine(command.engine, command.id).then((engine) => answer({ engine }));
      break;
    case 'bench':
      void benchStep(parseRunConfig(command.config), command).then(
        (benchmark) => answer({ benchmark }),
        (error: unknown) => answer({ refused: explain(error) }),
      );
      break;
    case 'facts':
      void facts(parseRunConfig(command.config), command.corpora).then(
        (facts) => answer({ facts }),
        (error: unknown) => answer({ refused: explain(error) }),
      );
      break;
    case 'acknowledge':
      connection.acknowledge(command.sequence);
      break;
    case 'pause':
      connection.pause();
      break;
    case 'continue':
      connection.continue();
      break;
    case 'stop':
      connection.stop();
      break;
  }
});

async function facts(config: RunConfig, folder: string): Promise<RunFacts> {
  const { corpus } = config;
  return factsOf(config, corpus.name === 'built-in' ? builtInSize(corpus) : corpusSize(folder, corpus.name));
}

async function answer(message: TrainerMessage): Promise<void> {
  await port.send(message);
  process.exit(0);
}

async function run({ config, folder, corpora, resume }: Extract<TrainerCommand, { type: 'train' }>): Promise<void> {
  // An interval runs between two steps only: one that hangs falls silent.
  setInterval(() => void port.send({ alive: true } satisfies TrainerMessage), heartbeatMs);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = await ProcessLock.within(orphanMs, join(folder, 'trainer.lock'), `run ${folder}`);
    try {
      const opened = await openRun(parseRunConfig(config), { run: folder, corpora }, resume);
      await train(opened, connection).catch((error: unknown) => {
        if (error instanceof DeviceLost) throw error;
        connection.emit(opened.sequence, { type: 'failed', ...explain(error) });
      });
      await connection.settled();
    } finally {
      lock.release();
    }
  } catch (error) {
    if (error instanceof LockHeld || error instanceof DeviceLost) giveUp(error);
    await port.send({ refused: explain(error) } satisfies TrainerMessage);
  }
  process.exit(0);
}

/** Nothing is wrong with the run: these last words make it interrupted, and it can be resumed later. */
function giveUp({ message }: LockHeld | DeviceLost): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

// Ctrl+C, Ctrl+Z and the closing of a terminal reach every process of the group; it is the parent that says what becomes of the run.
for (const signal of ['SIGINT', 'SIGTSTP', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('SIGTERM', () => {
  connection.stop();
});
