import type { MethodRow } from '../shared/methods.js';
import type { RunEventOf } from '../shared/run-events.js';
import { modelKinds, specsOf } from './models/build.js';
import type { LanguageModel, ParameterSpec } from './models/model.js';
import { shrunkSpecs, shrunkValues, UnitGroups, unitsWithin, type KeptUnits } from './models/unit-groups.js';
import type { Run } from './run.js';
import { DenseParameter, type Parameter } from './sparsity/parameter.js';
import type { Tensors } from './storage/checkpoint.js';
import type { StoredTensor } from './storage/safetensors.js';

/**
 * Runs of which whole units come to nothing (models/unit-groups.ts): they train at full size, since a unit may come back, and what is kept of
 * the best epoch, tested and started from is the smaller network without those units.
 */

/** The groups that a method's penalty is on; undefined where it has none. */
export function groupsOf({ masks }: MethodRow, specs: readonly ParameterSpec[]): UnitGroups | undefined {
  return masks === 'whole-units' ? new UnitGroups(specs) : undefined;
}

/** Sets weights that are almost 0 to 0, which would not happen by itself. */
export function zeroSmall(parameters: readonly Parameter[], below: number): void {
  for (const parameter of parameters) {
    const values = parameter.read('values');
    for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) < below) values[i] = 0;
    parameter.load('values', values);
  }
}

/** What a run is now without the units that have come to nothing. */
export interface Shrunk {
  readonly kept: KeptUnits;
  readonly specs: readonly ParameterSpec[];
  readonly parameters: number;
}

export function shrink(groups: UnitGroups, { specs, model }: Pick<Run, 'specs' | 'model'>): Shrunk {
  const kept = groups.left(model.parameters.map((parameter) => parameter.read('values')));
  const smaller = shrunkSpecs(specs, kept);
  return { kept, specs: smaller, parameters: sizeOf(smaller) };
}

/** All weights of some tensors. */
export function sizeOf(specs: readonly { readonly shape: readonly number[] }[]): number {
  return specs.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

/** The weights that are left, with the units they belong to. */
export function shrunkWeights(
  { kept, specs: smaller }: Shrunk,
  { specs, model, kept: before }: Pick<Run, 'specs' | 'model' | 'kept'>,
): Tensors {
  const tensors = new Map(unitTensors(unitsWithin(before, kept)));
  for (const [i, parameter] of model.parameters.entries()) {
    const data = shrunkValues(specs[i], parameter.read('values'), kept);
    tensors.set(`values.${parameter.name}`, { shape: smaller[i].shape, data });
  }
  return tensors;
}

/** The network of weights that `shrunkWeights` has made. */
export function shrunkModel({ config, corpus }: Pick<Run, 'config' | 'corpus'>, weights: Tensors): LanguageModel {
  const specs = shrunkSpecs(specsOf(config.model, corpus.words.length), unitsIn(weights));
  const parameters = specs.map(({ name, shape, gates }) => {
    const { data } = weights.get(`values.${name}`)!;
    return new DenseParameter(name, shape, gates, data as Float32Array);
  });
  return modelKinds[config.model.kind].create(config.model, parameters);
}

/** How many units of each layer are left, as events say it. */
export function unitsLeft({ layers }: UnitGroups, kept: KeptUnits): NonNullable<RunEventOf<'finished'>['units']> {
  return [...layers].map(([layer, of]) => ({ layer, left: kept.get(layer)!.length, of }));
}

const prefix = 'units.';

/** Kept units as tensors of a file. */
export function unitTensors(kept: KeptUnits): [name: string, tensor: StoredTensor][] {
  return [...kept].map(([layer, units]) => [`${prefix}${layer}`, { shape: [units.length], data: units }]);
}

/** The inverse of `unitTensors`; nothing where a file has none, of a network that is whole. */
export function unitsIn(tensors: Tensors | undefined): KeptUnits {
  return new Map(
    [...(tensors ?? [])].flatMap(([name, { data }]) =>
      name.startsWith(prefix) && data instanceof Int32Array ? [[name.slice(prefix.length), data] as const] : [],
    ),
  );
}
