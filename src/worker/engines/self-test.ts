import { messageOf } from '../../shared/errors.js';
import type { EngineReport } from '../../shared/run-events.js';
import * as tf from '../tf.js';
import { startEngine } from './engine.js';

/** Starts each engine and has it compute a product that is known. */
export async function tryEngines(): Promise<EngineReport[]> {
  return [await tryEngine('native'), await tryEngine('wasm')];
}

async function tryEngine(engine: 'native' | 'wasm'): Promise<EngineReport> {
  try {
    const { name, version, features, threads } = await startEngine({ engine, threads: 0 });
    const product = tf.tidy(() => tf.matMul(tf.ones([3, 5]), tf.fill([5, 2], 2)).dataSync());
    if (!product.every((element) => element === 10)) throw new Error('it computes wrong products');
    return {
      name,
      works: true,
      detail: [version, ...features, `${threads} thread${threads === 1 ? '' : 's'}`].join(', '),
    };
  } catch (error) {
    return { name: engine, works: false, detail: messageOf(error) };
  }
}
