// `npm run test:sanitize`: the pool and the kernels of the native engine under the sanitizers of the compiler, one build for
// memory and undefined behaviour and one for data races, and a line for each.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compiler } from './native.mjs';
import { projectFolder } from './runtime.mjs';

const native = join(projectFolder, 'native');
const patienceMs = 10 * 60 * 1000;

/** Sources beyond the program itself, with the flags of their vector width: those of native/binding.gyp.
 * @type {[file: string, ...flags: string[]][]} */
const sources = [['test/pool_test.cpp'], ['src/pool.cpp'], ['src/dispatch.cpp'], ['src/kernels_plain.cpp']];
if (process.arch === 'x64') {
  sources.push(['src/kernels_avx2.cpp', '-mavx2', '-mfma']);
  sources.push(['src/kernels_avx512.cpp', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma']);
}
// With -O2 inline functions are in fact inlined: none compiled for a wide vector may serve a narrow one.
const common = [
  '-std=c++17',
  '-O2',
  '-g',
  '-fno-omit-frame-pointer',
  '-fno-math-errno',
  '-Wall',
  '-Wextra',
  '-Wno-psabi',
];
const builds = ['address,undefined', 'thread'];

const path = compiler();
if (path === undefined || process.platform === 'win32') {
  const why = path === undefined ? 'there is no C++ compiler: install g++' : 'the native engine is not for Windows';
  process.stdout.write(`FAIL sanitizers: ${why}\n`);
  process.exit(1);
}
for (const build of builds) {
  const startedMs = Date.now();
  const failure = sanitize(path, build);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(`${failure === '' ? 'ok  ' : 'FAIL'} sanitizers ${build} (${seconds} s)\n${failure}`);
  if (failure !== '') process.exitCode = 1;
}

/** Builds the test with a sanitizer and runs it. Returns what was said if one of the two failed.
 * @param {string} compilerPath
 * @param {string} sanitizers */
function sanitize(compilerPath, sanitizers) {
  mkdirSync(join(native, 'build'), { recursive: true });
  const scratch = mkdtempSync(join(native, 'build', 'sanitize-'));
  try {
    const flags = [...common, `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', '-pthread'];
    /** @type {string[]} */
    const objects = [];
    for (const [file, ...own] of sources) {
      const object = join(scratch, `${objects.length}.o`);
      objects.push(object);
      const failed = said(compilerPath, [...flags, ...own, '-c', join(native, file), '-o', object]);
      if (failed !== '') return failed;
    }
    const program = join(scratch, 'pool_test');
    const failed = said(compilerPath, [...flags, ...objects, '-o', program]);
    if (failed !== '') return failed;
    const ran = said(program, []);
    // Where addresses are spread wider than ThreadSanitizer of an older compiler knows, it wants them fixed.
    return ran.includes('unexpected memory mapping') ? said('setarch', ['-R', program]) : ran;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What a command said and how it ended if it failed, and nothing if it did not.
 * @param {string} command
 * @param {string[]} args */
function said(command, args) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: patienceMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return '';
  return `${stdout ?? ''}${stderr ?? ''}${command} ended with ${error?.message ?? signal ?? `status ${status}`}\n`;
}
