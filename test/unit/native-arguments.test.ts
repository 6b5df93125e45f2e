import { expect, test } from 'vitest';
import { loadAddon, type NativeEngine, type NativeMatrix, type Width } from '../../src/worker/engines/native/addon.js';
import { byColumn, columnIndices } from '../../src/worker/engines/native/by-column.js';
import { nativeEngine, skipWithoutNative, widths } from './support/native.js';
import { integers, numbers, randomPattern } from './support/numerics.js';

skipWithoutNative();

const [rows, columns, positions] = [12, 5, 6];
const [steps, batch, size] = [3, 2, 3]; // 4 * size rows, steps * batch positions
const floats = (length: number) => new Float32Array(length);

function denseMatrix(height: number, width: number): NativeMatrix {
  return { rows: height, columns: width, values: numbers(1, height * width) };
}

function sparseMatrix(height: number, width: number): NativeMatrix {
  const pattern = randomPattern(1, height, width, 0.5);
  const { rowStart, count } = pattern;
  const column = columnIndices(pattern);
  return { rows: height, columns: width, values: numbers(1, count), rowStart, column, ...byColumn(pattern) };
}

type Method = keyof NativeEngine;

/** Right arguments of each method; and which of its arrays may be as short as it likes, being the one that tells the size. */
function rightArguments(matrixOf: typeof denseMatrix): Record<Method, { args: unknown[]; measure?: number }> {
  const [weight, input, recurrent] = [matrixOf(rows, columns), matrixOf(4 * size, columns), matrixOf(4 * size, size)];
  const [ofWeight, ofInput, ofRecurrent] = [weight, input, recurrent].map(({ values }) => floats(values.length));
  // An ordered-neurons LSTM with a master gate for each unit.
  const [ofMasters, masters] = [matrixOf(6 * size, columns), matrixOf(6 * size, size)];
  const masterBias = () => floats(6 * size);
  const keptOfMasters = () => floats(steps * 8 * size * 4);
  const words = () => integers(1, positions, rows);
  const x = () => floats(positions * columns);
  const y = () => floats(positions * rows);
  const state = () => floats(batch * size);
  const h = () => floats(positions * size);
  const gates = () => floats(steps * 4 * size * 4);
  const cells = () => floats((steps + 1) * size * 4);
  const bias = () => floats(4 * size);
  return {
    linearForward: { args: [weight, floats(rows), positions, x(), y()] },
    linearBackward: { args: [weight, positions, y(), x(), x(), ofWeight, floats(rows), 'norm'] },
    product: { args: [weight, positions, x(), y()] },
    transposedProduct: { args: [weight, positions, y(), x()] },
    weightGradient: { args: [weight, positions, y(), x(), ofWeight, 'norm'] },
    lstmForward: {
      args: [
        ...[input, recurrent, bias(), bias(), steps, batch, x(), state(), state(), h()],
        ...[state(), state(), gates(), cells()],
      ],
    },
    lstmBackward: {
      args: [
        ...[input, recurrent, steps, batch, x(), state(), h(), gates(), cells(), h(), state(), state()],
        ...[x(), ofInput, ofRecurrent, bias(), state(), state(), 'norm', 'norm'],
      ],
    },
    cellForward: {
      args: [
        ...['onLstm', steps, batch, 1, ofMasters, masterBias(), state(), x(), state(), state(), h(), state(), state()],
        ...[cells(), cells(), keptOfMasters(), masters, masterBias()],
      ],
    },
    cellBackward: {
      args: [
        ...[
          'onLstm',
          steps,
          batch,
          1,
          ofMasters,
          state(),
          x(),
          cells(),
          cells(),
          keptOfMasters(),
          h(),
          state(),
          state(),
        ],
        ...[x(), floats(ofMasters.values.length), masterBias(), state(), state(), 'norm'],
        ...[masters, floats(masters.values.length), masterBias(), 'norm'],
      ],
    },
    decode: { args: [weight, floats(rows), positions, x(), words(), floats(64 * (rows + 1)), floats(positions)] },
    decodeBackward: {
      args: [
        weight,
        positions,
        x(),
        words(),
        floats(64 * (rows + 1)),
        1,
        x(),
        ofWeight,
        floats(rows),
        'norm',
        floats(positions),
      ],
    },
    lookUp: { args: [weight, words(), x()], measure: 1 },
    lookUpBackward: { args: [weight, words(), x(), ofWeight, 'norm'], measure: 1 },
    sgd: { args: [floats(9), floats(9), floats(9), 1, 0, 1], measure: 0 },
    averagedSgd: { args: [floats(9), floats(9), floats(9), floats(9), floats(9), 1, 1, 0, 1], measure: 0 },
    adam: { args: [floats(9), floats(9), floats(9), floats(9), floats(9), 1, 0, 0.9, 0.99, 1e-8, 1, 1], measure: 0 },
    multiply: { args: [floats(9), floats(9), floats(9)], measure: 0 },
    sumOfSquares: { args: [floats(9)], measure: 0 },
    dropout: { args: [1, 2, 3, 4, 5, 2, floats(9)], measure: 6 },
  };
}

/** Numbers that say how many there are of something. */
const counts: Partial<Record<Method, readonly number[]>> = {
  linearForward: [2],
  linearBackward: [1],
  product: [1],
  transposedProduct: [1],
  weightGradient: [1],
  lstmForward: [4, 5],
  lstmBackward: [2, 3],
  cellForward: [1, 2, 3],
  cellBackward: [1, 2, 3],
  decode: [2],
  decodeBackward: [1],
};

