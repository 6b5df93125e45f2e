import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../src/shared/errors.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import { decodeSafetensors, type StoredTensor } from '../../src/worker/storage/safetensors.js';

/** Numbers made with the published reference implementations, and what the manifest says of them. */
export interface GoldenCase {
  readonly name: string;
  /** The case's entry in manifest.json. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly tensors: Tensors;
}

/** The tensors of a case by name. */
export class Tensors {
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(tensors: ReadonlyMap<string, StoredTensor>) {
    this.#tensors = tensors;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Names that begin with `prefix`, without it, in the order of the file. */
  under(prefix: string): string[] {
    return [...this.#tensors.keys()].flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  }

  shape(name: string): readonly number[] {
    return this.#get(name).shape;
  }

  floats(name: string): Float32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Float32Array)) throw new UserError(`tensor ${name} is not of type F32`);
    return data;
  }

  integers(name: string): Int32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Int32Array)) throw new UserError(`tensor ${name} is not of type I32`);
    return data;
  }

  #get(name: string): StoredTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new UserError(`the case has no tensor ${name}`);
    return tensor;
  }
}

/** How a kind of case is computed with our code. */
export interface Kind {
  /** Layouts of sparse weights that make a difference to it; `none` where it has no weights. */
  readonly layouts: readonly (Layout | 'none')[];
  /** Largest relative error that passes. */
  readonly tolerance: number;
  compare(golden: GoldenCase, layout: Layout | 'none'): Comparison;
}

/** Collects the relative errors ‖ours - golden‖ / ‖golden‖ of the tensors of a case. */
export class Comparison {
  #worst = 0;
  #where = '';

  /** The largest error so far; NaN once anything was not a number. */
  get worstRelativeError(): number {
    return this.#worst;
  }

  /** The tensor that has it. */
  get where(): string {
    return this.#where;
  }

  add(name: string, ours: ArrayLike<number>, golden: ArrayLike<number>): void {
    if (ours.length !== golden.length) {
      throw new Error(`${name} has ${ours.length} numbers, the golden one ${golden.length}`);
    }
    let difference = 0;
    let norm = 0;
    for (let i = 0; i < golden.length; i++) {
      difference += (ours[i] - golden[i]) ** 2;
      norm += golden[i] ** 2;
    }
    const error = Math.sqrt(norm === 0 ? difference : difference / norm);
    if (!(error <= this.#worst)) {
      this.#worst = error;
      this.#where = name;
    }
  }

  /** Two sets of positions: the share of elements that only one of them has. */
  addSets(name: string, ours: Iterable<number>, golden: Iterable<number>): void {
    const [a, b] = [new Set(ours), new Set(golden)];
    const all = new Set([...a, ...b]);
    const apart = [...all].filter((element) => a.has(element) !== b.has(element)).length;
    this.add(name, [1 + (all.size === 0 ? 0 : apart / all.size)], [1]);
  }
}

/** The cases of a folder, in the order of its manifest. */
export function readCases(folder: string): GoldenCase[] {
  const file = join(folder, 'manifest.json');
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = existsSync(file) ? `is not JSON (${(error as Error).message})` : 'is not there';
    throw new UserError(`${file} ${reason}: name a folder of golden cases with its manifest`);
  }
  if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest)) {
    throw new UserError(`${file} must be an object of cases by name`);
  }
  return Object.entries(manifest).map(([name, entry]) => {
    const tensorFile = join(folder, `${name}.safetensors`);
    const stored = existsSync(tensorFile)
      ? decodeSafetensors(readFileSync(tensorFile), tensorFile)
      : new Map<string, StoredTensor>();
    return { name, entry: entry as GoldenCase['entry'], tensors: new Tensors(stored) };
  });
}
