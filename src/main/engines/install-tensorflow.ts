import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../shared/errors.js';
import type { EngineReport } from '../../shared/run-events.js';
import {
  enginesFolder,
  installedTensorflow,
  tensorflowFiles,
  type InstalledTensorflow,
} from '../../system/installed-engines.js';
import { ProcessLock } from '../../system/process-lock.js';
import { fetchWheel, type FetchWheelOptions, type WheelSources } from './fetch-wheel.js';
import { unpack } from './unpack.js';
import type { Wheel } from './wheels.js';

/** What an installation does with the machine; tests do it otherwise. */
export interface Installer {
  readonly platform: string;
  readonly wheels: (platform: string, gpu: boolean) => readonly Wheel[] | undefined;
  readonly sources: WheelSources;
  readonly tools: {
    /** @throws UserError */
    check(): void;
    version(): string;
    build(folder: string, signal: AbortSignal): Promise<void>;
  };
  /** Tries the engine that is below a folder of engines. */
  readonly attempt: (engines: string) => Promise<EngineReport>;
}

export interface Installed {
  readonly record: InstalledTensorflow;
  readonly report: EngineReport;
}

const name = 'tensorflow';
const unfinished = '.installing-';

/** Folders of engines with something half-done in them, which nobody is at work on while the lock is held. */
function clear(folder: string): void {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(unfinished)) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}

/**
 * Takes TensorFlow's libraries from the wheels that are pinned, builds tfjs-node's binding for them, and tries it. The engine is there
 * when all of that is done, and nothing is if it is not.
 * @throws UserError where a step does not succeed
 */
export async function installTensorflow(
  gpu: boolean,
  installer: Installer,
  options: FetchWheelOptions,
): Promise<Installed> {
  const { say, signal } = options;
  const wheels = installer.wheels(installer.platform, gpu);
  if (wheels === undefined) {
    throw new UserError(
      `no TensorFlow is known to work on ${installer.platform}: it is installed on linux-x64 alone. Use "native", "webgpu" or "wasm"`,
    );
  }
  installer.tools.check();
  const tfjs = installer.tools.version();
  const engines = enginesFolder();
  mkdirSync(engines, { recursive: true, mode: 0o700 });
  const lock = new ProcessLock(join(engines, 'lock'), `the engines in ${engines}`);
  const beside = join(engines, `${unfinished}${process.pid}`);
  try {
    clear(engines);
    const folder = join(beside, name);
    mkdirSync(folder, { recursive: true });
    for (const wheel of wheels) {
      const path = await fetchWheel(wheel, beside, installer.sources, options);
      say(`${wheel.file}: its SHA-256 is the pinned one, unpacking`);
      await unpack(path, folder, isWanted, signal);
      rmSync(path);
    }
    say('building the binding');
    await installer.tools.build(folder, signal);
    rmSync(join(folder, 'tensorflow', 'include'), { recursive: true, force: true });
    const record: InstalledTensorflow = {
      version: wheels[0].version,
      ...{ gpu, tfjs, wheels: wheels.map(({ file, sha256 }) => ({ file, sha256 })) },
    };
    writeFileSync(join(folder, tensorflowFiles.record), `${JSON.stringify(record, undefined, 2)}\n`);
    say('trying it');
    const report = await installer.attempt(beside);
    signal.throwIfAborted();
    if (!report.works) throw new UserError(`TensorFlow was built and does not work here: ${report.detail}`);
    const place = join(engines, name);
    rmSync(place, { recursive: true, force: true });
    renameSync(folder, place);
    return { record, report };
  } finally {
    rmSync(beside, { recursive: true, force: true });
    lock.release();
  }
}

/** @returns whether there was something to remove */
export function removeTensorflow(): boolean {
  const engines = enginesFolder();
  if (!existsSync(engines)) return false;
  const lock = new ProcessLock(join(engines, 'lock'), `the engines in ${engines}`);
  try {
    clear(engines);
    const place = join(engines, name);
    const present = existsSync(place);
    rmSync(place, { recursive: true, force: true });
    return present;
  } finally {
    lock.release();
  }
}

/** What is installed, with where. */
export function presentTensorflow(): { record: InstalledTensorflow; folder: string } | undefined {
  const record = installedTensorflow();
  return record === undefined ? undefined : { record, folder: join(enginesFolder(), name) };
}

/** Libraries, the headers to build with, and every licence. */
function isWanted(file: string): boolean {
  return (
    /^tensorflow\/libtensorflow\w*\.so\.\d+$/.test(file) ||
    file.startsWith('tensorflow/include/') ||
    /^nvidia\/\w+\/lib\/[^/]+\.so[.\d]*$/.test(file) ||
    /\.dist-info\/.*(licen[cs]e|metadata|notice)/i.test(file)
  );
}
