import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, UserError } from '../../shared/errors.js';
import { writeFileAtomic } from './atomic-file.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors.js';

/**
 * Checkpoints of a run: tensors in a safetensors file, everything else in a JSON file beside it. The JSON file takes its
 * name last and names the others with their checksums, so a checkpoint is there when its JSON file is, and whole.
 */
const fileReference = z.object({ file: z.string(), bytes: z.int(), sha256: z.string() });
type FileReference = z.output<typeof fileReference>;

const progressSchema = z.object({
  /** Epochs completed. */
  epoch: z.int(),
  /** Windows of the epoch at hand that are done. */
  window: z.int(),
  /** Optimiser steps done. */
  step: z.int(),
  /** Topology updates done. */
  updates: z.int(),
  /** Training loss of the epoch at hand: sum over words, and their number. */
  epochLoss: z.object({ sum: z.number(), words: z.int() }),
  /** Steps since the last report: sums of their loss and gradient norm, and their number. */
  report: z.object({ loss: z.number(), gradientNorm: z.number(), steps: z.int() }),
  best: z.object({ epoch: z.int(), loss: z.number(), active: z.int().optional() }).nullable(),
  /** Time spent training and evaluating, over all attempts. */
  trainingMs: z.number(),
  /** FLOPs of all steps, as they went and were there no masks; null where a checkpoint of an earlier version did not count them. */
  flops: z.object({ training: z.number(), dense: z.number() }).nullable().prefault(null),
  /** Validation losses of the epochs, where they decide when to stop, and whether they have. */
  validation: z.object({ losses: z.array(z.number()), stalled: z.boolean() }).prefault({ losses: [], stalled: false }),
  /** Epochs after which weights and optimiser went back to where they began; 0 if they have not. */
  rewoundAfter: z.int().prefault(0),
  /** What the method carries from one topology update to the next. */
  method: z
    .object({
      threshold: z.number(),
      drift: z.object({ adjustment: z.number(), lacked: z.object({ sum: z.number(), updates: z.int() }) }),
    })
    .prefault({ threshold: 1e-3, drift: { adjustment: 0, lacked: { sum: 0, updates: 0 } } }),
});
/** Where a run is: all that the training loop changes and that is neither a tensor nor the optimiser's. */
export type Progress = z.output<typeof progressSchema>;

const stateSchema = z.object({
  format: z.literal(1),
  /** Number of the event that tells of this checkpoint: what a run has told before is on disk. */
  sequence: z.int(),
  progress: progressSchema,
  optimizer: z.unknown(),
  /** Active weights of each gate of each sparse layer at first: what every update restores. */
  budgets: z.record(z.string(), z.array(z.int())),
  /** The run's whole configuration. */
  config: z.unknown(),
  /** Length of the run's masks.bin. */
  maskBytes: z.int(),
  tensors: fileReference,
  /** Weights of the best epoch, as they were evaluated. */
  best: fileReference.nullable(),
});
type CheckpointState = z.output<typeof stateSchema>;

export type Tensors = ReadonlyMap<string, StoredTensor>;

/** What a checkpoint holds, with the tensors read. */
export interface Checkpoint extends Omit<CheckpointState, 'format' | 'tensors' | 'best'> {
  readonly tensors: Tensors;
}

/** A checkpoint on disk: the name of its JSON file, and the bytes of both files. */
export interface CheckpointFile {
  readonly file: string;
  readonly bytes: number;
}

const kept = 2; // should the last one turn out damaged on disk, the one before is still there

export class Checkpoints {
  readonly #folder: string;
  #best: FileReference | null = null;

