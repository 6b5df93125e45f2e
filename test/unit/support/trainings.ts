import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { parseRunConfig, type PartialRunConfig } from '../../../src/shared/run-config.js';
import type { RunEvent, RunEventOf } from '../../../src/shared/run-events.js';
import { openRun, type Run } from '../../../src/worker/run.js';
import * as tf from '../../../src/worker/tf.js';
import { train } from '../../../src/worker/trainer.js';

/** Whole trainings in this process: small enough for seconds, with everything a large one has. */
export const tiny: PartialRunConfig = {
  model: { embedding: 8, hidden: 8, layers: 2, dropout: { input: 0.1, hidden: 0.2, output: 0.1 } },
  method: { kind: 'selfish', density: 0.4, removingRate: 0.5 },
  optimizer: { kind: 'snt-asgd', learningRate: 5, averagingFrom: 2 },
  corpus: { name: 'built-in', vocabulary: 100, tokens: 1000 },
  training: { epochs: 4, batch: 8, bptt: 16, evaluationBatch: 4, reportEvery: 3 },
};

/** Where the runs of a test file lie; its first one makes the folder. */
let folderOfRuns: string | undefined;
export const scratch = () => (folderOfRuns ??= mkdtempSync(join(tmpdir(), 'sparrow-trainer-')));
afterAll(() => {
  if (folderOfRuns !== undefined) rmSync(folderOfRuns, { recursive: true, force: true });
});

let folders = 0;
export const newFolder = () => join(scratch(), `run-${folders++}`);

export interface Result {
  readonly end: 'finished' | 'stopped';
  /** The log of the run: a resumed run replaces what it had told after its checkpoint. */
  readonly events: readonly RunEvent[];
  readonly run: Run;
  readonly folder: string;
  readonly asked: number;
}

/** Trains, goes on from what a run in the same folder left, or both; stops when asked for the `stopAt`-th time. */
export async function trained(
  config: PartialRunConfig,
  options: {
    before?: Result;
    stopAt?: number | undefined;
    pause?: boolean;
    onEvent?: (event: RunEvent, run: Run) => void;
  } = {},
): Promise<Result> {
  const folder = options.before?.folder ?? newFolder();
  const run = await openRun(parseRunConfig(config), { run: folder, corpora: scratch() }, options.before !== undefined);
  const events = [...(options.before?.events ?? [])].slice(0, run.sequence);
  let asked = 0;
  const end = await train(run, {
    emit: (sequence, event) => {
      events.length = sequence;
      events.push(event);
      options.onEvent?.(event, run);
    },
    settled: () => Promise.resolve(),
    admitted: () => Promise.resolve(),
    stopRequested: () => ++asked === options.stopAt,
    pauseRequested: () => options.pause === true,
    released: () => Promise.resolve(),
  });
  return { end, events, run, folder, asked };
}

export function of<Type extends RunEvent['type']>(events: readonly RunEvent[], type: Type): RunEventOf<Type>[] {
  return events.filter((event): event is RunEventOf<Type> => event.type === type);
}

/** The weights kept of the best epoch, and the masks of the whole run: bytes. */
export function outcome({ run, folder }: Result) {
  const best = [...run.checkpoints.readBest()].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer).toString('hex'),
  ]);
  const masks = run.masks === undefined ? '' : readFileSync(join(folder, 'masks.bin')).toString('hex');
  return { best: Object.fromEntries(best) as Record<string, string>, masks };
}

export function dispose({ run }: Result): void {
  for (const parameter of run.model.parameters) parameter.dispose();
  tf.dispose([...run.state]);
}
