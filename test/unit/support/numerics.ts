import '@tensorflow/tfjs-backend-cpu';
import { expect } from 'vitest';
import { parseRunConfig, type PartialRunConfig, type RunConfig } from '../../../src/shared/run-config.js';
import { installComposedOps } from '../../../src/worker/ops/op.js';
import { RandomWords } from '../../../src/worker/random/random.js';
import {
  DenseParameter,
  gather,
  SparseParameter,
  type Layout,
  type Parameter,
} from '../../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../../src/worker/sparsity/pattern.js';
import * as tf from '../../../src/worker/tf.js';

/** How a matrix may be stored. */
export type Storage = Layout | 'dense';

export const layouts = ['packed', 'masked'] as const;
export const storages = ['packed', 'masked', 'dense'] as const;

/** Plain loops of tfjs, with which other engines are compared. Import the ops that a test uses before calling it. */
export async function useOracle(): Promise<void> {
  tf.enableProdMode();
  await tf.setBackend('cpu');
  installComposedOps('cpu');
}

/** `count` numbers on [-bound, bound), decided by the seed. */
export function numbers(seed: number, count: number, bound = 1): Float32Array {
  return new RandomWords(seed, 'initialisation').uniform(count, bound);
}

/** `count` whole numbers from 0 to `below` - 1, decided by the seed. */
export function integers(seed: number, count: number, below: number): Int32Array {
  return Int32Array.from(new RandomWords(seed, 'language').words(count), (word) => word % below);
}

/**
 * A pattern in which each position is active with the given probability, and at least one is unless that is 0.
 * @param fullRow makes one row active as a whole
 */
export function randomPattern(seed: number, rows: number, columns: number, density: number, fullRow = false): Pattern {
  if (density === 0 && !fullRow) return Pattern.fromPositions(rows, columns, new Int32Array(0));
  const full = fullRow ? seed % rows : -1;
  const words = new RandomWords(seed, 'topology').words(rows * columns);
  const positions = Int32Array.from(words.keys()).filter(
    (position) => words[position] < density * 2 ** 32 || Math.floor(position / columns) === full,
  );
  return Pattern.fromPositions(rows, columns, positions.length > 0 ? positions : Int32Array.of(seed % words.length));
}

/** A matrix with random weights; the same ones are active in both sparse layouts, and a dense one has zeros for the rest. */
export function matrix(
  name: string,
  shape: readonly [rows: number, columns: number],
  storage: Storage,
  {
    seed,
    density = 0.4,
    fullRow = false,
    bound = 1,
  }: { seed: number; density?: number | undefined; fullRow?: boolean | undefined; bound?: number },
): Parameter {
  const [rows, columns] = shape;
  const gates = [{ name: 'all', rows }];
  const pattern = randomPattern(seed, rows, columns, density, fullRow);
  const values = numbers(seed, rows * columns, bound);
  if (storage !== 'dense')
    return new SparseParameter(name, shape, gates, pattern, gather(values, pattern.positions()), storage);
  const mask = pattern.toMask();
  return new DenseParameter(
    name,
    shape,
    gates,
    values.map((value, i) => value * mask[i]),
  );
}

/** A dense parameter with random numbers. */
export function denseParameter(name: string, shape: readonly number[], seed: number, bound = 1): DenseParameter {
  const size = shape.reduce((product, length) => product * length, 1);
  return new DenseParameter(name, shape, [{ name: 'all', rows: shape[0] }], numbers(seed, size, bound));
}

/** A row-major gradient as the parameter stores its own: dense, or of the active weights. */
export function storedGradient(parameter: Parameter, dense: Float32Array): tf.Tensor {
  const packed = parameter instanceof SparseParameter && parameter.layout === 'packed';
  return tf.tensor(packed ? gather(dense, parameter.pattern.positions()) : dense, parameter.storedShape);
}

/** The entries of a stored gradient that belong to active weights. */
export function activeGradient(parameter: Parameter, gradient: tf.Tensor): Float32Array {
  const stored = gradient.dataSync<'float32'>();
  const masked = parameter instanceof SparseParameter && parameter.layout === 'masked';
  return masked ? gather(stored, parameter.pattern.positions()) : stored.slice();
}

/** The largest difference of two lists, relative to the largest number of the second. */
export function relativeError(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  expect(ours.length).toBe(theirs.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < theirs.length; i++) {
    if (Number.isNaN(ours[i])) return NaN;
    difference = Math.max(difference, Math.abs(ours[i] - theirs[i]));
    largest = Math.max(largest, Math.abs(theirs[i]));
  }
  return largest === 0 ? difference : difference / largest;
}

/** Calls `work` and expects that it leaves as many tensors as it found. */
export function expectNoLeak(work: () => void): void {
  const before = tf.memory().numTensors;
  work();
  expect(tf.memory().numTensors).toBe(before);
}

export function optimizerConfig(settings: NonNullable<PartialRunConfig['optimizer']>): RunConfig['optimizer'] {
  const windows = settings.frozenRate === true ? 'random' : 'fixed';
  return parseRunConfig({ optimizer: settings, training: { windows } }).optimizer;
}
