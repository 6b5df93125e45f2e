import type { RunEvent, TrainerCommand } from '../../../src/shared/run-events.js';
import type { Spawn, TrainerProcess } from '../../../src/main/trainers/trainer-process.js';

/** A trainer process that does what a test says, in place of a real one. */
export class FakeTrainer implements TrainerProcess {
  readonly pid = 4_000_000; // beyond what systems give
  readonly commands: TrainerCommand[] = [];
  readonly spawned = Promise.resolve();
  readonly gone: Promise<string>;
  words = '';
  #end: (how: string) => void = () => undefined;
  #listener: (message: unknown) => void = () => undefined;
  #next = 0;
  #ended = false;

  constructor() {
    this.gone = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#listener = listener;
  }

  send(command: TrainerCommand): void {
    this.commands.push(command);
  }

  kill(): void {
    this.end('SIGKILL');
  }

  lastWords(): string {
    return this.words;
  }

  /** Sends any message. */
  say(message: unknown): void {
    if (!this.#ended) this.#listener(message);
  }

  /** Tells events with the next numbers. */
  tell(...events: RunEvent[]): void {
    for (const event of events) this.say({ sequence: this.#next++, event });
  }

  /** Is gone. */
  end(how = 'exit status 0'): void {
    this.#ended = true;
    this.#end(how);
  }

  get isGone(): boolean {
    return this.#ended;
  }

  /** What it was asked for, acknowledgements aside. */
  get asked(): string[] {
    return this.commands.map(({ type }) => type).filter((type) => type !== 'acknowledge');
  }

  /** Number of the last event that was acknowledged, -1 before. */
  get acknowledged(): number {
    return this.commands.reduce((last, command) => (command.type === 'acknowledge' ? command.sequence : last), -1);
  }
}

/** Spawns fakes and keeps them in order. */
export class FakeTrainers {
  readonly all: FakeTrainer[] = [];
  readonly spawn: Spawn = () => {
    const trainer = new FakeTrainer();
    this.all.push(trainer);
    return trainer;
  };

  get last(): FakeTrainer {
    return this.all.at(-1)!;
  }
}

/** The events of a small run. */
export const told = {
  started: {
    type: 'started',
    engine: { name: 'wasm', version: '4', threads: 1, features: [] },
    layout: 'packed',
    corpus: {
      name: 'built-in',
      vocabulary: 100,
      tokens: { train: 1000, valid: 100, test: 100 },
      reference: { valid: { unigram: 90, bigram: 40 }, test: { unigram: 90, bigram: 40 } },
    },
    parameters: { total: 100, active: 50 },
    layers: [],
    stepsPerEpoch: 10,
    epochs: 3,
    resumedFrom: null,
  },
  step: (step: number): RunEvent => ({
    type: 'step',
    step,
    epoch: 1,
    loss: 5 / step,
    gradientNorm: 1,
    learningRate: 20,
    removingRate: 0.8,
    tokensPerSecond: 1000,
  }),
  evaluation: {
    ...{ type: 'evaluation', step: 10, epoch: 1, trainingLoss: 3, loss: 3, perplexity: 21, best: true, averaged: true },
  },
  averaging: { type: 'averaging', step: 5, epoch: 1, cause: 'configured' },
  checkpoint: { type: 'checkpoint', step: 5, epoch: 0, file: 'step-5.json', bytes: 100 },
  paused: { type: 'paused', step: 5, epoch: 0 },
  stopped: { type: 'stopped', step: 5, epoch: 0 },
  failed: { type: 'failed', message: 'it diverged' },
  finished: {
    type: 'finished',
    step: 30,
    epoch: 3,
    testLoss: 3,
    testPerplexity: 20,
    bestValidationPerplexity: 21,
    bestEpoch: 3,
    bigramPerplexity: 40,
    trainingMs: 1000,
  },
} as const satisfies Record<string, RunEvent | ((step: number) => RunEvent)>;
