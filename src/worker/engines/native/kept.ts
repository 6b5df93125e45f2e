import type * as tf from '../../tf.js';

/**
 * What a forward pass leaves for its way back and nobody else reads: memory that is kept from step to step, as a step
 * allocates nothing that large. On the tape it is a tensor without a number, whose identity says which pass it was.
 */
export class Kept<Name extends string> {
  readonly #entries = new WeakMap<object, { arrays: Record<Name, Float32Array>; pass: object | undefined }>();

  /**
   * @param owner one weight has one pass at a time
   * @param sizes numbers needed at least
   */
  begin(
    owner: object,
    memory: { makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo },
    sizes: Readonly<Record<Name, number>>,
  ): { handle: tf.TensorInfo; arrays: Record<Name, Float32Array> } {
    const arrays = { ...this.#entries.get(owner)?.arrays } as Record<Name, Float32Array>;
    for (const name of Object.keys(sizes) as Name[]) {
      const there = arrays[name] as Float32Array | undefined;
      if (there === undefined || there.length < sizes[name]) arrays[name] = new Float32Array(sizes[name]);
    }
    const handle = memory.makeTensorInfo([0], 'float32', new Float32Array(0));
    this.#entries.set(owner, { arrays, pass: handle.dataId });
    return { handle, arrays };
  }

  /**
   * What a pass has left; the way back may write over it, so there is one.
   * @throws Error where another forward pass with the same weight has come between
   */
  take(owner: object, handle: tf.TensorInfo): Record<Name, Float32Array> {
    const entry = this.#entries.get(owner);
    if (entry?.pass !== handle.dataId) {
      throw new Error('a weight was used twice before its gradient was computed, or its gradient computed twice');
    }
    entry.pass = undefined;
    return entry.arrays;
  }
}
