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
  readonly #lent = new WeakSet<Float32Array>();
  /** Numbers in tensors, the most there ever were, and numbers in free arrays. */
  #used = 0;
  #mostUsed = 0;
  #unused = 0;

  /** A new tensor and its memory, which holds whatever was there before: kernels write all of it. */
  fresh(shape: readonly number[]): { info: tf.TensorInfo; numbers: Float32Array } {
    const length = shape.reduce((product, size) => product * size, 1);
    const numbers = length < small ? new Float32Array(length) : this.#take(length);
    return { info: this.makeTensorInfo([...shape], 'float32', numbers), numbers };
  }

  /** The memory of a tensor itself. */
  floats(tensor: tf.TensorInfo): Float32Array {
    return this.data.get(tensor.dataId).values as Float32Array;
  }

  /** Whoever reads a tensor may keep what it read; memory that will be used again is copied. */
  override readSync(dataId: tf.DataId): ReturnType<MathBackendCPU['readSync']> {
    const values = super.readSync(dataId);
    return values instanceof Float32Array && this.#lent.has(values) ? values.slice() : values;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && values instanceof Float32Array && this.#lent.has(values)) this.#giveBack(values);
    return gone;
  }

  #take(length: number): Float32Array {
    const waiting = this.#free.get(length);
    let numbers = waiting?.pop();
    if (numbers === undefined) numbers = new Float32Array(length);
    else this.#unused -= length;
    if (waiting?.length === 0) this.#free.delete(length);
    this.#lent.add(numbers);
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
    this.#lent.delete(numbers);
    this.#used -= length;
    this.#unused += length;
    // Sizes that no longer occur go: no more is kept than was ever needed at once.
    for (const [size, arrays] of this.#free) {
      if (this.#unused + this.#used <= this.#mostUsed) break;
      this.#unused -= size * arrays.length;
      this.#free.delete(size);
    }
  }
}
