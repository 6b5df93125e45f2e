import { UserError } from '../../src/shared/errors.js';
import {
  DenseParameter,
  gather,
  SparseParameter,
  type Gate,
  type Layout,
  type Parameter,
} from '../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import type { Tensors } from './case.js';

const ungated = (rows: number): Gate[] => [{ name: 'all', rows }];

/** Where a 0/1 mask is 1. */
export function patternOf(mask: Float32Array, [rows = 0, columns = 0]: readonly number[]): Pattern {
  if (mask.length !== rows * columns) throw new UserError(`a mask for [${rows},${columns}] has ${mask.length} numbers`);
  const bad = mask.find((number) => number !== 0 && number !== 1);
  if (bad !== undefined) throw new UserError(`a mask has ${bad}, which is neither 0 nor 1`);
  const positions = Int32Array.from(mask.keys()).filter((position) => mask[position] === 1);
  return Pattern.fromPositions(rows, columns, positions);
}

/**
 * The parameters under a prefix of a case, matrices in the given layout.
 * @param maskPrefix where the case has masks; without one every position is active
 */
export function parametersOf(tensors: Tensors, prefix: string, layout: Layout, maskPrefix?: string): Parameter[] {
  return tensors.under(prefix).map((name) => {
    const shape = tensors.shape(prefix + name);
    const values = tensors.floats(prefix + name);
    const [rows, columns] = shape;
    if (shape.length !== 2) return new DenseParameter(name, shape, ungated(rows), values);
    const pattern =
      maskPrefix === undefined ? Pattern.full(rows, columns) : patternOf(tensors.floats(maskPrefix + name), shape);
    const active = gather(values, pattern.positions());
    return new SparseParameter(name, [rows, columns], ungated(rows), pattern, active, layout);
  });
}

/** A slot as a dense tensor, whatever the layout. */
export function denseSlot(parameter: Parameter, slot: 'values' | 'average'): Float32Array {
  const active = parameter.read(slot);
  if (parameter instanceof DenseParameter) return active;
  const dense = new Float32Array(parameter.pattern.size);
  parameter.pattern.positions().forEach((position, i) => (dense[position] = active[i]!));
  return dense;
}
