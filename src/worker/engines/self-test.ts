import { messageOf } from '../../shared/errors.js';
import type { EngineReport } from '../../shared/run-events.js';
import * as tf from '../tf.js';
import { startEngine } from './engine.js';

/** Starts each engine and has it compute a product that is known. */
export async function tryEngines(): Promise<EngineReport[]> {
  const name = 'wasm';
  try {
    const { version, features } = await startEngine(name);
    const product = tf.tidy(() => tf.matMul(tf.ones([3, 5]), tf.fill([5, 2], 2)).dataSync());
    if (!product.every((element) => element === 10)) throw new Error('it computes wrong products');
    return [{ name, works: true, detail: [version, ...features].join(', ') }];
  } catch (error) {
    return [{ name, works: false, detail: messageOf(error) }];
  }
}