  /** @param folder of the run */
  constructor(folder: string) {
    this.#folder = join(folder, 'checkpoints');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Saves the weights of the best epoch so far. They count once the next checkpoint names them. */
  saveBest(epoch: number, tensors: Tensors): void {
    this.#best = this.#write(`best-${epoch}.safetensors`, tensors);
  }

  /** @throws UserError where they cannot be read */
  readBest(): Tensors {
    if (this.#best === null) throw new Error('no epoch has been evaluated');
    return this.#read(this.#best);
  }

  /**
   * The best weights of another run.
   * @param folder of that run
   * @throws UserError where there are none, or they cannot be read
   */
  static bestOf(folder: string, run: string): Tensors {
    const reason = !existsSync(join(folder, 'checkpoints')) ? 'there is no such run' : 'it has no epoch behind it yet';
    const checkpoints = existsSync(join(folder, 'checkpoints')) ? new Checkpoints(folder) : undefined;
    if (checkpoints?.last() === undefined || checkpoints.#best === null) {
      throw new UserError(`training.startFrom: ${JSON.stringify(run)} cannot be started from: ${reason}`);
    }
    return checkpoints.readBest();
  }

  /** Writes a checkpoint; it is on disk when this returns. */
  save(checkpoint: Checkpoint): CheckpointFile {
    const name = `step-${String(checkpoint.progress.step).padStart(9, '0')}-${checkpoint.sequence}`;
    const tensors = this.#write(`${name}.safetensors`, checkpoint.tensors);
    const state: CheckpointState = { ...checkpoint, format: 1, tensors, best: this.#best };
    const json = `${JSON.stringify(state, undefined, 2)}\n`;
    writeOrExplain(join(this.#folder, `${name}.json`), Buffer.from(json));
    this.#collect();
    return { file: `checkpoints/${name}.json`, bytes: tensors.bytes + json.length };
  }

  /**
   * The last checkpoint, or undefined where there is none yet.
   * @throws UserError where it is damaged
   */
  last(): (Checkpoint & { readonly onDisk: CheckpointFile }) | undefined {
    const last = this.#names().at(-1);
    if (last === undefined) return undefined;
    const path = join(this.#folder, last);
    const state = readState(path);
    this.#best = state.best;
    const onDisk = { file: `checkpoints/${last}`, bytes: state.tensors.bytes + statSync(path).size };
    return { ...state, tensors: this.#read(state.tensors), onDisk };
  }

  /** Names of the JSON files, oldest first: step-000000080-12.json, the second number being that of the next event. */
  #names(): string[] {
    const sequenceOf = (name: string) => Number(/-(\d+)\.json$/.exec(name)?.[1]);
    return readdirSync(this.#folder)
      .filter((name) => /^step-\d+-\d+\.json$/.test(name))
      .sort((a, b) => sequenceOf(a) - sequenceOf(b));
  }

  #write(file: string, tensors: Tensors): FileReference {
    const bytes = encodeSafetensors(tensors);
    writeOrExplain(join(this.#folder, file), bytes);
    return { file, bytes: bytes.length, sha256: sha256(bytes) };
  }

  #read({ file, bytes, sha256: expected }: FileReference): Tensors {
    const path = join(this.#folder, file);
    const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    if (content.length !== bytes || sha256(content) !== expected) throw damaged(path);
    return decodeSafetensors(content, path);
  }

  /** Deletes what no checkpoint that is kept needs. One that turns out damaged keeps nothing but itself. */
  #collect(): void {
    const needed = new Set<string>();
    for (const name of this.#names().slice(-kept)) {
      needed.add(name).add(name.replace(/json$/, 'safetensors'));
      const { best } = stateSchema.safeParse(parseJson(join(this.#folder, name))).data ?? {};
      if (best != null) needed.add(best.file);
    }
    for (const name of readdirSync(this.#folder)) {
      if (!needed.has(name)) rmSync(join(this.#folder, name), { force: true });
    }
  }
}

function writeOrExplain(path: string, bytes: Uint8Array): void {
  try {
    writeFileAtomic(path, bytes);
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${messageOf(error)}. Make room, then resume the run`);
  }
}

function readState(path: string): CheckpointState {
  const result = stateSchema.safeParse(parseJson(path));
  if (result.success) return result.data;
  throw damaged(path);
}

/** What a file holds; undefined where that is no JSON. */
function parseJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function damaged(path: string): UserError {
  return new UserError(`${path} is damaged: delete the .json file of that checkpoint to resume from the one before`);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
