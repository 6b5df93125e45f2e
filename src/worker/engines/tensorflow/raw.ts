import type { TensorInfo } from '@tensorflow/tfjs-core';
import type * as tf from '../../tf.js';
import type { TensorflowBackend } from './library.js';

/** Types of TensorFlow (tensorflow/core/framework/types.proto); tfjs knows only some of them. */
export const types = { float: 1, int32: 3, int64: 9, bool: 10, uint32: 22, uint64: 23 } as const;

type Attributes = Readonly<Record<string, { readonly type: number } | boolean | number>>;

/**
 * Runs TensorFlow's own operations one after the other, whose results are tensors of TensorFlow that tfjs need not know. All of
 * them are gone at the end, but for what became a tensor of tfjs.
 */
export function rawly<Result>(backend: TensorflowBackend, work: (raw: Raw) => Result): Result {
  const raw = new Raw(backend);
  try {
    return work(raw);
  } finally {
    raw.dispose();
  }
}

export class Raw {
  readonly #backend: TensorflowBackend;
  #made: number[] = [];

  constructor(backend: TensorflowBackend) {
    this.#backend = backend;
  }

  /** A constant; of int64 the halves of each number, the low one first. */
  constant(shape: readonly number[], type: 'int32' | 'int64', values: Iterable<number>): number {
    return this.#kept(this.#backend.binding.createTensor(shape, types[type], Int32Array.from(values)));
  }

  /** One operation with one result. */
  run(operation: string, inputs: readonly number[], attributes: Attributes): number {
    const [{ id }] = this.#execute(operation, inputs, attributes);
    return this.#kept(id);
  }

  /** The same, of which tfjs takes the result. */
  tensor(operation: string, inputs: readonly number[], attributes: Attributes): tf.Tensor {
    return this.tensors(operation, inputs, attributes, 1)[0];
  }

  /** An operation with several results. */
  tensors(operation: string, inputs: readonly number[], attributes: Attributes, count: number): tf.Tensor[] {
    return this.#execute(operation, inputs, attributes, count).map((made) => this.#backend.createOutputTensor(made));
  }

  /** What tfjs has. */
  of(...tensors: readonly TensorInfo[]): number[] {
    return this.#backend.getInputTensorIds(tensors);
  }

  dispose(): void {
    for (const id of this.#made) this.#backend.binding.deleteTensor(id);
    this.#made = [];
  }

  #kept(id: number): number {
    this.#made.push(id);
    return id;
  }

  #execute(operation: string, inputs: readonly number[], attributes: Attributes, count = 1) {
    const { binding } = this.#backend;
    const list = Object.entries(attributes).map(([name, value]) => {
      if (typeof value === 'boolean') return { name, type: binding.TF_ATTR_BOOL, value };
      if (typeof value === 'number') return { name, type: binding.TF_ATTR_INT, value };
      return { name, type: binding.TF_ATTR_TYPE, value: value.type };
    });
    return binding.executeOp(operation, list, inputs, count);
  }
}
