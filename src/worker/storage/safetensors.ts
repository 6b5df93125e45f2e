import { z } from 'zod';
import { UserError } from '../../shared/errors.js';

/**
 * The safetensors format (huggingface/safetensors): eight bytes with the length of a JSON header, little-endian; the header,
 * which gives type, shape and place of every tensor; then the tensors' bytes, little-endian and row-major.
 */
type TensorData = Float32Array | Int32Array | Uint8Array;

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

const bytesOf = { F32: 4, I32: 4, U8: 1 } as const;
type Dtype = keyof typeof bytesOf;

const entrySchema = z.object({
  dtype: z.enum(['F32', 'I32', 'U8']),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/** The bytes of a safetensors file. */
export function encodeSafetensors(tensors: ReadonlyMap<string, StoredTensor>): Buffer {
  const header: [name: string, entry: z.output<typeof entrySchema>][] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (size !== data.length) throw new Error(`tensor ${name} has ${data.length} numbers for shape [${shape.join()}]`);
    const place: [number, number] = [offset, offset + data.byteLength];
    header.push([name, { dtype: dtypeOf(data), shape: [...shape], data_offsets: place }]);
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  // Padded, so that tensors of whole words start on a multiple of eight.
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...parts]);
}

/**
 * @param file what to call the bytes in an error
 * @throws UserError where the bytes are not a whole safetensors file of known types
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Map<string, StoredTensor> {
  const broken = (reason: string) => new UserError(`${file} is not a readable safetensors file: ${reason}`);
  if (bytes.length < 8) throw broken(`it has only ${bytes.length} bytes`);
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = 8 + headerLength;
  if (start > bytes.length) throw broken(`its header would end at byte ${start} of ${bytes.length}`);
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(bytes.subarray(8, start)).toString('utf8'));
  } catch {
    throw broken('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null) throw broken('its header is not an object');
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const entry = entrySchema.safeParse(value);
    if (!entry.success) throw broken(`the entry of tensor ${name} is not understood`);
    const { dtype, shape, data_offsets: place } = entry.data;
    const size = shape.reduce((product, length) => product * length, 1) * bytesOf[dtype];
    if (place[1] - place[0] !== size || start + place[1] > bytes.length) {
      throw broken(`tensor ${name} does not fit in the file`);
    }
    // Copied, because a tensor need not lie on a multiple of four.
    const copy = Uint8Array.from(bytes.subarray(start + place[0], start + place[1]));
    tensors.set(name, { shape, data: typed(dtype, copy.buffer) });
  }
  return tensors;
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'U8';
}

function typed(dtype: Dtype, bytes: ArrayBuffer): TensorData {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes);
    case 'I32':
      return new Int32Array(bytes);
    case 'U8':
      return new Uint8Array(bytes);
  }
}
