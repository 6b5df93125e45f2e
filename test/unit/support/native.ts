import { beforeEach } from 'vitest';
import { loadAddon, type NativeEngine, type Width } from '../../../src/worker/engines/native/addon.js';
import { startNative } from '../../../src/worker/engines/native/start.js';

const loaded = loadAddon();

/** Vector widths that this machine runs; one in name alone where the addon is not built. */
export const widths: readonly Width[] = loaded.addon?.widths() ?? ['plain'];

/** Skips the tests of a file, and says why, where the addon is not built. */
export function skipWithoutNative(): void {
  beforeEach((context) => {
    if (loaded.addon === undefined) context.skip(`the native engine is not there: ${loaded.reason}`);
  });
}

/** Makes the native engine the one that tensors live on, with as many threads, the widest vectors unless told. */
export async function useNative(threads: number, width?: Width): Promise<void> {
  await startNative(threads, width);
}

/** The addon's own object, under no backend. */
export function nativeEngine(threads: number, width: Width): NativeEngine {
  return new loaded.addon!.Engine(threads, width);
}
