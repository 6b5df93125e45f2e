import type { MethodRow } from '../../shared/methods.js';
import type { DenseParameter } from './parameter.js';
import { gather, SparseParameter, type Gate, type Parameter } from './parameter.js';
import { Pattern } from './pattern.js';

/** The connections of a matrix as they are told and logged. */
export interface Connections {
  readonly name: string;
  readonly gates: readonly Gate[];
  readonly pattern: Pattern;
  /** Whether a mask decides which they are, and not the weights. */
  readonly masked: boolean;
  /** Weights of the connections, ascending by position. */
  readonly values: Float32Array;
}

/** What is active of each matrix; where a method has no masks and lets whole units come to nothing, what is not 0. */
export function connectionsOf(parameters: readonly Parameter[], { masks }: MethodRow): Connections[] {
  return parameters.flatMap((parameter) => {
    const { name, gates } = parameter;
    const values = () => parameter.read('values');
    if (parameter instanceof SparseParameter) {
      return [{ name, gates, pattern: parameter.pattern, masked: true, values: values() }];
    }
    return masks === 'whole-units' && parameter.shape.length === 2 ? [nonzero(parameter, values())] : [];
  });
}

function nonzero({ name, gates, shape: [rows, columns] }: DenseParameter, values: Float32Array): Connections {
  const positions = Int32Array.from(values.keys()).filter((position) => values[position] !== 0);
  const pattern = Pattern.fromPositions(rows, columns, positions);
  return { name, gates, pattern, masked: false, values: gather(values, positions) };
}
