import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '../tf.js';

/** What of the backend reaches its memory. */
type Heap = Pick<BackendWasm, 'makeOutput' | 'typedArrayFromHeap'>;

/**
 * tfjs's slice on the wasm backend first copies the whole tensor out of the heap, whatever part is wanted: a loop over time
 * steps then costs the square of their number. This one reads in place what a matrix's slice needs.
 */
export function replaceWasmSlice(): void {
  const theirs = tf.getKernel(tf.Slice, 'wasm');
  tf.unregisterKernel(tf.Slice, 'wasm');
  tf.registerKernel({
    ...theirs,
    kernelFunc: (call) => {
      const { begin, size } = call.attrs as unknown as tf.SliceAttrs;
      const { x } = call.inputs;
      if (x === undefined || Array.isArray(x) || x.shape.length !== 2 || x.dtype !== 'float32')
        return theirs.kernelFunc(call);
      const [[firstRow, firstColumn], [rows, columns]] = tf.slice_util.parseSliceParams(x, begin, size);
      const backend = call.backend as Heap;
      // The heap may move when it grows, so the source is looked up after the target has been made.
      const target = backend.makeOutput([rows, columns], 'float32');
      const to = backend.typedArrayFromHeap(target) as Float32Array;
      const from = backend.typedArrayFromHeap(x) as Float32Array;
      const width = x.shape[1];
      if (columns === width) {
        to.set(from.subarray(firstRow * width, (firstRow + rows) * width));
        return target;
      }
      for (let row = 0; row < rows; row++) {
        const start = (firstRow + row) * width + firstColumn;
        to.set(from.subarray(start, start + columns), row * columns);
      }
      return target;
    },
  });
}
