// Compiles a program of native/ that stands beside the addon, such as tests and benchmarks, with the kernels of every vector
// width of this machine.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compiler } from './native.mjs';
import { projectFolder } from './runtime.mjs';

const native = join(projectFolder, 'native');
const patienceMs = 10 * 60 * 1000;

/** Sources of the kernels, with the flags of their vector width: those of native/binding.gyp. What takes long to compile comes first.
 * @type {[file: string, ...flags: string[]][]} */
const kernels = [['src/kernels_plain.cpp'], ['src/pool.cpp'], ['src/dispatch.cpp']];
if (process.arch === 'x64') {
  kernels.unshift(['src/kernels_avx2.cpp', '-mavx2', '-mfma']);
  kernels.unshift(['src/kernels_avx512.cpp', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma']);
}
const common = ['-std=c++17', '-fno-math-errno', '-Wall', '-Wextra', '-Wno-psabi', '-pthread'];

/** The C++ compiler, or why no program can be built.
 * @returns {{ path: string } | { path: undefined, reason: string }} */
export function cppCompiler() {
  if (process.platform === 'win32') return { path: undefined, reason: 'the native engine is not for Windows' };
  const path = compiler();
  return path === undefined ? { path, reason: 'there is no C++ compiler: install g++' } : { path };
}

/** Builds a program, hands its path to `use`, and deletes it again. Resolves to what the compiler said if it failed, or to what `use`
 * returns.
 * @template Result
 * @param {string} compilerPath
 * @param {string[]} own its sources in native/, beside the kernels
 * @param {string[]} flags
 * @param {(program: string) => Promise<Result>} use
 * @returns {Promise<Result | string>} */
export async function withProgram(compilerPath, own, flags, use) {
  mkdirSync(join(native, 'build'), { recursive: true });
  const scratch = mkdtempSync(join(native, 'build', 'program-'));
  try {
    /** @type {[file: string, ...flags: string[]][]} */
    const sources = [...kernels, ...own.map((file) => /** @type {[string]} */ ([file]))];
    const objectOf = (/** @type {number} */ index) => join(scratch, `${index}.o`);
    const waiting = [...sources.entries()];
    const failures = await Promise.all(
      Array.from({ length: availableParallelism() }, async () => {
        let failed = '';
        for (let next = waiting.shift(); next !== undefined && failed === ''; next = waiting.shift()) {
          const [index, [file, ...more]] = next;
          const args = [...common, ...flags, ...more, '-c', join(native, file), '-o', objectOf(index)];
          failed = await said(compilerPath, args);
        }
        return failed;
      }),
    );
    if (failures.some((failed) => failed !== '')) return failures.join('');
    const program = join(scratch, 'program');
    const objects = [...sources.keys()].map(objectOf);
    const failed = await said(compilerPath, [...common, ...flags, ...objects, '-o', program]);
    return failed === '' ? await use(program) : failed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What a command said and how it ended if it failed, and nothing if it did not.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<string>} */
export function said(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: patienceMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve(`${command} cannot be run: ${error.message}\n`));
    child.on('close', (status, signal) => {
      resolve(status === 0 ? '' : `${output}${command} ended with ${signal ?? `status ${status}`}\n`);
    });
  });
}
