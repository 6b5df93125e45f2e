import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import { DenseParameter, gather, SparseParameter, type Layout, type Parameter } from '../sparsity/parameter.js';
import type { Pattern } from '../sparsity/pattern.js';
import { isSparsifiable, type LanguageModel, type ParameterSpec } from './model.js';
import { StackedLstm, stackedLstmParameters } from './stacked-lstm.js';

/** A kind of model: its tensors, and the network around them. */
interface ModelKind {
  readonly parameters: (model: RunConfig['model'], vocabulary: number) => ParameterSpec[];
  readonly create: (model: RunConfig['model'], parameters: readonly Parameter[]) => LanguageModel;
}

export const modelKinds: Readonly<Record<RunConfig['model']['kind'], ModelKind>> = {
  'stacked-lstm': {
    parameters: stackedLstmParameters,
    create: ({ dropout }, parameters) => new StackedLstm(parameters, dropout),
  },
};

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
    const pattern = patterns.get(spec.name);
    if (pattern === undefined) return new DenseParameter(spec.name, spec.shape, spec.gates, values);
    const active = gather(values, pattern.positions());
    return new SparseParameter(spec.name, matrixShape(spec), spec.gates, pattern, active, layout);
  });
}

/** The matrices of a model, which may be sparse. */
export function matricesOf(specs: readonly ParameterSpec[]): { name: string; shape: readonly [number, number] }[] {
  return specs.filter(isSparsifiable).map((spec) => ({ name: spec.name, shape: matrixShape(spec) }));
}

export function matrixShape({ name, shape }: ParameterSpec): readonly [number, number] {
  if (shape.length !== 2) throw new Error(`${name} is not a matrix`);
  return [shape[0], shape[1]];
}
