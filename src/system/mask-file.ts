import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { UserError } from '../shared/errors.js';

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

/** Bytes of the length and the checksum before each record. */
const headBytes = 8;

/** A layer and which of its positions are active: bit i % 8 of byte floor(i / 8) is position i, row-major. */
export interface LayerBits {
  readonly layer: MaskLayer;
  readonly bits: Uint8Array;
}

/** What a file begins with. */
export function maskFileHead(layers: readonly MaskLayer[]): Buffer {
  return Buffer.concat([magic, recordOf(Buffer.from(JSON.stringify(layers)))]);
}

/** What a topology update adds. @param change the bits of all layers, XOR those before */
export function maskRecord(change: Uint8Array): Buffer {
  return recordOf(deflateRawSync(change));
}

/**
 * All masks of a file, from the initial ones on; the bits are the caller's.
 * @throws UserError where it is damaged
 */
export function* readMaskBits(path: string): Generator<LayerBits[]> {
  const damaged = () => new UserError(`${path} is damaged`);
  const file = openSync(path, 'r');
  try {
    if (!bytesAt(file, 0, magic.length).equals(magic)) throw damaged();
    let layers: MaskLayer[] | undefined;
    let bits = new Uint8Array(0);
    for (let at = magic.length; ;) {
      const payload = payloadAt(file, at, damaged, layers === undefined ? undefined : bits.length);
      if (payload === undefined) return;
      at += headBytes + payload.length;
      if (layers === undefined) {
        layers = layersSchema.parse(JSON.parse(payload.toString('utf8')));
        bits = new Uint8Array(layers.reduce((sum, layer) => sum + maskBytes(layer), 0));
        continue;
      }
      const change = inflateRawSync(payload);
      if (change.length !== bits.length) throw damaged();
      const before = bits;
      bits = new Uint8Array(before.length);
      for (let i = 0; i < bits.length; i++) bits[i] = before[i] ^ change[i];
      let start = 0;
      yield layers.map((layer) => ({ layer, bits: bits.subarray(start, (start += maskBytes(layer))) }));
    }
  } finally {
    closeSync(file);
  }
}

/** @returns undefined where there is none, or one that was being written when the machine stopped */
function payloadAt(
  file: number,
  at: number,
  damaged: () => Error,
  changeBytes: number | undefined,
): Buffer | undefined {
  const { size } = fstatSync(file);
  if (at + headBytes > size) return undefined;
  const head = bytesAt(file, at, headBytes);
  const length = head.readUInt32LE(0);
  const start = at + headBytes;
  if (start + length > size) {
    // What is cut off is never complete in itself: where it is, it is the length that is wrong.
    const rest = bytesAt(file, start, Math.min(size - start, mostBytes(changeBytes)));
    if (isComplete(rest, changeBytes)) throw damaged();
    return undefined;
  }
  const payload = bytesAt(file, start, length);
  if (crc32(payload) !== head.readUInt32LE(4)) throw damaged();
  return payload;
}

/** More than a record can have: deflate stores what it cannot compress with five bytes for each 16 KiB or so. */
function mostBytes(changeBytes = 1 << 20): number {
  return changeBytes + (changeBytes >> 10) + 1024;
}

function isComplete(payload: Buffer, changeBytes: number | undefined): boolean {
  if (changeBytes === undefined) return payload.includes(']'); // the end of the list of layers
  try {
    return inflateRawSync(payload).length === changeBytes;
  } catch {
    return false;
  }
}

/** The bytes there are, at most so many. */
function bytesAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const more = readSync(file, bytes, read, length - read, position + read);
    if (more === 0) break;
    read += more;
  }
  return bytes.subarray(0, read);
}

function recordOf(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}

function maskBytes({ rows, columns }: MaskLayer): number {
  return Math.ceil((rows * columns) / 8);
}
