import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { version_core } from '@tensorflow/tfjs-core';
import type { Device } from '../../../shared/engines.js';
import { installedTensorflow } from '../../../system/installed-engines.js';
import { installComposedOps } from '../../ops/op.js';
import * as tf from '../../tf.js';
import type { Engine, EngineRow } from '../engine.js';
import { processor } from '../processor.js';
import { registerTensorflowKernels } from './kernels.js';
import { backendName, loadTensorflow, whyNoTensorflow } from './library.js';

/** Of the table of engines: TensorFlow by its C API, on an NVIDIA GPU or a processor. */
export const tensorflowRow: EngineRow = { whyNot: whyNoTensorflow, devices, start };

/** How long the driver may take to say what is there. */
const patienceMs = 20_000;

async function devices(): Promise<Device[]> {
  return [...(installedTensorflow()?.gpu === true ? await cudaDevices() : []), processor()];
}

/** NVIDIA's GPUs, as the tool that comes with their driver lists them; none where there is no driver. */
async function cudaDevices(): Promise<Device[]> {
  const query = ['--query-gpu=index,name,memory.total,driver_version', '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: patienceMs, killSignal: 'SIGKILL' });
    return readDevices(stdout);
  } catch {
    return [];
  }
}

/** @param csv index, name, MiB of memory and version of the driver, a line for each GPU */
export function readDevices(csv: string): Device[] {
  const rows = csv.trim().split('\n');
  return rows.flatMap((row): Device[] => {
    const [index, name, memory, driver] = row.split(',').map((field) => field.trim());
    if (!/^\d+(, *[^,]+){3}$/.test(row.trim())) return [];
    const bytes = Number(memory) * 2 ** 20;
    return [
      {
        id: `cuda:${index}`,
        kind: 'gpu',
        name,
        memory: Number.isFinite(bytes) ? bytes : null,
        driver: `NVIDIA ${driver}`,
      },
    ];
  });
}

async function start(device: Device, limit: number): Promise<Engine> {
  const threads = limit === 0 ? availableParallelism() : limit;
  Object.assign(process.env, environment(device, threads)); // the library reads it when it is loaded
  const backend = loadTensorflow();
  const onGpu = device.id !== 'cpu';
  if (onGpu && !backend.isUsingGpuDevice) {
    throw new Error('TensorFlow does not take it: the driver is too old for CUDA 12, or a library of CUDA is missing');
  }
  const before: unknown = tf.findBackendFactory(backendName);
  if (before === null) tf.registerBackend(backendName, () => backend);
  await tf.setBackend(backendName);
  registerTensorflowKernels(backend);
  installComposedOps(backendName);
  return {
    name: 'tensorflow',
    version: `TensorFlow ${backend.binding.TF_Version}, tfjs ${version_core}`,
    device,
    threads,
    features: onGpu ? ['CUDA'] : [],
    preferredLayout: () => 'masked',
    apart: { keepUp: () => Promise.resolve(), caughtUp: () => Promise.resolve() },
  };
}

function environment(device: Device, threads: number): NodeJS.ProcessEnv {
  return {
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_CPP_MIN_LOG_LEVEL: process.env['TF_CPP_MIN_LOG_LEVEL'] ?? '2', // errors alone
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID', // as the driver's tool counts
    CUDA_VISIBLE_DEVICES: device.id === 'cpu' ? '-1' : device.id.replace('cuda:', ''),
    TF_DETERMINISTIC_OPS: '1', // the same run twice is the same run
    NVIDIA_TF32_OVERRIDE: '0', // products in float32, as everywhere else
    TF_FORCE_GPU_ALLOW_GROWTH: 'true', // it would take all memory of the GPU
  };
}
