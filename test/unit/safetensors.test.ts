import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../../src/worker/storage/safetensors.js';
import { holds } from './support/property.js';

const file = 'some/weights.safetensors';

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** Tensors of all types and of any shape up to four dimensions, empty ones and scalars included. */
const tensor: fc.Arbitrary<StoredTensor> = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) => {
  const lengths = { minLength: size(shape), maxLength: size(shape) };
  const data = fc.oneof(fc.float32Array(lengths), fc.int32Array(lengths), fc.uint8Array(lengths)) as fc.Arbitrary<
    StoredTensor['data']
  >;
  return fc.record({ shape: fc.constant(shape), data });
});
const name = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => text !== '__metadata__');
const tensors = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 });

const example: ReadonlyMap<string, StoredTensor> = new Map<string, StoredTensor>([
  ['weight', { shape: [2, 3], data: Float32Array.of(1.5, -0, NaN, Infinity, 2 ** -149, -3) }],
  ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['positions', { shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) }],
  ['nothing', { shape: [0, 4], data: new Float32Array(0) }],
]);

/** A file with any header, as text, and `bytes` bytes of data. */
function fileOf(header: string, bytes = 0, length = Buffer.byteLength(header)): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([head, Buffer.from(header), Buffer.alloc(bytes)]);
}

/** Expects a refusal that names the file; whatever else is thrown would look like a defect of Sparrow. */
function expectRefused(bytes: Uint8Array, reason = ''): void {
  const decode = () => decodeSafetensors(bytes, file);
  expect(decode).toThrow(UserError);
  expect(decode).toThrow(`${file} is not a readable safetensors file: ${reason}`);
}

test('tensors of any type, shape and name come back as they were', () => {
  holds(
    fc.property(tensors, (list) => {
      expect(decodeSafetensors(encodeSafetensors(new Map(list)), file)).toEqual(new Map(list));
    }),
    500,
  );
});

test('numbers come back bit by bit', () => {
  const back = decodeSafetensors(encodeSafetensors(example), file);
  expect(back).toEqual(example);
  expect([...back.keys()]).toEqual([...example.keys()]);
});

test('a name that is special in JavaScript is one like any other', () => {
  const special = new Map(
    ['__proto__', 'constructor', '7'].map((key) => [key, { shape: [1], data: Uint8Array.of(7) }]),
  );
  expect(new Set(decodeSafetensors(encodeSafetensors(special), file).keys())).toEqual(new Set(special.keys()));
});

test('a tensor that is a part of a larger array is stored without the rest', () => {
  const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
  const back = decodeSafetensors(encodeSafetensors(new Map([['part', { shape: [2], data }]])), file);
  expect(back.get('part')).toEqual({ shape: [2], data: Float32Array.of(2, 3) });
});

test('a file that is a part of a larger array is read from where it begins', () => {
  const bytes = encodeSafetensors(example);
  const larger = new Uint8Array(bytes.length + 3);
  larger.set(bytes, 3);
  expect(decodeSafetensors(larger.subarray(3), file)).toEqual(example);
});

test('the header is padded with spaces to a multiple of eight and the data follows in order', () => {
  holds(
    fc.property(tensors, (list) => {
      const bytes = encodeSafetensors(new Map(list));
      const length = Number(bytes.readBigUInt64LE(0));
      expect(length % 8).toBe(0);
      const header = bytes.toString('utf8', 8, 8 + length);
      expect(header).toBe(header.trimEnd().padEnd(header.length));
      expect(bytes).toHaveLength(8 + length + list.reduce((sum, [, { data }]) => sum + data.byteLength, 0));
    }),
  );
});

test('the header says type, shape and place as the format wants it', () => {
  const bytes = encodeSafetensors(example);
  const header: unknown = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))));
  expect(header).toEqual({
    weight: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    bytes: { dtype: 'U8', shape: [3], data_offsets: [24, 27] },
    positions: { dtype: 'I32', shape: [2], data_offsets: [27, 35] },
    nothing: { dtype: 'F32', shape: [0, 4], data_offsets: [35, 35] },
  });
});

test('metadata of other programs are passed over', () => {
  const header = '{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
  expect([...decodeSafetensors(fileOf(header, 2), file).keys()]).toEqual(['a']);
});

