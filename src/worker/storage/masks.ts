import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import { Pattern } from '../sparsity/pattern.js';

/**
 * The masks of a run, from the first to the last, in an append-only file: what age, turnover, overlap and pictures of the
 * connectivity are made from.
 *
 *     magic     SPARMSK1
 *     record    length (uint32, little-endian), CRC-32 of the payload (likewise), payload
 *     record 0  the layers: JSON [{ name, rows, columns }]
 *     record n  the masks after update n - 1: one bit a position (the least significant first), each layer filled up to
 *               whole bytes, all layers XOR the masks before, raw deflate
 *
 * A record that is cut off at the end of the file was being written when the machine stopped, and counts for nothing.
 */
const magic = Buffer.from('SPARMSK1');
const layersSchema = z.array(z.object({ name: z.string(), rows: z.int().min(1), columns: z.int().min(1) }));
export type MaskLayer = z.output<typeof layersSchema>[number];

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
    const layers = patterns.map(({ rows, columns }, i) => ({ name: names[i], rows, columns }));
    const head = Buffer.concat([magic, record(Buffer.from(JSON.stringify(layers)))]);
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
    const bytes = record(deflateRawSync(bitsOf(patterns).map((byte, i) => byte ^ before[i])));
    writeAndClose(openSync(this.#path, 'r+'), bytes, this.#length);
    this.#length += bytes.length;
    this.#last = patterns;
  }
}

/**
 * All masks of a file, from the initial ones on.
 * @throws UserError where a record that is there whole is damaged
 */
export function* readMasks(path: string): Generator<{ layer: MaskLayer; pattern: Pattern }[]> {
  const bytes = readFileSync(path);
  const damaged = () => new UserError(`${path} is damaged`);
  if (!bytes.subarray(0, magic.length).equals(magic)) throw damaged();
  let layers: MaskLayer[] | undefined;
  let bits = new Uint8Array(0);
  for (const payload of payloads(bytes, damaged)) {
    if (layers === undefined) {
      layers = layersSchema.parse(JSON.parse(payload.toString('utf8')));
      bits = new Uint8Array(layers.reduce((sum, layer) => sum + bytesOf(layer), 0));
      continue;
    }
    const change = inflateRawSync(payload);
    if (change.length !== bits.length) throw damaged();
    bits = bits.map((byte, i) => byte ^ change[i]);
    let at = 0;
    yield layers.map((layer) => {
      const own = bits.subarray(at, (at += bytesOf(layer)));
      return { layer, pattern: Pattern.fromBits(layer.rows, layer.columns, own) };
    });
  }
}

function lastOf(path: string): Pattern[] {
  let last: Pattern[] = [];
  for (const layers of readMasks(path)) last = layers.map(({ pattern }) => pattern);
  return last;
}

function* payloads(bytes: Buffer, damaged: () => Error): Generator<Buffer> {
  for (let at = magic.length; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end > bytes.length) return;
    const payload = bytes.subarray(at + 8, end);
    if (crc32(payload) !== bytes.readUInt32LE(at + 4)) throw damaged();
    yield payload;
    at = end;
  }
}

function record(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}

function bytesOf({ rows, columns }: MaskLayer): number {
  return Math.ceil((rows * columns) / 8);
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
