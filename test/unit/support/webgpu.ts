import { beforeEach } from 'vitest';
import type { Engine } from '../../../src/worker/engines/engine.js';
import { startEngine } from '../../../src/worker/engines/engine.js';
import type { GpuBackend } from '../../../src/worker/engines/webgpu/backend.js';
import * as tf from '../../../src/worker/tf.js';
import { whyNoSwiftShader } from '../../support/swiftshader.mjs';

/** Skips the tests of a file, and says why, where there is neither a GPU nor one in software. */
export function skipWithoutGpu(): void {
  beforeEach((context) => {
    if (whyNoSwiftShader !== undefined) context.skip(`there is no SwiftShader: ${whyNoSwiftShader}`);
  });
}

/** Makes the webgpu engine the one that tensors live on. */
export async function useWebGpu(): Promise<{ engine: Engine; gpu: GpuBackend }> {
  const engine = await startEngine({ engine: 'webgpu', threads: 0 });
  return { engine, gpu: tf.backend() as unknown as GpuBackend };
}
