import '@tensorflow/tfjs-backend-cpu';
import * as tf from '../../../src/worker/tf.js';

/** Puts tensors on the backend that is plain JavaScript: slow, and simple enough to be believed. */
export async function startCpu(): Promise<void> {
  tf.enableProdMode(); // no advice on the console
  await tf.setBackend('cpu');
}
