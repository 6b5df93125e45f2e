import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '../../../src/worker/tf.js';

let collectGarbage: (() => void) | undefined;

interface Memory {
  readonly tensors: number;
  /** What JavaScript holds: objects, and the memory of every typed array, tensor or not. */
  readonly heldBytes: number;
  /** Of the whole process: what C++ has allocated, too. */
  readonly residentBytes: number;
}

/** What is in use once all that nobody refers to has been freed. */
export async function memoryInUse(): Promise<Memory> {
  if (collectGarbage === undefined) {
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as () => void;
  }
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10)); // memory of arrays is freed by other threads
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { tensors: tf.memory().numTensors, heldBytes: heapUsed + arrayBuffers, residentBytes: rss };
}