test('data that do not have the size of the shape are not written', () => {
  const wrong = new Map([['w', { shape: [2, 2], data: new Float32Array(3) }]]);
  expect(() => encodeSafetensors(wrong)).toThrow('tensor w has 3 numbers for shape [2,2]');
});

test('a file cut at any length is refused', () => {
  const bytes = encodeSafetensors(new Map([...example].filter(([key]) => key !== 'nothing')));
  for (let length = 0; length < bytes.length; length++) expectRefused(bytes.subarray(0, length));
});

test('a file too short for the length of its header is refused with what it has', () => {
  for (let length = 0; length < 8; length++) expectRefused(new Uint8Array(length), `it has only ${length} bytes`);
});

test('an absurd length of the header is refused', () => {
  const bytes = encodeSafetensors(example);
  for (const length of [BigInt(bytes.length - 7), 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    bytes.writeBigUInt64LE(length);
    expectRefused(bytes, 'its header would end at byte');
  }
});

for (const header of ['', '{', 'tensors', '{"a":}', '\0\0\0\0']) {
  test(`a header that is ${JSON.stringify(header)} is refused`, () => {
    expectRefused(fileOf(header), 'its header is not JSON');
  });
}

for (const header of ['null', '7', '"text"', 'true']) {
  test(`a header that is ${header} is refused`, () => {
    expectRefused(fileOf(header), 'its header is not an object');
  });
}

for (const [what, entry] of [
  ['null', null],
  ['a list', []],
  ['without a type', { shape: [1], data_offsets: [0, 1] }],
  ['of an unknown type', { dtype: 'F64', shape: [1], data_offsets: [0, 8] }],
  ['without a shape', { dtype: 'U8', data_offsets: [0, 1] }],
  ['with a negative length', { dtype: 'U8', shape: [-1, -1], data_offsets: [0, 1] }],
  ['with a broken length', { dtype: 'U8', shape: [0.5, 2], data_offsets: [0, 1] }],
  ['with one offset', { dtype: 'U8', shape: [1], data_offsets: [0] }],
  ['with a negative offset', { dtype: 'U8', shape: [2], data_offsets: [-1, 1] }],
] as const) {
  test(`an entry ${what} is refused`, () => {
    expectRefused(fileOf(JSON.stringify({ w: entry }), 8), 'the entry of tensor w is not understood');
  });
}

for (const [what, entry] of [
  ['offsets beyond the end', { dtype: 'U8', shape: [2], data_offsets: [7, 9] }],
  ['offsets far beyond the end', { dtype: 'U8', shape: [1], data_offsets: [2 ** 52, 2 ** 52 + 1] }],
  ['offsets the wrong way round', { dtype: 'U8', shape: [2], data_offsets: [4, 2] }],
  ['fewer bytes than its shape', { dtype: 'F32', shape: [2], data_offsets: [0, 4] }],
  ['more bytes than its shape', { dtype: 'F32', shape: [1], data_offsets: [0, 8] }],
  ['a shape beyond all numbers', { dtype: 'U8', shape: new Array(30).fill(2 ** 52), data_offsets: [0, 8] }],
  [
    'a shape beyond all numbers times 0',
    { dtype: 'U8', shape: [...new Array<number>(30).fill(2 ** 52), 0], data_offsets: [0, 0] },
  ],
] as const) {
  test(`a tensor with ${what} is refused`, () => {
    expectRefused(fileOf(JSON.stringify({ w: entry }), 8), 'tensor w does not fit in the file');
  });
}

test('no damage to the header makes another error than a refusal', () => {
  const bytes = encodeSafetensors(example);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  holds(
    fc.property(fc.array(fc.tuple(fc.nat(headerEnd - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const damaged = Buffer.from(bytes);
      for (const [at, byte] of changes) damaged[at] = byte;
      try {
        decodeSafetensors(damaged, file);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).message).toContain(file);
      }
    }),
    2000,
  );
});

test('bytes that were never a safetensors file make no other error than a refusal', () => {
  holds(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (body, length) => {
      expectRefused(Buffer.concat([fileOf('', 0, length), body]));
    }),
    500,
  );
});
