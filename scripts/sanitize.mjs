// `npm run test:sanitize`: the pool and the kernels of the native engine under the sanitizers of the compiler, one build for
// memory and undefined behaviour and one for data races, and a line for each.
import { cppCompiler, said, withProgram } from './cpp.mjs';

// With -O2 inline functions are in fact inlined: none compiled for a wide vector may serve a narrow one.
const flags = ['-O2', '-g', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'];
const builds = ['address,undefined', 'thread'];

const found = cppCompiler();
if (found.path === undefined) {
  process.stdout.write(`FAIL sanitizers: ${found.reason}\n`);
  process.exit(1);
}
for (const build of builds) {
  const startedMs = Date.now();
  const failure = withProgram(found.path, 'test/pool_test.cpp', [...flags, `-fsanitize=${build}`], run);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(`${failure === '' ? 'ok  ' : 'FAIL'} sanitizers ${build} (${seconds} s)\n${failure}`);
  if (failure !== '') process.exitCode = 1;
}

/** Runs the test. Returns what it said if it failed.
 * @param {string} program */
function run(program) {
  const failure = said(program, []);
  // Where addresses are spread wider than ThreadSanitizer of an older compiler knows, it wants them fixed.
  return failure.includes('unexpected memory mapping') ? said('setarch', ['-R', program]) : failure;
}
