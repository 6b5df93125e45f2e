import * as tf from '../tf.js';
import { DenseGradient } from './dense-gradient.js';
import type { Pattern } from './pattern.js';

/** A recurrent matrix stacks its gates by rows, in the order of the literature; any other matrix is one gate. */
export interface Gate {
  readonly name: string;
  readonly rows: number;
}

/**
 * What is stored per weight, each in the layout of the values.
 * - `average`: the running mean of SNT-ASGD
 * - `activeSince`: how many averaging steps had been done when the weight became active
 * - `moment1`, `moment2`: Adam's means of the gradient and of its square
 * - `velocity`: of SGD with momentum
 * - `wholeAverage`: the running mean of averaging without masks
 * - `wholeMoment1`, `wholeMoment2`: Adam's means where they go on while a weight is inactive
 *
 * What is whole is of every weight, active or not, and so in the masked layout only.
 */
export const slots = [
  ...(['values', 'average', 'activeSince', 'moment1', 'moment2', 'velocity'] as const),
  ...(['wholeAverage', 'wholeMoment1', 'wholeMoment2'] as const),
] as const;
export type Slot = (typeof slots)[number];

function isWhole(slot: Slot): boolean {
  return slot.startsWith('whole');
}

/** What each slot holds at a position that has just become active. */
export type SlotFills = Readonly<Partial<Record<Slot, number>>>;

export type Layout = 'packed' | 'masked';

/** A trained tensor with all that is stored beside each of its weights. */
abstract class Slots {
  readonly name: string;
  readonly #slots = new Map<Slot, tf.Tensor>();

  constructor(name: string) {
    this.name = name;
  }

  /** Number of weights that are trained. */
  abstract get activeCount(): number;
  /** Shape in which every slot is stored. */
  abstract get storedShape(): number[];
  /** Shape with every weight, active or not. */
  protected abstract get wholeShape(): number[];
  /**
   * Active numbers in ascending order of position, from how they are stored. Always a copy: a backend may hand out, or
   * take over, the very memory of a tensor, which optimisers work on.
   */
  protected abstract pack(stored: Float32Array): Float32Array;
  /** The inverse of `pack`. */
  protected abstract unpack(active: Float32Array): Float32Array;

  get values(): tf.Tensor {
    return this.slot('values');
  }

  has(slot: Slot): boolean {
    return this.#slots.has(slot);
  }

  slot(slot: Slot): tf.Tensor {
    const tensor = this.#slots.get(slot);
    if (tensor === undefined) throw new Error(`parameter ${this.name} has no slot ${slot}`);
    return tensor;
  }

  /** Takes over `tensor`, of the stored shape, and disposes what was there. */
  setSlot(slot: Slot, tensor: tf.Tensor): void {
    if (tensor.shape.join() !== this.storedShape.join()) {
      throw new Error(`${slot} of ${this.name} is [${this.storedShape.join()}], not [${tensor.shape.join()}]`);
    }
    if (this.#slots.get(slot) === tensor) return; // a kernel has worked in place
    this.dropSlot(slot);
    this.#slots.set(slot, tf.keep(tensor));
  }

  dropSlot(slot: Slot): void {
    this.#slots.get(slot)?.dispose();
    this.#slots.delete(slot);
  }

  /** Lets two slots change places without touching a number: evaluation with averages is this, twice. */
  exchange(a: Slot, b: Slot): void {
    const [first, second] = [this.slot(a), this.slot(b)];
    this.#slots.set(a, second);
    this.#slots.set(b, first);
  }

  /**
   * Numbers of the active weights, ascending by position: the same in every layout. Of whole slots all, as they are stored.
   */
  read(slot: Slot): Float32Array {
    return isWhole(slot) ? this.readStored(slot) : this.active(this.slot(slot));
  }

  /** Numbers of the active weights in a tensor of the stored shape, such as a gradient: the inverse of `stored`. */
  active(tensor: tf.Tensor): Float32Array {
    return this.pack(tensor.dataSync<'float32'>());
  }

  /** A copy of a slot as it is stored. */
  readStored(slot: Slot): Float32Array {
    return this.slot(slot).dataSync<'float32'>().slice();
  }

  /** The inverse of `read`. */
  load(slot: Slot, active: Float32Array): void {
    if (isWhole(slot)) {
      this.setSlot(slot, tf.tensor(active.slice(), this.wholeShape));
      return;
    }
    if (active.length !== this.activeCount) {
      throw new Error(`${slot} of ${this.name} has ${this.activeCount} active weights, not ${active.length}`);
    }
    this.setSlot(slot, this.stored(active));
  }

  /** Numbers of the active weights as a tensor in the layout of the slots, which belongs to the caller. */
  stored(active: Float32Array): tf.Tensor {
    return tf.tensor(this.unpack(active), this.storedShape);
  }

  /** Gives every active weight the same number. */
  fill(slot: Slot, value: number): void {
    const count = isWhole(slot) ? this.wholeShape.reduce((size, length) => size * length, 1) : this.activeCount;
    this.load(slot, new Float32Array(count).fill(value));
  }

  dispose(): void {
    for (const slot of slots) this.dropSlot(slot);
  }
}

/** A trained tensor that is dense: a bias, or a matrix of a dense run. */
export class DenseParameter extends Slots {
  readonly shape: readonly number[];
  readonly gates: readonly Gate[];

