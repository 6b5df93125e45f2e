import { version_core } from '@tensorflow/tfjs-core';
import { messageOf } from '../../../shared/errors.js';
import type { Device } from '../../../shared/engines.js';
import { installComposedOps } from '../../ops/op.js';
import * as tf from '../../tf.js';
import type { Engine, EngineRow } from '../engine.js';
import { GpuBackend } from './backend.js';
import { dawnVersion, hasVulkan, openGpu } from './dawn.js';
import { registerWebGpu, webGpuBackend } from './webgpu.js';

/** Of the table of engines: WGSL kernels, and tfjs's own, on any GPU that Dawn finds. */
export const webGpuRow: EngineRow = { whyNot, devices, start };

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

/** Makers whose GPUs all share the processor's memory. */
const integrated = ['apple', 'arm', 'intel', 'qualcomm', 'img-tec'];

async function whyNot(): Promise<string | undefined> {
  if ('electron' in process.versions)
    return 'Dawn needs a plain Node process, and this one is Electron\'s: open the window by "npm start", which has one';
  if (process.platform === 'linux' && !hasVulkan())
    return 'there is no libvulkan.so.1: install it (Debian: libvulkan1) and the driver of the GPU';
  try {
    const found = await adapters();
    return found.length > 0
      ? undefined
      : 'Dawn finds no GPU here: install a driver for it with Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS)';
  } catch (error) {
    return messageOf(error);
  }
}

/** The GPUs that WebGPU tells of: the fast one, and the one that saves power where that is another. */
async function adapters(): Promise<GPUAdapter[]> {
  const gpu = await openGpu();
  const found: GPUAdapter[] = [];
  for (const powerPreference of ['high-performance', 'low-power'] as const) {
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (adapter !== null && found.every(({ info }) => nameOf(info) !== nameOf(adapter.info))) found.push(adapter);
  }
  return found;
}

function nameOf({ vendor, architecture, device }: GPUAdapterInfo): string {
  return device === '' ? `${vendor} ${architecture}`.trim() : device;
}

async function devices(): Promise<Device[]> {
  return (await adapters()).map(describe);
}

function describe({ info }: GPUAdapter, index: number): Device {
  const shared = integrated.includes(info.vendor) ? 'integrated' : 'gpu';
  return {
    id: `gpu:${index}`,
    kind: info.isFallbackAdapter ? 'software' : shared,
    name: nameOf(info),
    memory: null, // WebGPU does not tell
    driver: info.description === '' ? null : info.description,
  };
}

async function start({ id }: Device): Promise<Engine> {
  const found = await adapters(); // one gives a device once
  const index = Number(id.replace('gpu:', ''));
  const adapter = found.at(index);
  if (adapter === undefined) throw new Error('it is not there any more');
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
  });
  tf.enableProdMode(); // no advice on the console
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', Number.MAX_SAFE_INTEGER); // work is handed over by `submit`
  const before: unknown = tf.findBackendFactory(webGpuBackend);
  if (before !== null) tf.removeBackend(webGpuBackend); // its device may be lost
  const backend = new GpuBackend(device, adapter.info);
  tf.registerBackend(webGpuBackend, () => backend);
  await tf.setBackend(webGpuBackend);
  registerWebGpu(backend);
  installComposedOps(webGpuBackend);
  return {
    name: 'webgpu',
    version: `tfjs ${version_core}, Dawn ${dawnVersion()}`,
    device: describe(adapter, index),
    threads: 1,
    features: [adapter.info.vendor, adapter.info.architecture].filter((feature) => feature !== ''),
    preferredLayout: () => 'packed',
    apart: { keepUp: () => backend.keepUp(1), caughtUp: () => backend.keepUp(0) },
  };
}