function wrongMatrices(matrix: NativeMatrix): object[] {
  const { values, rowStart, column, columnStart, row, source } = matrix;
  const sides = [undefined, '3', 0, -1, 2.5, Number.NaN, 2 ** 31, matrix.rows + 1];
  const wrong: object[] = [
    ...sides.flatMap((side) => [
      { ...matrix, rows: side },
      { ...matrix, columns: side },
    ]),
    ...[undefined, null, [...values], Float64Array.from(values), values.slice(1)].map((each) => ({
      ...matrix,
      values: each,
    })),
    { ...matrix, rowStart: null },
    { ...matrix, rowStart: 'none' },
  ];
  if (rowStart === undefined || columnStart === undefined || source === undefined) return wrong;
  const indices = [undefined, null, [], Int16Array, Uint8Array, Float32Array, Uint32Array];
  const ofType = (from: ArrayLike<number>, type: (typeof indices)[number]) =>
    typeof type === 'function' ? type.from(from) : type;
  return [
    ...wrong,
    { ...matrix, rowStart: rowStart.slice(1) },
    { ...matrix, rowStart: Float32Array.from(rowStart) },
    { ...matrix, rowStart: rowStart.with(-1, -1) },
    { ...matrix, rowStart: rowStart.with(-1, values.length + 1) },
    { ...matrix, columnStart: columnStart.slice(1) },
    { ...matrix, columnStart: columnStart.with(-1, values.length - 1) },
    { ...matrix, columnStart: undefined },
    { ...matrix, source: source.slice(1) },
    { ...matrix, source: undefined },
    { ...matrix, column: column!.slice(1) },
    { ...matrix, row: row!.slice(1) },
    ...indices.map((type) => ({ ...matrix, column: ofType(column!, type) })),
    ...indices.map((type) => ({ ...matrix, row: ofType(row!, type) })),
  ];
}

/** Whatever an argument must not be. */
function wrongArguments(method: Method, index: number, right: unknown, isMeasure: boolean): unknown[] {
  const never = [undefined, 'text', {}, []];
  if (right instanceof Float32Array) {
    const masks: Partial<Record<Method, number>> = {
      sgd: 2,
      averagedSgd: 2,
      adam: 2,
      cellForward: 6,
      cellBackward: 5,
      decode: 6,
      decodeBackward: 10,
    };
    const mask = masks[method] === index; // null: there is no mask
    const short = isMeasure ? [] : [right.slice(1), floats(0)];
    return [...never, ...(mask ? [] : [null]), Float64Array.from(right), new Int32Array(right.length), ...short];
  }
  if (right instanceof Int32Array) {
    const short = isMeasure ? [] : [right.slice(1)];
    const beyond = [-1, rows, 2 ** 31 - 1].map((word) => right.with(-1, word));
    return [...never, null, Uint32Array.from(right), Float32Array.from(right), ...short, ...beyond];
  }
  if (typeof right === 'string')
    return [...never, 1, true, { signs: floats(0), sketch: floats(columns) }, { signs: floats(4 * rows) }];
  if (typeof right === 'number')
    return [...never, null, true, ...(counts[method]?.includes(index) === true ? [0, -1, 0.5, NaN, 2 ** 31] : [])];
  return [...never, null, 5, ...wrongMatrices(right as NativeMatrix)];
}

for (const [storage, matrixOf] of Object.entries({ dense: denseMatrix, sparse: sparseMatrix })) {
  for (const method of Object.keys(rightArguments(denseMatrix)) as Method[]) {
    test(`${method} refuses every argument that is wrong, and names it (${storage})`, () => {
      const engine = nativeEngine(2, widths.at(-1)!);
      const { args, measure } = rightArguments(matrixOf)[method];
      const call = (given: readonly unknown[]) => (engine[method] as (...all: unknown[]) => unknown)(...given);
      expect(() => call(args)).not.toThrow();
      for (const [index, right] of args.entries()) {
        for (const wrong of wrongArguments(method, index, right, index === measure)) {
          const what = `argument ${index + 1}: ${JSON.stringify(wrong)}`;
          const failed = errorOf(() => call(args.with(index, wrong)));
          expect(failed, what).toBeInstanceOf(TypeError);
          // A matrix of another size is as right as it is: then it is the next that does not fit.
          const isMatrix = typeof wrong === 'object' && wrong !== null && 'values' in wrong;
          expect(failed?.message, what).toMatch(isMatrix ? /^argument \d+ / : new RegExp(`^argument ${index + 1} `));
        }
      }
      expect(() => call([])).toThrow('argument 1');
      expect(() => call(args)).not.toThrow();
    });
  }
}

function errorOf(work: () => void): Error | undefined {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

test('matrices of an LSTM must fit each other', () => {
  const engine = nativeEngine(1, widths[0]);
  const { args } = rightArguments(denseMatrix).lstmForward;
  const call = (given: readonly unknown[]) => (engine.lstmForward as (...all: unknown[]) => unknown)(...given);
  expect(() => call(args.with(0, denseMatrix(4 * size + 4, columns)))).toThrow('argument 2 must have as many rows');
  expect(() => call(args.with(1, denseMatrix(4 * size, size + 1)))).toThrow('argument 2 must have four rows');
  expect(() => call(args.with(4, 2 ** 20).with(5, 2 ** 20))).toThrow('argument 6 makes more than 2^30 positions');
});

test('an engine has a number of threads and a width that the machine runs', () => {
  const { Engine } = loadAddon().addon!;
  for (const threads of [0, -1, 1025, 1.5, NaN, 'two', undefined] as number[])
    expect(() => new Engine(threads, widths[0]), String(threads)).toThrow(/thread|argument 1/);
  for (const width of ['sse9', '', undefined])
    expect(() => new Engine(1, width as Width)).toThrow('this machine does not run vector width');
});
