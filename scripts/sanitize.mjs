// `npm run test:sanitize`: the native engine, all but its face to JavaScript, under the sanitizers of the compiler, one build for
// memory and undefined behaviour and one for data races, and a line for each.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compiler } from './native.mjs';
import { projectFolder } from './runtime.mjs';

const native = join(projectFolder, 'native');
const patienceMs = 10 * 60 * 1000;

/** Sources with the flags of their vector width: those of native/binding.gyp. What takes long to compile comes first.
 * @type {[file: string, ...flags: string[]][]} */
const sources = [
  ['src/kernels_plain.cpp'],
  ...['engine', 'pool', 'dispatch'].map((name) => /** @type {[string]} */ ([`src/${name}.cpp`])),
  ...['support', 'pool', 'products', 'lstm', 'decoder', 'updates'].map(
    (name) => /** @type {[string]} */ ([`test/${name}.cpp`]),
  ),
];
if (process.arch === 'x64') {
  sources.unshift(['src/kernels_avx2.cpp', '-mavx2', '-mfma']);
  sources.unshift(['src/kernels_avx512.cpp', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma']);
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
  const failure = await sanitize(path, build);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(`${failure === '' ? 'ok  ' : 'FAIL'} sanitizers ${build} (${seconds} s)\n${failure}`);
  if (failure !== '') process.exitCode = 1;
}

/** Builds the tests with a sanitizer and runs them. Resolves to what was said if one of the two failed.
 * @param {string} compilerPath
 * @param {string} sanitizers */
async function sanitize(compilerPath, sanitizers) {
  mkdirSync(join(native, 'build'), { recursive: true });
  const scratch = mkdtempSync(join(native, 'build', 'sanitize-'));
  try {
    const flags = [...common, `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=all', '-pthread'];
    const objectOf = (/** @type {number} */ index) => join(scratch, `${index}.o`);
    const waiting = [...sources.entries()];
    const failures = await Promise.all(
      Array.from({ length: availableParallelism() }, async () => {
        let failed = '';
        for (let next = waiting.shift(); next !== undefined && failed === ''; next = waiting.shift()) {
          const [index, [file, ...own]] = next;
          failed = await said(compilerPath, [...flags, ...own, '-c', join(native, file), '-o', objectOf(index)]);
        }
        return failed;
      }),
    );
    if (failures.some((failed) => failed !== '')) return failures.join('');
    const program = join(scratch, 'native_test');
    const failed = await said(compilerPath, [...flags, ...[...sources.keys()].map(objectOf), '-o', program]);
    if (failed !== '') return failed;
    const ran = await said(program, []);
    // Where addresses are spread wider than ThreadSanitizer of an older compiler knows, it wants them fixed.
    return ran.includes('unexpected memory mapping') ? await said('setarch', ['-R', program]) : ran;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What a command said and how it ended if it failed, and nothing if it did not.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<string>} */
function said(command, args) {
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
