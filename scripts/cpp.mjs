// Compiles a program of native/ that stands beside the addon, such as tests and benchmarks, with the kernels of every vector
// width of this machine.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compiler } from './native.mjs';
import { projectFolder } from './runtime.mjs';

const native = join(projectFolder, 'native');
const patienceMs = 10 * 60 * 1000;

/** Sources beyond the program itself, with the flags of their vector width: those of native/binding.gyp.
 * @type {[file: string, ...flags: string[]][]} */
const sources = [['src/pool.cpp'], ['src/dispatch.cpp'], ['src/kernels_plain.cpp']];
if (process.arch === 'x64') {
  sources.push(['src/kernels_avx2.cpp', '-mavx2', '-mfma']);
  sources.push(['src/kernels_avx512.cpp', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma']);
}
const common = ['-std=c++17', '-fno-math-errno', '-Wall', '-Wextra', '-Wno-psabi', '-pthread'];

/** The C++ compiler, or why no program can be built.
 * @returns {{ path: string } | { path: undefined, reason: string }} */
export function cppCompiler() {
  if (process.platform === 'win32') return { path: undefined, reason: 'the native engine is not for Windows' };
  const path = compiler();
  return path === undefined ? { path, reason: 'there is no C++ compiler: install g++' } : { path };
}

/** Builds a program, hands its path to `use`, and deletes it again. Returns what the compiler said if it failed, or what `use` returns.
 * @template Result
 * @param {string} compilerPath
 * @param {string} main its source in native/
 * @param {string[]} flags
 * @param {(program: string) => Result} use
 * @returns {Result | string} */
export function withProgram(compilerPath, main, flags, use) {
  mkdirSync(join(native, 'build'), { recursive: true });
  const scratch = mkdtempSync(join(native, 'build', 'program-'));
  try {
    /** @type {string[]} */
    const objects = [];
    for (const [file, ...own] of [[main], ...sources]) {
      const object = join(scratch, `${objects.length}.o`);
      objects.push(object);
      const failed = said(compilerPath, [...common, ...flags, ...own, '-c', join(native, file), '-o', object]);
      if (failed !== '') return failed;
    }
    const program = join(scratch, 'program');
    const failed = said(compilerPath, [...common, ...flags, ...objects, '-o', program]);
    return failed === '' ? use(program) : failed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What a command said and how it ended if it failed, and nothing if it did not.
 * @param {string} command
 * @param {string[]} args */
export function said(command, args) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: patienceMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return '';
  return `${stdout ?? ''}${stderr ?? ''}${command} ended with ${error?.message ?? signal ?? `status ${status}`}\n`;
}
