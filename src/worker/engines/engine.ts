import type { RunConfig } from '../../shared/run-config.js';
import { UserError } from '../../shared/errors.js';
import type { Layout } from '../sparsity/parameter.js';
import { whyNoNative, startNative } from './native/start.js';
import { startWasm } from './wasm.js';

/** What computes. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
  /** What it makes use of, such as vector instructions. */
  readonly features: readonly string[];
  /** The layout of sparse weights that is faster on it where a share `density` of them is active. */
  preferredLayout(density: number): Layout;
}

/** Which engine, and how many threads at most (0 for one per core). */
export type EngineChoice = Pick<RunConfig['device'], 'engine' | 'threads'>;

/**
 * Starts an engine and makes it the one that tensors live on. One process has one engine.
 * @throws UserError where the engine that is asked for does not work on this machine
 */
export async function startEngine({ engine, threads }: EngineChoice): Promise<Engine> {
  switch (engine) {
    case 'auto':
      return whyNoNative() === undefined ? startNative(threads) : startWasm();
    case 'wasm':
      return startWasm();
    case 'native': {
      const reason = whyNoNative();
      if (reason === undefined) return startNative(threads);
      throw new UserError(`device.engine: the native engine is not there: ${reason}. Use "wasm", or "auto"`);
    }
  }
}
