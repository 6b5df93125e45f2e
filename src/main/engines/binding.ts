import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { UserError } from '../../shared/errors.js';
import { tensorflowFiles } from '../../system/installed-engines.js';

const modules = createRequire(import.meta.url);
const packageName = '@tensorflow/tfjs-node-gpu';
const patienceMs = 30 * 60_000; // over a slow disk; the compiler itself takes some seconds

/** The version of the package whose binding is built. @throws UserError where it is not there */
export function bindingVersion(): string {
  try {
    return (modules(`${packageName}/package.json`) as { version: string }).version;
  } catch {
    throw new UserError(`the optional package ${packageName} is not there: run "npm install" without --omit=optional`);
  }
}

/** What compiles and links it, before anything is fetched. @throws UserError where something is missing */
export function checkTools(): void {
  const compilers = [process.env['CXX']?.trim().split(/\s+/)[0] ?? '', 'g++', 'clang++', 'c++'];
  const tools = { 'a C++ compiler': compilers, make: ['make'], python3: ['python3'] };
  const missing = Object.entries(tools).filter(([, names]) => !names.some(isProgram));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(' and ');
  throw new UserError(
    `TensorFlow's binding must be compiled, and ${names} ${missing.length === 1 ? 'is' : 'are'} not there: install g++, make and python3`,
  );
}

function isProgram(name: string): boolean {
  if (name === '') return false;
  if (name.includes('/')) return existsSync(name);
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));
}

/**
 * Compiles tfjs-node's binding against the TensorFlow in `folder`, which it finds by its place relative to its own.
 * @throws UserError with what the compiler said
 */
export async function buildBinding(folder: string, signal: AbortSignal): Promise<void> {
  const work = join(folder, 'build');
  mkdirSync(work);
  cpSync(join(dirname(modules.resolve(`${packageName}/package.json`)), 'binding'), join(work, 'binding'), {
    recursive: true,
  });
  writeFileSync(join(work, 'binding.gyp'), recipe(cudaLibraries(folder)));
  await compile(work, signal);
  const target = join(folder, tensorflowFiles.binding);
  mkdirSync(dirname(target));
  cpSync(join(work, 'build', 'Release', 'tfjs_binding.node'), target);
  rmSync(work, { recursive: true });
}

/** Libraries of CUDA below nvidia/, each with its folder: TensorFlow asks for them by name, and finds those that are loaded. */
function cudaLibraries(folder: string): { name: string; folder: string }[] {
  const nvidia = join(folder, 'nvidia');
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia).flatMap((part) => {
    const lib = join(nvidia, part, 'lib');
    if (!existsSync(lib)) return [];
    // libcudnn loads its parts itself, when they are needed.
    const names = readdirSync(lib).filter((name) => /^lib[A-Za-z]+\.so\.\d+$/.test(name));
    return names.map((name) => ({ name, folder: `nvidia/${part}/lib` }));
  });
}

function recipe(cuda: readonly { name: string; folder: string }[]): string {
  const folders = [...new Set(['tensorflow', ...cuda.map(({ folder }) => folder)])];
  const names = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2', ...cuda.map(({ name }) => name)];
  const target = {
    target_name: 'tfjs_binding',
    sources: ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc'],
    include_dirs: ['.', '../tensorflow/include'],
    defines: ['NAPI_VERSION=8'],
    library_dirs: folders.map((folder) => `<(module_root_dir)/../${folder}`),
    libraries: [
      '-Wl,--no-as-needed',
      ...folders.map((folder) => `-Wl,-rpath,'$$ORIGIN/../${folder}'`),
      ...names.map((name) => `-l:${name}`),
    ],
  };
  return JSON.stringify({ targets: [target] });
}

async function compile(work: string, signal: AbortSignal): Promise<void> {
  const nodeGyp = modules.resolve('node-gyp/bin/node-gyp.js');
  // Headers that came with the running Node; told as relative, since make stumbles over a blank in a path.
  const prefix = dirname(dirname(process.execPath));
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  const headers = hasHeaders ? [`--nodedir=${relative(work, prefix)}`] : [];
  const env = { ...process.env };
  if (hasHeaders) delete env['npm_config_nodedir'];
  const child = spawn(process.execPath, [nodeGyp, 'configure', 'build', '--jobs=max', ...headers], {
    cwd: work,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  let said = '';
  const hear = (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-20_000);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const how = await new Promise<string>((resolve) => {
    child.on('error', ({ message }) => {
      resolve(message);
    });
    child.on('close', (code, ended) => {
      resolve(ended ?? `exit status ${code}`);
    });
  });
  signal.throwIfAborted();
  if (how === 'exit status 0') return;
  const errors = said.split('\n').filter((line) => /error|cannot find/i.test(line));
  throw new UserError(
    `TensorFlow's binding does not compile (${how}): ${errors.slice(0, 3).join(' | ').slice(0, 600)}`,
  );
}
