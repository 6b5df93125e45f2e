import { createRequire } from 'node:module';
import { messageOf } from '../../../shared/errors.js';

/**
 * Dawn, Chromium's implementation of WebGPU, as the npm package `webgpu` brings it to Node. It makes array buffers over memory
 * that is not V8's, which Electron forbids: an engine on it needs a plain Node process.
 */

/** Kept for as long as the process lives: Dawn's instance goes with it. */
let gpu: Promise<GPU> | undefined;

/**
 * @throws Error where the package has no binary for this machine, or that does not load
 */
export function openGpu(): Promise<GPU> {
  gpu ??= load();
  return gpu;
}

/** Whether Linux has the loader of Vulkan drivers: Dawn would complain on standard error. */
export function hasVulkan(): boolean {
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
  } catch (error) {
    return messageOf(error).includes('self-register'); // it is there, and no addon of Node's
  }
  return true;
}

export function dawnVersion(): string {
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return version;
}

async function load(): Promise<GPU> {
  followTicks();
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals); // tfjs's backend asks for GPUBufferUsage and the like
    const made = create([]);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: made }, configurable: true });
    return made;
  } catch (error) {
    throw new Error(`Dawn does not load (${messageOf(error).split('\n')[0]})`, { cause: error });
  }
}

/** What lets Dawn's promises resolve, once; it asks for that by setImmediate for as long as any of them waits. */
let tick: (() => void) | undefined;

/**
 * Dawn's binding offers no way of waiting. It processes its events in a callback that it hands to setImmediate, the one function without
 * JavaScript that is ever given there: it goes on being called from there, and `waitFor` calls it from where it waits.
 */
function followTicks(): void {
  const ours = globalThis.setImmediate;
  const followed = <Arguments extends unknown[]>(callback: (...args: Arguments) => void, ...args: Arguments) => {
    if (args.length > 0 || !Function.prototype.toString.call(callback).includes('[native code]'))
      return ours(callback, ...args);
    tick = () => {
      callback(...args);
    };
    return ours(processEvents);
  };
  globalThis.setImmediate = Object.assign(followed, ours);
}

function processEvents(): boolean {
  const due = tick;
  if (due === undefined) return false;
  tick = undefined;
  due();
  return true;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits, with all else standing still, until the device has done something.
 * @param done whether it has
 * @returns false where Dawn waits for nothing any more
 */
export function waitFor(done: () => boolean): boolean {
  for (let turn = 0; !done(); turn++) {
    if (!processEvents()) return done();
    if (turn > 200) Atomics.wait(pause, 0, 0, 0.2); // milliseconds: long work need not cost a core
  }
  return true;
}
