import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../shared/errors.js';

/** Vector instructions that kernels are compiled for. */
export type Width = 'plain' | 'neon' | 'avx2' | 'avx512';

/** A weight matrix as kernels take it: of a dense one only the first three. */
export interface NativeMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
  readonly rowStart?: Int32Array;
  readonly column?: Uint16Array | Uint32Array;
  readonly columnStart?: Int32Array;
  readonly row?: Uint16Array | Uint32Array;
  readonly source?: Int32Array;
  readonly rowTile?: Int32Array | undefined;
  readonly columnTile?: Int32Array | undefined;
}

/**
 * What is asked of the gradient of all weights of a sparse matrix: nothing, its squared norm, which is the answer then, or its
 * products with rows of signs, sketch [sketches, columns] = signs [sketches, rows] times it.
 */
export type Whole = null | 'norm' | { readonly signs: Float32Array; readonly sketch: Float32Array };

/** Cells beside the LSTM: native/src/cell_calls.h. */
export type NativeCell = 'elman' | 'gru' | 'rhn' | 'onLstm';

/**
 * native/src/engine_object.cpp. All arrays are the memory of tensors, row-major, read or written in place.
 */
export interface NativeEngine {
  linearForward(weight: NativeMatrix, bias: Float32Array, positions: number, x: Float32Array, y: Float32Array): void;
  linearBackward(
    ...args: [
      ...[weight: NativeMatrix, positions: number, dy: Float32Array, x: Float32Array],
      ...[dx: Float32Array, dWeight: Float32Array, dBias: Float32Array, whole: Whole],
    ]
  ): number;
  product(weight: NativeMatrix, positions: number, x: Float32Array, y: Float32Array): void;
  transposedProduct(weight: NativeMatrix, positions: number, y: Float32Array, x: Float32Array): void;
  weightGradient(
    ...args: [
      ...[weight: NativeMatrix, positions: number, dy: Float32Array, x: Float32Array],
      ...[dWeight: Float32Array, whole: Whole],
    ]
  ): number;
  lstmForward(
    ...args: [
      ...[input: NativeMatrix, recurrent: NativeMatrix, inputBias: Float32Array, recurrentBias: Float32Array],
      ...[steps: number, batch: number, x: Float32Array, hidden: Float32Array, cell: Float32Array, y: Float32Array],
      ...[hiddenAfter: Float32Array, cellAfter: Float32Array, gates: Float32Array, cells: Float32Array],
    ]
  ): void;
  lstmBackward(
    ...args: [
      ...[input: NativeMatrix, recurrent: NativeMatrix, steps: number, batch: number, x: Float32Array],
      ...[hidden: Float32Array, y: Float32Array, gates: Float32Array, cells: Float32Array, dy: Float32Array],
      ...[dHiddenAfter: Float32Array, dCellAfter: Float32Array, dx: Float32Array, dInput: Float32Array],
      ...[dRecurrent: Float32Array, dBias: Float32Array, dHidden: Float32Array, dCell: Float32Array],
      ...[wholeInput: Whole, wholeRecurrent: Whole],
    ]
  ): [inputNorm: number, recurrentNorm: number];
  cellForward(
    ...args: [
      ...[cell: NativeCell, steps: number, batch: number, chunk: number, input: NativeMatrix, inputBias: Float32Array],
      ...[mask: Float32Array | null, x: Float32Array, hidden: Float32Array, cellState: Float32Array, y: Float32Array],
      ...[hiddenAfter: Float32Array, cellAfter: Float32Array, states: Float32Array, cells: Float32Array],
      ...[kept: Float32Array, ...recurrent: (NativeMatrix | Float32Array)[]],
    ]
  ): void;
  cellBackward(
    ...args: [
      ...[
        cell: NativeCell,
        steps: number,
        batch: number,
        chunk: number,
        input: NativeMatrix,
        mask: Float32Array | null,
      ],
      ...[x: Float32Array, states: Float32Array, cells: Float32Array, kept: Float32Array, dy: Float32Array],
      ...[dHiddenAfter: Float32Array, dCellAfter: Float32Array, dx: Float32Array, dInput: Float32Array],
      ...[dInputBias: Float32Array, dHidden: Float32Array, dCell: Float32Array, wholeInput: Whole],
      ...recurrent: (NativeMatrix | Float32Array | Whole)[],
    ]
  ): number[];
  decode(
    ...args: [
      ...[weight: NativeMatrix, bias: Float32Array, positions: number, y: Float32Array, targets: Int32Array],
      ...[probabilities: Float32Array, ofTargets: Float32Array | null],
    ]
  ): number;
  decodeBackward(
    ...args: [
      ...[weight: NativeMatrix, positions: number, y: Float32Array, targets: Int32Array, probabilities: Float32Array],
      ...[dLoss: number, dy: Float32Array, dWeight: Float32Array, dBias: Float32Array, whole: Whole],
      shares: Float32Array | null,
    ]
  ): number;
  lookUp(weight: NativeMatrix, words: Int32Array, rows: Float32Array): void;
  lookUpBackward(
    weight: NativeMatrix,
    words: Int32Array,
    dRows: Float32Array,
    dWeight: Float32Array,
    whole: Whole,
  ): number;
  sgd(w: Float32Array, g: Float32Array, mask: Float32Array | null, scale: number, decay: number, rate: number): void;
  averagedSgd(
    ...args: [
      ...[w: Float32Array, g: Float32Array, mask: Float32Array | null, average: Float32Array, since: Float32Array],
      ...[averagingStep: number, scale: number, decay: number, rate: number],
    ]
  ): void;
  adam(
    ...args: [
      ...[w: Float32Array, g: Float32Array, mask: Float32Array | null, moment1: Float32Array, moment2: Float32Array],
      ...[scale: number, decay: number, beta1: number, beta2: number, epsilon: number, root2: number, rate: number],
    ]
  ): void;
  multiply(a: Float32Array, b: Float32Array, product: Float32Array): void;
  sumOfSquares(x: Float32Array): number;
  dropout(
    ...args: [
      ...[seed: number, purpose: number, a: number, b: number, threshold: number, scale: number, mask: Float32Array],
    ]
  ): void;
}

