import type { ModelConfig, ModelKindName } from '../../shared/model-config.js';
import { RandomWords } from '../random/random.js';
import {
  DenseParameter,
  gather,
  SparseParameter,
  type Gate,
  type Layout,
  type Parameter,
} from '../sparsity/parameter.js';
import type { Pattern } from '../sparsity/pattern.js';
import { awdLstm } from './awd-lstm.js';
import { awdLstmMos } from './awd-lstm-mos.js';
import { controlSized } from './control-size.js';
import { elmanStack } from './elman.js';
import { gruStack } from './gru.js';
import { isSparsifiable, type ModelKind, type ParameterSpec } from './model.js';
import { onLstmModel } from './on-lstm.js';
import { rhnModel } from './rhn.js';
import { stackedLstm } from './stacked-lstm.js';

export const modelKinds: Readonly<Record<ModelKindName, ModelKind>> = {
  'stacked-lstm': stackedLstm,
  rhn: rhnModel,
  'on-lstm': onLstmModel,
  'awd-lstm': awdLstm,
  'awd-lstm-mos': awdLstmMos,
  'elman-rnn': elmanStack,
  gru: gruStack,
};

/** The tensors of a model of a run. */
export function specsOf(model: ModelConfig, vocabulary: number): ParameterSpec[] {
  const { parameters } = modelKinds[model.kind];
  const specs = parameters(
    controlSized(model, (other) => parameters(other, vocabulary)),
    vocabulary,
  );
  const { initialRange } = model;
  if (initialRange === 0) return specs;
  return specs.map((spec) => (spec.initialBound === 0 ? spec : { ...spec, initialBound: initialRange }));
}

/** Freshly initialised parameters: uniform, and where there is a pattern, sparse without any rescaling. */
export function initialParameters(
  specs: readonly ParameterSpec[],
  patterns: ReadonlyMap<string, Pattern>,
  layout: Layout,
  seed: number,
): Parameter[] {
  return specs.map((spec, index) => {
    const size = spec.shape.reduce((product, length) => product * length, 1);
    const values = new RandomWords(seed, 'initialisation', index).uniform(size, spec.initialBound);
    if (spec.initialShift !== undefined) shift(values, spec.gates, spec.initialShift);
    const pattern = patterns.get(spec.name);
    if (pattern === undefined) return new DenseParameter(spec.name, spec.shape, spec.gates, values);
    const active = gather(values, pattern.positions());
    return new SparseParameter(spec.name, matrixShape(spec), spec.gates, pattern, active, layout);
  });
}

/** @param bias a value for each row */
function shift(bias: Float32Array, gates: readonly Gate[], { gate, by }: NonNullable<ParameterSpec['initialShift']>) {
  let start = 0;
  for (const { name, rows } of gates) {
    if (name === gate) for (let row = start; row < start + rows; row++) bias[row] += by;
    start += rows;
  }
}

/** The matrices of a model, which may be sparse. */
export function matricesOf(specs: readonly ParameterSpec[]): { name: string; shape: readonly [number, number] }[] {
  return specs.filter(isSparsifiable).map((spec) => ({ name: spec.name, shape: matrixShape(spec) }));
}

export function matrixShape({ name, shape }: ParameterSpec): readonly [number, number] {
  if (shape.length !== 2) throw new Error(`${name} is not a matrix`);
  return [shape[0], shape[1]];
}
