import type { ModelConfig } from '../../shared/model-config.js';
import { SparseParameter, type Gate, type Parameter } from '../sparsity/parameter.js';
import type { ParameterSpec, UnitsOf } from './model.js';

/** What models are put together from: descriptions of their tensors, and the tensors by name. */

/** Word vectors and decoder of every model start uniform on this bound, the decoder's bias at 0. */
const wordBound = 0.1;

/** A matrix [rows, columns]; one block of rows unless gates are told. */
export function matrixSpec(
  name: string,
  [rows, columns]: readonly [number, number],
  initialBound: number,
  gates: readonly Gate[] = [{ name: 'all', rows }],
  units: UnitsOf = {},
): ParameterSpec {
  return { name, shape: [rows, columns], gates, initialBound, units };
}

export function biasSpec(
  name: string,
  rows: number,
  initialBound: number,
  gates: readonly Gate[] = [{ name: 'all', rows }],
  units: UnitsOf = {},
): ParameterSpec {
  return { name, shape: [rows], gates, initialBound, units };
}

/** Row blocks of equal size. */
export function equalGates(rows: number, ...names: readonly string[]): Gate[] {
  return names.map((name) => ({ name, rows }));
}

/** @param units the layer it decodes, where it is the decoder, too */
export function embeddingSpec({ embedding }: ModelConfig, vocabulary: number, units?: string): ParameterSpec {
  return matrixSpec('embedding.weight', [vocabulary, embedding], wordBound, undefined, { columns: units });
}

/**
 * @param inputs size of what it decodes
 * @param units the layer that it decodes
 */
export function decoderSpecs(
  { tied }: ModelConfig,
  vocabulary: number,
  inputs: number,
  units?: string,
): ParameterSpec[] {
  const bias = biasSpec('decoder.bias', vocabulary, 0);
  if (tied) return [bias];
  return [matrixSpec('decoder.weight', [vocabulary, inputs], wordBound, undefined, { columns: units }), bias];
}

/** Both matrices and both biases of a recurrent layer, PREFIX.LAYER.weight_ih and so on, PyTorch's names. */
export function layerSpecs(
  prefix: string,
  layer: number,
  { inputs, units, gates, of }: LayerShape,
  bounds: { readonly input: number; readonly recurrent: number },
): ParameterSpec[] {
  const rows = gates.reduce((sum, gate) => sum + gate.rows, 0);
  const name = (part: string) => `${prefix}.${layer}.${part}`;
  const own = of?.layer;
  return [
    matrixSpec(name('weight_ih'), [rows, inputs], bounds.input, gates, { rows: own, columns: of?.inputs }),
    matrixSpec(name('weight_hh'), [rows, units], bounds.recurrent, gates, { rows: own, columns: own }),
    biasSpec(name('bias_ih'), rows, bounds.input, gates, { rows: own }),
    biasSpec(name('bias_hh'), rows, bounds.recurrent, gates, { rows: own }),
  ];
}

interface LayerShape {
  readonly inputs: number;
  readonly units: number;
  readonly gates: readonly Gate[];
  /** Names of its units and of those it reads, where units can be taken out of it. */
  readonly of?: { readonly layer: string; readonly inputs: string | undefined };
}

/** Names of the units of stacked layers: of each layer, and of what the first one reads, which are the last one's if `tied`. */
export function unitNames(prefix: string, layers: number, tied: boolean) {
  const name = (layer: number) => `${prefix}.${layer}`;
  const top = name(layers - 1);
  const words = tied ? top : undefined;
  return { top, words, of: (layer: number) => ({ layer: name(layer), inputs: layer === 0 ? words : name(layer - 1) }) };
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
