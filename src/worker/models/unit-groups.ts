import type { Gate, Parameter } from '../sparsity/parameter.js';
import { ascending } from '../sparsity/pattern.js';
import * as tf from '../tf.js';
import type { ParameterSpec } from './model.js';

/**
 * Intrinsic sparse structures (W. Wen et al.: Learning Intrinsic Sparse Structures within Long Short-Term Memory. ICLR 2018): all weights into and
 * out of one hidden unit are a *group*, its rows in each gate of its layer's matrices and its column in whatever reads it. A unit whose
 * group is 0 influences nothing, so that the network without it is the same function.
 */
export class UnitGroups {
  /** Units of each layer, by its name. */
  readonly layers: ReadonlyMap<string, number>;
  readonly #specs: readonly ParameterSpec[];

  /** @param specs in the order of the parameters that other members are given */
  constructor(specs: readonly ParameterSpec[]) {
    this.#specs = specs;
    const layers = new Map<string, number>();
    for (const { units, shape, gates } of specs) {
      if (units?.rows !== undefined) layers.set(units.rows, gates[0].rows);
      if (units?.columns !== undefined) layers.set(units.columns, shape[1]);
    }
    this.layers = layers;
  }

  /** ‖group‖² of every unit, by layer. */
  squaredNorms(values: readonly Float32Array[]): Map<string, Float64Array> {
    const sums = new Map([...this.layers].map(([layer, units]) => [layer, new Float64Array(units)]));
    for (const [i, spec] of this.#specs.entries()) {
      const weights = values[i];
      forEachRow(spec, sums, (ofRow, ofColumn, start, columns, unit) => {
        let sum = 0;
        for (let column = 0; column < columns; column++) {
          const square = weights[start + column] ** 2;
          sum += square;
          if (ofColumn !== undefined && !(ofColumn === ofRow && column === unit)) ofColumn[column] += square;
        }
        if (ofRow !== undefined) ofRow[unit] += sum;
      });
    }
    return sums;
  }

  /**
   * Adds the gradient of the penalty λ Σ √(‖group‖² + 10⁻⁸) to gradients, which are disposed.
   * @returns gradients that belong to the caller
   */
  penalised(parameters: readonly Parameter[], gradients: readonly tf.Tensor[], lambda: number): tf.Tensor[] {
    const values = parameters.map((parameter) => parameter.read('values'));
    const factors = this.squaredNorms(values);
    for (const norms of factors.values()) norms.forEach((sum, unit) => (norms[unit] = lambda / Math.sqrt(sum + 1e-8)));
    return this.#specs.map((spec, i) => {
      const gradient = gradients[i];
      if (spec.shape.length !== 2 || (spec.units?.rows ?? spec.units?.columns) === undefined) return gradient;
      const sums = gradient.dataSync<'float32'>().slice();
      const weights = values[i];
      forEachRow(spec, factors, (ofRow, ofColumn, start, columns, unit) => {
        const row = ofRow?.[unit] ?? 0;
        for (let column = 0; column < columns; column++) {
          const own = ofColumn !== undefined && !(ofColumn === ofRow && column === unit) ? ofColumn[column] : 0;
          sums[start + column] += weights[start + column] * (row + own);
        }
      });
      gradient.dispose();
      return tf.tensor(sums, gradient.shape);
    });
  }

  /** Units of each layer of whose group something is left, ascending; of a layer without any the first, for a matrix cannot be empty. */
  left(values: readonly Float32Array[]): KeptUnits {
    return new Map(
      [...this.squaredNorms(values)].map(([layer, norms]) => {
        const units = Int32Array.from(norms.keys()).filter((unit) => norms[unit] > 0);
        return [layer, units.length > 0 ? units : new Int32Array(1)];
      }),
    );
  }
}

/** Units that a network still has, by the name of their layer: their numbers in the whole one, ascending. */
export type KeptUnits = ReadonlyMap<string, Int32Array>;

/** What a model's tensors are when only these units are left; layers that are not named stay whole. */
export function shrunkSpecs(specs: readonly ParameterSpec[], kept: KeptUnits): ParameterSpec[] {
  return specs.map((spec) => {
    const { shape, gates, units } = spec;
    const rows = units?.rows === undefined ? undefined : kept.get(units.rows);
    const columns = units?.columns === undefined ? undefined : kept.get(units.columns);
    const smaller: readonly Gate[] =
      rows === undefined ? gates : gates.map(({ name }) => ({ name, rows: rows.length }));
    const height = smaller.reduce((sum, gate) => sum + gate.rows, 0);
    return {
      ...spec,
      gates: smaller,
      shape: shape.length === 1 ? [height] : [height, columns?.length ?? shape[1]],
    };
  });
}

/** The numbers of a tensor, row-major, that belong to the units that are left. */
export function shrunkValues(
  { shape, gates, units }: ParameterSpec,
  values: Float32Array,
  kept: KeptUnits,
): Float32Array {
  const width = shape[1] ?? 1;
  const rows = units?.rows === undefined ? undefined : kept.get(units.rows);
  const columns = units?.columns === undefined ? undefined : kept.get(units.columns);
  const height = gates.reduce((sum, gate) => sum + (rows?.length ?? gate.rows), 0);
  const left = new Float32Array(height * (columns?.length ?? width));
  let start = 0;
  let next = 0;
  for (const gate of gates) {
    for (const row of rows ?? ascending(gate.rows)) {
      const from = (start + row) * width;
      if (columns === undefined) left.set(values.subarray(from, from + width), next);
      else columns.forEach((column, i) => (left[next + i] = values[from + column]));
      next += columns?.length ?? width;
    }
    start += gate.rows;
  }
  return left;
}

/** The same units by their numbers in a network of which that of `within` was left. */
export function unitsWithin(within: KeptUnits, kept: KeptUnits): KeptUnits {
  return new Map(
    [...kept].map(([layer, units]) => {
      const outer = within.get(layer);
      return [layer, outer === undefined ? units : units.map((unit) => outer[unit])];
    }),
  );
}

/**
 * Calls back for each row of a matrix with what is kept of the units it stands for and of those of its columns, the position of its first
 * weight, its length, and the number of its unit.
 */
function forEachRow(
  { shape, gates, units }: ParameterSpec,
  perUnit: ReadonlyMap<string, Float64Array>,
  visit: (
    ofRow: Float64Array | undefined,
    ofColumn: Float64Array | undefined,
    start: number,
    columns: number,
    unit: number,
  ) => void,
): void {
  if (shape.length !== 2) return;
  const ofRow = units?.rows === undefined ? undefined : perUnit.get(units.rows);
  const ofColumn = units?.columns === undefined ? undefined : perUnit.get(units.columns);
  if (ofRow === undefined && ofColumn === undefined) return;
  let start = 0;
  for (const { rows } of gates) {
    for (let unit = 0; unit < rows; unit++, start += shape[1]) visit(ofRow, ofColumn, start, shape[1], unit);
  }
}
