import { z } from 'zod';

/** What can compute a run, and on what: the part of it that every process knows. How each is started is `worker/engines/`. */

/** Where an engine's trainer may live. `node`: its library loads into plain Node alone, and not into Electron's processes. */
export type Host = 'any' | 'node';

interface EngineFacts {
  /** One sentence for lists of engines. */
  readonly sentence: string;
  readonly host: Host;
  /** Layouts of sparse weights that it trains in, the first of which stands for one that it has not. */
  readonly layouts: readonly ('packed' | 'masked')[];
}

/** Every engine: a row here, and one in `worker/engines/engine.ts` that says how it starts. */
export const engines = {
  native: {
    sentence: 'Kernels in C++ for packed sparse weights, with the widest vectors that the processor has.',
    host: 'any',
    layouts: ['packed', 'masked'],
  },
  tensorflow: {
    sentence: 'TensorFlow, on NVIDIA GPUs with CUDA or on the processor: dense products under masks.',
    host: 'node',
    layouts: ['masked'],
  },
  webgpu: {
    sentence: 'Kernels for GPUs of any maker, through WebGPU: packed sparse weights, without CUDA.',
    host: 'node',
    layouts: ['packed', 'masked'],
  },
  wasm: {
    sentence: 'TensorFlow.js on WebAssembly: works everywhere, on one thread.',
    host: 'any',
    layouts: ['masked', 'packed'],
  },
} as const satisfies Record<string, EngineFacts>;

export type EngineName = keyof typeof engines;
export const engineNames = Object.keys(engines) as EngineName[];

/** Software is a GPU that the processor imitates; integrated is one that shares the processor's memory. */
const deviceKind = z.enum(['gpu', 'integrated', 'cpu', 'software']);
export type DeviceKind = z.output<typeof deviceKind>;

/** Something that an engine can compute on. */
export const deviceSchema = z.object({
  /** What configurations call it: cpu, cuda:0, gpu:0. */
  id: z.string(),
  kind: deviceKind,
  /** As its maker calls it; of a processor with the width of its vectors, where that is known. */
  name: z.string(),
  /** Bytes; null where it does not say. */
  memory: z.number().nullable(),
  /** Name and version; null where there is none. */
  driver: z.string().nullable(),
});
export type Device = z.output<typeof deviceSchema>;

/** What a configuration may name: `auto`, or a device's id. */
export const deviceIdPattern = /^(auto|cpu|(cuda|gpu):\d{1,3})$/;

/**
 * What `auto` tries, best first: fast GPUs, then processors. A GPU that is imitated, and a library for GPUs on a processor, are
 * for tests and for those who ask for them.
 */
export const preference: readonly (readonly [EngineName, DeviceKind])[] = [
  ['tensorflow', 'gpu'],
  ['webgpu', 'gpu'],
  ['native', 'cpu'],
  ['wasm', 'cpu'],
];
