import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf, UserError } from '../../src/shared/errors.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import { decodeSafetensors, type StoredTensor } from '../../src/worker/storage/safetensors.js';

/** Numbers made with the published reference implementations, and what the manifest says of them. */
export interface GoldenCase {
  readonly name: string;
  /** The case's entry in manifest.json, whatever that holds. */
  readonly entry: unknown;
  /**
   * Reads the case's file, which nothing has read before: a damaged one fails its own case and no other.
   * @throws UserError where it is missing or damaged
   */
  readonly readTensors: () => Tensors;
}

/** The tensors of a case by name. Knows which were asked for, so that none can be left out of a comparison. */
export class Tensors {
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #asked = new Set<string>();

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

  /** Numbers after `prefix` in the names of tensors, ascending: the order of a file puts 10 before 2. */
  numbersUnder(prefix: string): number[] {
    const numbers = this.under(prefix).map((name) => Number.parseInt(name, 10));
    return [...new Set(numbers)].filter((number) => !Number.isNaN(number)).sort((a, b) => a - b);
  }

  floats(name: string): Float32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Float32Array)) throw new UserError(`tensor ${name} is not of type F32`);
    const bad = data.findIndex((number) => !Number.isFinite(number));
    if (bad !== -1)
      throw new UserError(`tensor ${name} has ${data[bad]} at ${bad}, which is not a number to compare with`);
    return data;
  }

  integers(name: string): Int32Array {
    const { data } = this.#get(name);
    if (!(data instanceof Int32Array)) throw new UserError(`tensor ${name} is not of type I32`);
    return data;
  }

  /** @throws UserError where a tensor whose name fits was never asked for: something of the case went uncompared */
  requireAllAsked(names: RegExp): void {
    const forgotten = [...this.#tensors.keys()].filter((name) => names.test(name) && !this.#asked.has(name));
    if (forgotten.length === 0) return;
    const others = forgotten.length === 1 ? '' : ` and ${forgotten.length - 1} more`;
    throw new UserError(`the case has tensor ${forgotten[0]}${others}, which nothing in it accounts for`);
  }

  #get(name: string): StoredTensor {
    this.#asked.add(name);
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
  /** Whether an entry of the manifest describes a case of this kind, be it a sensible one or not. */
  describes(entry: CaseEntry): boolean;
  /** @throws Error where the case lacks what it must have, or has what nothing would be compared with */
  compare(golden: GoldenCase, layout: Layout | 'none'): Comparison;
}

export type CaseEntry = Readonly<Record<string, unknown>>;

export function isEntry(entry: unknown): entry is CaseEntry {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry);
}

/** Collects the relative errors ‖ours - golden‖ / ‖golden‖ of the tensors of a case. */
export class Comparison {
  #worst = 0;
  #where = '';
  #compared = 0;

  /** The largest error so far; NaN once anything was not a number. */
  get worstRelativeError(): number {
    return this.#worst;
  }

  /** How many tensors were compared. */
  get compared(): number {
    return this.#compared;
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
    if (golden.length === 0) throw new Error(`${name} has no numbers to compare`);
    this.#compared += 1;
    const error = Math.sqrt(norm === 0 ? difference : difference / norm);
    // No later tensor may hide one that was not a number.
    if (!Number.isNaN(this.#worst) && !(error <= this.#worst)) {
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

/**
 * The cases of a folder, in the order of its manifest.
 * @throws UserError where the folder has no manifest of cases
 */
export function readCases(folder: string): GoldenCase[] {
  const file = join(folder, 'manifest.json');
  const unusable = (reason: string) =>
    new UserError(`${file} ${reason}: name a folder of golden cases with its manifest`.replaceAll(/\s+/g, ' '));
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unusable(codeOf(error) === 'ENOENT' ? 'is not there' : `cannot be read (${messageOf(error)})`);
  }
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw unusable(`is not JSON (${messageOf(error)})`);
  }
  if (!isEntry(manifest)) throw unusable('is not an object of cases by name');
  const cases = Object.entries(manifest);
  if (cases.length === 0) throw unusable('has no cases');
  return cases.map(([name, entry]) => ({
    name,
    entry,
    readTensors: () => readTensors(join(folder, `${name}.safetensors`)),
  }));
}

function readTensors(file: string): Tensors {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UserError(
      codeOf(error) === 'ENOENT' ? `${file} is not there` : `cannot read ${file}: ${messageOf(error)}`,
    );
  }
  return new Tensors(decodeSafetensors(bytes, file));
}
