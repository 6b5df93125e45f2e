import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { UserError } from '../../shared/errors.js';
import { maskFileHead, maskRecord, readMaskBits, type MaskLayer } from '../../system/mask-file.js';
import { Pattern } from '../sparsity/pattern.js';

/** Writes the masks of a run; `system/mask-file.ts` says how they lie in the file. */
export class MaskLog {
  readonly #path: string;
  #length: number;
  #last: readonly Pattern[];

  private constructor(path: string, length: number, last: readonly Pattern[]) {
    this.#path = path;
    this.#length = length;
    this.#last = last;
  }

  /** Begins a file with the first masks; one that is there is replaced. */
  static create(path: string, names: readonly string[], patterns: readonly Pattern[]): MaskLog {
    const head = maskFileHead(patterns.map(({ rows, columns }, i) => ({ name: names[i], rows, columns })));
    const file = openSync(path, 'w', 0o600);
    writeAndClose(file, head, 0);
    const nothing = patterns.map(({ rows, columns }) => Pattern.fromPositions(rows, columns, new Int32Array(0)));
    const log = new MaskLog(path, head.length, nothing);
    log.append(patterns);
    return log;
  }

  /**
   * Goes on with a file from a point at which it had `length` bytes; what came later is cut off.
   * @param last the masks it ended with, read from the file where nobody knows them
   * @throws UserError where the file is shorter than that, or not there
   */
  static reopen(path: string, length: number, last?: readonly Pattern[]): MaskLog {
    const size = existsSync(path) ? statSync(path).size : 0;
    if (size < length) {
      throw new UserError(
        `${path} has ${size} bytes, the checkpoint goes on from ${length}: the history of the masks is lost. ` +
          'Put the file back from a copy, or start a new run',
      );
    }
    const file = openSync(path, 'r+');
    ftruncateSync(file, length);
    closeSync(file);
    return new MaskLog(path, length, last ?? lastOf(path));
  }

  /** The masks that were added last. */
  get last(): readonly Pattern[] {
    return this.#last;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds the masks of an update; they are on disk when this returns. */
  append(patterns: readonly Pattern[]): void {
    const before = bitsOf(this.#last);
    const bytes = maskRecord(bitsOf(patterns).map((byte, i) => byte ^ before[i]));
    writeAndClose(openSync(this.#path, 'r+'), bytes, this.#length);
    this.#length += bytes.length;
    this.#last = patterns;
  }
}

/**
 * All masks of a file, from the initial ones on.
 * @throws UserError where it is damaged
 */
export function* readMasks(path: string): Generator<{ layer: MaskLayer; pattern: Pattern }[]> {
  for (const layers of readMaskBits(path)) {
    yield layers.map(({ layer, bits }) => ({ layer, pattern: Pattern.fromBits(layer.rows, layer.columns, bits) }));
  }
}

function lastOf(path: string): Pattern[] {
  let last: Pattern[] = [];
  for (const layers of readMasks(path)) last = layers.map(({ pattern }) => pattern);
  return last;
}

function bitsOf(patterns: readonly Pattern[]): Uint8Array {
  return Buffer.concat(patterns.map((pattern) => pattern.toBits()));
}

function writeAndClose(file: number, bytes: Uint8Array, position: number): void {
  try {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(file, bytes, written, bytes.length - written, position + written);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
