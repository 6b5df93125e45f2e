import type { ModelConfig } from '../../shared/model-config.js';
import { SparseParameter, type Gate, type Parameter } from '../sparsity/parameter.js';
import type { ParameterSpec } from './model.js';

/** What models are put together from: descriptions of their tensors, and the tensors by name. */

/** Word vectors and decoder of every model start uniform on this bound, the decoder's bias at 0. */
const wordBound = 0.1;

/** A matrix [rows, columns]; one block of rows unless gates are told. */
export function matrixSpec(
  name: string,
  [rows, columns]: readonly [number, number],
  initialBound: number,
  gates: readonly Gate[] = [{ name: 'all', rows }],
): ParameterSpec {
  return { name, shape: [rows, columns], gates, initialBound };
}

export function biasSpec(
  name: string,
  rows: number,
  initialBound: number,
  gates: readonly Gate[] = [{ name: 'all', rows }],
): ParameterSpec {
  return { name, shape: [rows], gates, initialBound };
}

/** Row blocks of equal size. */
export function equalGates(rows: number, ...names: readonly string[]): Gate[] {
  return names.map((name) => ({ name, rows }));
}

export function embeddingSpec({ embedding }: ModelConfig, vocabulary: number): ParameterSpec {
  return matrixSpec('embedding.weight', [vocabulary, embedding], wordBound);
}

/** @param inputs size of what it decodes */
export function decoderSpecs({ tied }: ModelConfig, vocabulary: number, inputs: number): ParameterSpec[] {
  const bias = biasSpec('decoder.bias', vocabulary, 0);
  return tied ? [bias] : [matrixSpec('decoder.weight', [vocabulary, inputs], wordBound), bias];
}

/** Both matrices and both biases of a recurrent layer, PREFIX.LAYER.weight_ih and so on, PyTorch's names. */
export function layerSpecs(
  prefix: string,
  layer: number,
  { inputs, units, gates }: { readonly inputs: number; readonly units: number; readonly gates: readonly Gate[] },
  bounds: { readonly input: number; readonly recurrent: number },
): ParameterSpec[] {
  const rows = gates.reduce((sum, gate) => sum + gate.rows, 0);
  const name = (part: string) => `${prefix}.${layer}.${part}`;
  return [
    matrixSpec(name('weight_ih'), [rows, inputs], bounds.input, gates),
    matrixSpec(name('weight_hh'), [rows, units], bounds.recurrent, gates),
    biasSpec(name('bias_ih'), rows, bounds.input, gates),
    biasSpec(name('bias_hh'), rows, bounds.recurrent, gates),
  ];
}

/** The parameters of a model by their names. */
export class Named {
  readonly #what: string;
  readonly #parameters: readonly Parameter[];

  /** @param what the model, for the error */
  constructor(what: string, parameters: readonly Parameter[]) {
    this.#what = what;
    this.#parameters = parameters;
  }

  get(name: string): Parameter {
    const parameter = this.find(name);
    if (parameter === undefined) throw new Error(`${this.#what} needs a parameter ${name}`);
    return parameter;
  }

  find(name: string): Parameter | undefined {
    return this.#parameters.find((candidate) => candidate.name === name);
  }

  /** How many layers, or depths, have a parameter PREFIX.NUMBER.PART. */
  count(prefix: string, part: string): number {
    return this.#parameters.filter(({ name }) => new RegExp(`^${prefix}\\.\\d+\\.${part}$`).test(name)).length;
  }

  /** The decoder's matrix: the embedding where it is tied, which is then used twice. */
  decoder(): { weight: Parameter; bias: Parameter } {
    const own = this.find('decoder.weight');
    const embedding = this.get('embedding.weight');
    if (own === undefined && embedding instanceof SparseParameter) embedding.denseGradient.uses = 2;
    return { weight: own ?? embedding, bias: this.get('decoder.bias') };
  }
}
