import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { version_core } from '@tensorflow/tfjs-core';
import type { Device } from '../../../shared/engines.js';
import { installComposedOps } from '../../ops/op.js';
import * as tf from '../../tf.js';
import type { Engine, EngineRow } from '../engine.js';
import { processor } from '../processor.js';
import { loadAddon, type Width } from './addon.js';
import { nativeBackend, registerNative } from './native.js';

/** Density above which dense products are faster than sparse ones: measured, and fixed, since it decides how sums go. */
const packedUpTo = 0.7;

/** What an engine takes: native/src/engine_object.cpp. */
const mostThreads = 1024;

/** Of the table of engines. */
export const nativeRow: EngineRow = {
  whyNot: whyNoNative,
  devices: () => [device()],
  start: (_device, threads) => startNative(threads),
};

/** The processor, with the widest of its vectors for which there are kernels. */
function device(): Device {
  const loaded = loadAddon();
  return processor(loaded.addon?.widths().at(-1));
}

/** Why the native engine cannot be used here; undefined where it can. */
export function whyNoNative(): string | undefined {
  const loaded = loadAddon();
  return loaded.addon === undefined ? loaded.reason : undefined;
}

/**
 * Starts the native engine: kernels in C++ (native/), packed sparse weights, the widest vectors that the processor has.
 * @param limit most threads; 0 for one per physical core
 * @param asked other vectors than the widest
 */
export async function startNative(limit: number, asked?: Width): Promise<Engine> {
  const loaded = loadAddon();
  if (loaded.addon === undefined) throw new Error(loaded.reason);
  const { addon } = loaded;
  const width = asked ?? addon.widths().at(-1)!;
  const threads = limit === 0 ? physicalCores() : limit;
  tf.enableProdMode(); // no advice on the console
  registerNative(new addon.Engine(threads, width));
  await tf.setBackend(nativeBackend);
  installComposedOps(nativeBackend);
  return {
    ...{ name: 'native', version: `tfjs ${version_core}`, device: device(), threads, features: [width] },
    preferredLayout: (density) => (density <= packedUpTo ? 'packed' : 'masked'),
  };
}

/** Cores that may be used: two threads on the halves of one would only share its vector units. Only Linux tells halves from cores. */
function physicalCores(): number {
  const processors = '/sys/devices/system/cpu';
  let usable = availableParallelism();
  try {
    const cores = readdirSync(processors)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => readFileSync(`${processors}/${name}/topology/thread_siblings_list`, 'utf8'));
    if (cores.length > 0) usable = Math.min(usable, new Set(cores).size);
  } catch {
    // It is not there: every processor counts.
  }
  return Math.min(usable, mostThreads);
}
