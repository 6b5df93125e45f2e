import { version_core } from '@tensorflow/tfjs-core';
import { installComposedOps } from '../../ops/op.js';
import * as tf from '../../tf.js';
import type { Engine } from '../engine.js';
import { GpuBackend } from './backend.js';
import { openGpu } from './dawn.js';
import { registerWebGpu, webGpuBackend } from './webgpu.js';

/** What kernels and large matrices want as much of as there is. */
const limits = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
] as const;

/**
 * Starts the webgpu engine: WGSL kernels and tfjs's own on the fastest GPU that Dawn finds.
 * @throws Error where there is none
 */
export async function startWebGpu(): Promise<Engine> {
  const gpu = await openGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new Error('Dawn finds no GPU here: it needs a driver for Vulkan, Metal or Direct3D 12');
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
  });
  tf.enableProdMode(); // no advice on the console
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', Number.MAX_SAFE_INTEGER); // work is handed over by `submit`
  if (tf.findBackendFactory(webGpuBackend) !== null) tf.removeBackend(webGpuBackend); // of a device that was lost
  const backend = new GpuBackend(device, adapter.info);
  tf.registerBackend(webGpuBackend, () => backend);
  await tf.setBackend(webGpuBackend);
  registerWebGpu(backend);
  installComposedOps(webGpuBackend);
  const { vendor, architecture, description } = adapter.info;
  return {
    name: 'webgpu',
    version: `tfjs ${version_core}`,
    threads: 1,
    features: [description === '' ? `${vendor} ${architecture}`.trim() : description],
    preferredLayout: () => 'packed',
  };
}
