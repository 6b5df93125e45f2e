import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import type * as tf from '../../tf.js';

/** Numbers below which making new memory costs nothing. */
const small = 1024;

/**
 * tfjs's `cpu` backend, whose tensors are plain typed arrays, with memory that is used again: a training step makes the same
 * tensors over and over, and new arrays of that size would be zeroed by the system and collected by V8 each time.
 */
export class NativeBackend extends MathBackendCPU {
  /** Arrays whose tensors are gone, by length; what was used last stands last. */
  readonly #free = new Map<number, Float32Array[]>();
  /** Memory of tensors that will be used again. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  /** Numbers in tensors, the most there ever were, and numbers in free arrays. */
  #used = 0;
  #mostUsed = 0;
  #unused = 0;

  /** A new tensor and its memory, which holds whatever was there before: kernels write all of it. */
  fresh(shape: readonly number[]): { info: tf.TensorInfo; numbers: Float32Array } {
    const length = shape.reduce((product, size) => product * size, 1);
    const numbers = length < small ? new Float32Array(length) : this.#take(length);
    const info = this.makeTensorInfo([...shape], 'float32', numbers);
    if (length >= small) this.#lent.add(numbers.buffer);
    return { info, numbers };
  }

  /** The memory of a tensor itself. */
  floats(tensor: tf.TensorInfo): Float32Array {
    return this.data.get(tensor.dataId).values as Float32Array;
  }

  /** Numbers of its own memory, in tensors or waiting. */
  get heldNumbers(): number {
    return this.#used + this.#unused;
  }

  /** Whoever reads a tensor may keep what it read; memory that will be used again is copied. */
  override readSync(dataId: tf.DataId): ReturnType<MathBackendCPU['readSync']> {
    const values = super.readSync(dataId);
    return this.#isLent(values) ? values.slice() : values;
  }

  /** tfjs's own kernels may answer with a view of what they were given, such as a slice: it gets memory of its own. */
  override write(...[values, ...rest]: Parameters<MathBackendCPU['write']>): ReturnType<MathBackendCPU['write']> {
    return super.write(this.#isLent(values) ? values.slice() : values, ...rest);
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && this.#isLent(values)) this.#giveBack(values);
    return gone;
  }

  #isLent(values: unknown): values is Float32Array {
    return values instanceof Float32Array && this.#lent.has(values.buffer);
  }

  #take(length: number): Float32Array {
    const waiting = this.#free.get(length);
    let numbers = waiting?.pop();
    if (numbers === undefined) {
      this.#makeRoom(length);
      numbers = new Float32Array(length);
    } else {
      this.#unused -= length;
    }
    if (waiting?.length === 0) this.#free.delete(length);
    this.#used += length;
    this.#mostUsed = Math.max(this.#mostUsed, this.#used);
    return numbers;
  }

  #giveBack(numbers: Float32Array): void {
    const { length } = numbers;
    const waiting = this.#free.get(length) ?? [];
    waiting.push(numbers);
    this.#free.delete(length);
    this.#free.set(length, waiting);
    this.#lent.delete(numbers.buffer);
    this.#used -= length;
    this.#unused += length;
  }

  /** Lets arrays of sizes that have not occurred for long go, so that no more is held than was ever needed at once. */
  #makeRoom(length: number): void {
    for (const [size, arrays] of this.#free) {
      while (arrays.length > 0 && this.heldNumbers + length > this.#mostUsed) {
        arrays.pop();
        this.#unused -= size;
      }
      if (arrays.length > 0) return;
      this.#free.delete(size);
    }
  }
}
