import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { installComposedOps } from '../ops/op.js';
import * as tf from '../tf.js';
import type { Engine, EngineRow } from './engine.js';
import { processor } from './processor.js';
import { replaceWasmSlice } from './wasm-slice.js';

/** Of the table of engines: the one of every machine. */
export const wasmRow: EngineRow = {
  whyNot: () => undefined,
  devices: () => [processor()],
  start: startWasm,
};

/** Composed ops on tfjs's WebAssembly backend, one thread. */
async function startWasm(): Promise<Engine> {
  tf.enableProdMode(); // no advice on the console
  const require = createRequire(import.meta.url);
  setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
  if (!(await tf.setBackend('wasm'))) throw new Error('the backend did not start');
  replaceWasmSlice();
  installComposedOps('wasm');
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  return {
    name: 'wasm',
    version: `tfjs ${version_wasm}`,
    device: processor(),
    threads: 1, // its threads need a browser (tfjs issue 3830)
    features: simd === true ? ['simd'] : [],
    // Its products are dense whatever the layout; masked spares it the way from packed to dense and back.
    preferredLayout: () => 'masked',
  };
}
