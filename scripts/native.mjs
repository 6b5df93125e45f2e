// Builds the addon of the native engine (native/) where the tools for it are there. Sparrow runs without it, only slower, so
// nothing here may stop set-up: what went wrong is said in one line and kept where the engine finds it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { projectFolder } from './runtime.mjs';

const nativeFolder = join(projectFolder, 'native');
const buildFolder = join(nativeFolder, 'build');
const addon = join(buildFolder, 'Release', 'sparrow.node');
const stamp = join(buildFolder, '.sparrow-build');
const log = 'native/build/build.log';
/** Why there is no addon, in a few words: src/worker/engines/native/addon.ts reads it. */
const reasonFile = join(buildFolder, 'not-built.txt');
/** Node's headers may have to be fetched, over a network that never answers. */
const patienceMs = 5 * 60 * 1000;

/** Whether there is nothing to do: it is built, or what failed would fail again. */
export function nativeIsCurrent() {
  if (process.env['SPARROW_NATIVE'] === 'off') return true;
  const found = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (found === builtStamp()) return existsSync(addon);
  return found.startsWith('failed') && found === failedStamp();
}

/** Builds the addon with the headers of the Node at `node`, and says so.
 * @param {string} node
 * @param {(text: string) => void} say */
export function buildNative(node, say) {
  mkdirSync(buildFolder, { recursive: true });
  const missing = missingTools();
  let reason;
  let remedy = '';
  if (process.platform === 'win32') {
    reason = "Microsoft's compiler does not have the vector types that it is written with";
  } else if (missing.length > 0) {
    reason = `no ${missing.join(', no ')} was found`;
    remedy = '; install g++, make and python3 and start again';
  } else {
    say('building the native engine');
    reason = runNodeGyp(node);
    remedy = '; delete native/build to try again';
  }
  if (reason === '') {
    rmSync(reasonFile, { force: true });
    writeFileSync(stamp, builtStamp());
  } else {
    rmSync(addon, { force: true }); // one that was built from other sources must not be taken for this one
    writeFileSync(reasonFile, `${reason}\n`);
    writeFileSync(stamp, failedStamp());
    say(`the native engine is not built (${reason}): the slower wasm engine will be used${remedy}`);
  }
}

/** Returns why it did not work, or an empty string.
 * @param {string} node */
function runNodeGyp(node) {
  // Told as relative to native/, since make stumbles over a blank in the path of the project.
  const prefix = dirname(dirname(node));
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  const script = join(projectFolder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const args = [
    'configure',
    'build',
    '--jobs=max',
    ...(hasHeaders ? [`--nodedir=${relative(nativeFolder, prefix)}`] : []),
  ];
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, CXX: process.env['CXX'] ?? find('g++', 'clang++', 'c++') };
  // node-gyp would prefer what npm passes on of its user's configuration to what it is told here.
  if (hasHeaders) delete env['npm_config_nodedir'];
  for (const name of ['npm_config_target', 'npm_config_arch', 'npm_config_debug']) delete env[name];
  const output = openSync(join(projectFolder, log), 'w');
  try {
    const { status, signal, error } = spawnSync(node, [script, ...args], {
      cwd: nativeFolder,
      stdio: ['ignore', output, output],
      timeout: patienceMs,
      killSignal: 'SIGKILL',
      env,
    });
    if (status === 0 && existsSync(addon)) return '';
    if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT') {
      return `its build took more than ${patienceMs / 60_000} minutes, see ${log}`;
    }
    return `its build ended with ${error?.message ?? signal ?? `status ${status}`}, see ${log}`;
  } finally {
    closeSync(output);
  }
}

/** What an addon is made from. The compiler is no part of it: one that is built stays good when the compiler goes. */
function builtStamp() {
  return `built ${sources().digest('hex')}\n`;
}

/** What a failure comes from: the tools, too, so that it is tried again when they have changed. */
function failedStamp() {
  const hash = sources();
  for (const tool of [compiler(), find('make'), find('python3')]) hash.update(`${tool && realpathSync(tool)}\n`);
  return `failed ${hash.digest('hex')}\n`;
}

function sources() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const name of ['node-gyp', 'node-addon-api']) {
    hash.update(readFileSync(join(projectFolder, 'node_modules', name, 'package.json')));
  }
  const visit = (/** @type {string} */ path) => {
    if ([buildFolder, join(nativeFolder, 'test'), join(nativeFolder, 'bench')].includes(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) visit(join(path, name));
    } else {
      hash.update(`${path.slice(nativeFolder.length)}\n`).update(readFileSync(path));
    }
  };
  visit(nativeFolder);
  return hash;
}

function missingTools() {
  const tools = { 'C++ compiler': compiler(), make: find('make'), python3: find('python3') };
  return Object.entries(tools).flatMap(([name, path]) => (path === undefined ? [name] : []));
}

/** Path of the C++ compiler: that of the environment variable CXX (which may hold more than a name), or a usual one. */
export function compiler() {
  const chosen = process.env['CXX']?.trim().split(/\s+/)[0];
  return chosen ? find(chosen) : find('g++', 'clang++', 'c++');
}

/** Path of the first of some programs that is in the search path.
 * @param {string[]} names
 * @returns {string | undefined} */
function find(...names) {
  // Without its developer tools macOS has stand-ins in /usr/bin, which open a window that offers to install them.
  const standIns =
    process.platform === 'darwin' &&
    !existsSync('/Library/Developer/CommandLineTools') &&
    !existsSync('/Applications/Xcode.app');
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !(standIns && folder === '/usr/bin'));
  for (const name of names) {
    if (name.includes('/')) return existsSync(name) ? name : undefined;
    const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
    if (path !== undefined) return path;
  }
  return undefined;
}