  /** @param values row-major */
  constructor(name: string, shape: readonly number[], gates: readonly Gate[], values: Float32Array) {
    super(name);
    this.shape = shape;
    this.gates = gates;
    this.load('values', values);
  }

  get activeCount(): number {
    return this.shape.reduce((product, length) => product * length, 1);
  }

  get storedShape(): number[] {
    return [...this.shape];
  }

  protected get wholeShape(): number[] {
    return [...this.shape];
  }

  protected pack(stored: Float32Array): Float32Array {
    return stored.slice();
  }

  protected unpack(active: Float32Array): Float32Array {
    return active.slice();
  }
}

/**
 * A weight matrix of which only some positions are trained.
 *
 * - **packed**: slots are vectors of the active weights alone; memory and optimiser state grow with their number.
 * - **masked**: slots are dense matrices, 0 wherever the mask is 0.
 *
 * Methods of sparsity see neither: they work on `pattern` and `read('values')`, which are the same in both.
 */
export class SparseParameter extends Slots {
  readonly shape: readonly [number, number];
  readonly gates: readonly Gate[];
  readonly layout: Layout;
  readonly denseGradient = new DenseGradient();
  #pattern: Pattern;
  readonly #ofPattern = new Map<string, tf.Tensor>();

  /**
   * @param shape [outputs, inputs]
   * @param active values of the active weights, ascending by position
   */
  constructor(
    name: string,
    shape: readonly [number, number],
    gates: readonly Gate[],
    pattern: Pattern,
    active: Float32Array,
    layout: Layout,
  ) {
    super(name);
    this.shape = shape;
    this.gates = gates;
    this.layout = layout;
    this.#pattern = pattern;
    this.load('values', active);
  }

  get pattern(): Pattern {
    return this.#pattern;
  }

  get activeCount(): number {
    return this.#pattern.count;
  }

  get storedShape(): number[] {
    return this.layout === 'packed' ? [this.activeCount] : [...this.shape];
  }

  protected get wholeShape(): number[] {
    return [...this.shape];
  }

  /** Of the masked layout: 1 where a weight is active, 0 elsewhere. */
  get mask(): tf.Tensor2D {
    return this.ofPattern('mask', (pattern) => tf.tensor2d(pattern.toMask(), [...this.shape]));
  }

  /** Flat position of each active weight, [active, 1], as scatter and gather of composed ops take it. */
  get indices(): tf.Tensor2D {
    return this.ofPattern('indices', (pattern) => tf.tensor2d(pattern.positions(), [this.activeCount, 1], 'int32'));
  }

  /** A tensor that is made of the pattern when it is first asked for, and lives as long as that is the parameter's. */
  ofPattern<Kind extends tf.Tensor>(name: string, make: (pattern: Pattern) => Kind): Kind {
    const made = this.#ofPattern.get(name) ?? tf.keep(make(this.#pattern));
    this.#ofPattern.set(name, made);
    return made as Kind;
  }

  /**
   * Moves to another pattern. A weight that stays active keeps all its slots; one that was inactive starts with the given
   * numbers (0 where none is given); what belongs to removed weights is gone, but from whole slots, which know no masks.
   */
  changePattern(next: Pattern, fills: SlotFills): void {
    const before = this.#pattern.positions();
    const after = next.positions();
    const changing = slots.filter((slot) => this.has(slot) && !isWhole(slot));
    const held = changing.map((slot) => ({ slot, active: this.read(slot) }));
    this.#forgetPattern();
    this.#pattern = next;
    for (const { slot, active } of held) this.load(slot, carryOver(before, active, after, fills[slot] ?? 0));
  }

  override dispose(): void {
    super.dispose();
    const untaken = this.denseGradient.take();
    if (untaken instanceof tf.Tensor) untaken.dispose();
    this.#forgetPattern();
  }

  #forgetPattern(): void {
    tf.dispose([...this.#ofPattern.values()]);
    this.#ofPattern.clear();
  }

  protected pack(stored: Float32Array): Float32Array {
    return this.layout === 'packed' ? stored.slice() : gather(stored, this.#pattern.positions());
  }

  protected unpack(active: Float32Array): Float32Array {
    if (this.layout === 'packed') return active.slice();
    const stored = new Float32Array(this.#pattern.size);
    this.#pattern.positions().forEach((position, i) => (stored[position] = active[i]!));
    return stored;
  }
}

export type Parameter = DenseParameter | SparseParameter;

/** The numbers of a dense tensor at some positions. */
export function gather(dense: Float32Array, positions: Int32Array): Float32Array {
  const numbers = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i++) numbers[i] = dense[positions[i]];
  return numbers;
}

/** Numbers for the positions `after`, taken from `before` where a position was there already. */
function carryOver(before: Int32Array, numbers: Float32Array, after: Int32Array, fill: number): Float32Array {
  const result = new Float32Array(after.length);
  let old = 0;
  for (let i = 0; i < after.length; i++) {
    while (old < before.length && before[old] < after[i]) old++;
    result[i] = before[old] === after[i] ? numbers[old] : fill;
  }
  return result;
}
