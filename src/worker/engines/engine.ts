import { engines, preference, type Device, type EngineName } from '../../shared/engines.js';
import { messageOf, UserError } from '../../shared/errors.js';
import type { RunConfig } from '../../shared/run-config.js';
import type { Layout } from '../sparsity/parameter.js';
import { nativeRow } from './native/start.js';
import { checkEngine } from './check.js';
import { tensorflowRow } from './tensorflow/start.js';
import { wasmRow } from './wasm.js';
import { webGpuRow } from './webgpu/start.js';

/** What computes. */
export interface Engine {
  readonly name: EngineName;
  /** Of its libraries. */
  readonly version: string;
  readonly device: Device;
  readonly threads: number;
  /** What it makes use of, such as vector instructions. */
  readonly features: readonly string[];
  /** The layout of sparse weights that is faster on it where a share `density` of them is active. */
  preferredLayout(density: number): Layout;
  /** Undefined where a tensor has its numbers when the kernel that makes it returns. */
  readonly apart?: Apart;
}

/** A device that computes on its own, behind this process, which should not wait for it: nothing is read inside a step. */
interface Apart {
  /**
   * Hands over the work of a window; resolves when the device is at most a window behind.
   * @throws DeviceLost
   */
  keepUp(): Promise<void>;
  /** Resolves when it has done everything. @throws DeviceLost */
  caughtUp(): Promise<void>;
}

/** One engine of the table: whether it is there, what it computes on, and how it starts. */
export interface EngineRow {
  /** Why it cannot be used in this process, and what to do about it; undefined where it can. */
  whyNot(): string | undefined | Promise<string | undefined>;
  /** What it can compute on here, best first. Asked only where it can be used. */
  devices(): Device[] | Promise<Device[]>;
  /**
   * Starts it and makes its backend the one that tensors live on.
   * @param threads most threads; 0 for one per core
   */
  start(device: Device, threads: number): Promise<Engine>;
}

/** How each engine starts; `shared/engines.ts` has what every process knows of it. */
const rows: Readonly<Record<EngineName, EngineRow>> = {
  native: nativeRow,
  tensorflow: tensorflowRow,
  webgpu: webGpuRow,
  wasm: wasmRow,
};

/** Which engine on which device, and how many threads at most (0 for one per core). */
export type EngineChoice = Pick<RunConfig['device'], 'engine' | 'threads'> & Partial<Pick<RunConfig['device'], 'id'>>;

/**
 * Starts an engine, has it compute something that is known, and makes it the one that tensors live on. One process has one
 * engine.
 * @throws UserError where what is asked for does not work on this machine
 */
export function startEngine({ engine, id = 'auto', threads }: EngineChoice): Promise<Engine> {
  return engine === 'auto' ? startBest(id, threads) : startNamed(engine, id, threads);
}

/** What an engine can compute on. @throws UserError where it is not there */
export async function devicesOf(engine: EngineName): Promise<Device[]> {
  const reason = await rows[engine].whyNot();
  if (reason === undefined) return rows[engine].devices();
  const instead = engine === 'wasm' ? 'Use "auto"' : 'Use "wasm", or "auto"';
  throw new UserError(`device.engine: the ${engine} engine is not there: ${reason}. ${instead}`);
}

async function startNamed(engine: EngineName, id: string, threads: number): Promise<Engine> {
  const devices = await devicesOf(engine);
  const device = id === 'auto' ? devices.at(0) : devices.find((one) => one.id === id);
  if (device === undefined) {
    const has = devices.length === 0 ? 'it has none here' : `it has ${devices.map((one) => one.id).join(', ')}`;
    throw new UserError(`device.id: ${JSON.stringify(id)} is no device of the ${engine} engine: ${has}`);
  }
  try {
    return await startOn(engine, device, threads);
  } catch (error) {
    const where = `${device.id} (${device.name})`;
    throw new UserError(
      `device.engine: the ${engine} engine does not work on ${where}: ${messageOf(error)}. Use "auto", or see "sparrow doctor"`,
    );
  }
}

/** The first that works of what `auto` prefers; with an id, among the devices of that name. */
async function startBest(id: string, threads: number): Promise<Engine> {
  const problems: string[] = [];
  for (const [engine, kind] of preference) {
    const row = rows[engine];
    if ((await row.whyNot()) !== undefined) continue;
    for (const device of await row.devices()) {
      if (device.kind !== kind || (id !== 'auto' && device.id !== id)) continue;
      try {
        return await startOn(engine, device, threads);
      } catch (error) {
        problems.push(`${engine} on ${device.id}: ${messageOf(error)}`);
      }
    }
  }
  const found = problems.length === 0 ? 'there is none here' : problems.join('; ');
  throw new UserError(
    `device.id: no engine works on ${id === 'auto' ? 'any device' : id} (${found}): see "sparrow doctor"`,
  );
}

async function startOn(engine: EngineName, device: Device, threads: number): Promise<Engine> {
  const started = await rows[engine].start(device, threads);
  checkEngine();
  return started;
}

/** The layout that is used where one is asked for: that, or the one there is. */
export function layoutOn(engine: Engine, asked: Layout): Layout {
  const { layouts } = engines[engine.name];
  return (layouts as readonly Layout[]).includes(asked) ? asked : layouts[0];
}