/** What native/src/module.cpp exports. */
interface NativeAddon {
  readonly Engine: new (threads: number, width: Width) => NativeEngine;
  /** The widths that this machine runs; the last is the fastest. */
  widths(): Width[];
  /** A small sparse product, [70, 37], through the kernels of a width (the fastest unless told) on some threads. */
  selfTest(threads: number, width?: Width): Float32Array;
}

/** The addon, or why there is none. */
type Loaded = { readonly addon: NativeAddon } | { readonly addon: undefined; readonly reason: string };

/** Loads the addon that set-up has built (scripts/native.mjs), if it could. */
export function loadAddon(project = projectFolder()): Loaded {
  if (process.env['SPARROW_NATIVE'] === 'off') return { addon: undefined, reason: 'SPARROW_NATIVE is off' };
  const build = join(project, 'native', 'build');
  const path = join(build, 'Release', 'sparrow.node');
  if (!existsSync(path)) return { addon: undefined, reason: `it is not built (${reasonOf(build)})` };
  try {
    // Not an import: the bundler must leave it where it is, and what it was linked with may be missing here.
    return { addon: createRequire(import.meta.url)(path) as NativeAddon };
  } catch (error) {
    return { addon: undefined, reason: `it does not load (${messageOf(error).split('\n')[0]})` };
  }
}

function reasonOf(build: string): string {
  const file = join(build, 'not-built.txt');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : 'set-up has not tried: run "npm run build"';
}

/** The bundle and the sources lie at different depths below it. */
function projectFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = above;
  }
  return folder;
}
