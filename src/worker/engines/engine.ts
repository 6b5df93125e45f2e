import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { messageOf, UserError } from '../../shared/errors.js';
import type { Layout } from '../sparsity/parameter.js';
import { installComposedOps } from '../ops/op.js';
import * as tf from '../tf.js';
import { replaceWasmSlice } from './wasm-slice.js';

/** What computes. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
  /** What it makes use of, such as vector instructions. */
  readonly features: readonly string[];
  /** The layout of sparse weights that is faster on it. */
  readonly preferredLayout: Layout;
}

/**
 * Starts an engine and makes it the one that tensors live on. One process has one engine.
 * @throws UserError where the engine does not work on this machine
 */
export async function startEngine(wanted: 'auto' | 'wasm'): Promise<Engine> {
  tf.enableProdMode(); // no advice on the console
  const name = wanted === 'auto' ? 'wasm' : wanted;
  const require = createRequire(import.meta.url);
  setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
  try {
    if (!(await tf.setBackend('wasm'))) throw new Error('the backend did not start');
  } catch (error) {
    throw new UserError(`engine ${name} does not work here (${messageOf(error)}): run "sparrow doctor"`);
  }
  replaceWasmSlice();
  installComposedOps('wasm');
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  return {
    name,
    version: `tfjs ${version_wasm}`,
    threads: 1, // its threads need a browser (tfjs issue 3830)
    features: simd === true ? ['simd'] : [],
    // Its products are dense whatever the layout; masked spares it the way from packed to dense and back.
    preferredLayout: 'masked',
  };
}
