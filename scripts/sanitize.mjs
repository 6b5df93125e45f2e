// `npm run test:sanitize`: the native engine, all but its face to JavaScript, under the sanitizers of the compiler, one build for
// memory and undefined behaviour and one for data races, and a line for each.
import { cppCompiler, said, withProgram } from './cpp.mjs';

const tests = ['support', 'pool', 'products', 'lstm', 'cells', 'decoder', 'updates'].map((name) => `test/${name}.cpp`);
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
  const sources = ['src/cells.cpp', 'src/engine.cpp', 'src/gradients.cpp', 'src/linear.cpp', ...tests];
  const failure = await withProgram(found.path, sources, [...flags, `-fsanitize=${build}`], run);
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(`${failure === '' ? 'ok  ' : 'FAIL'} sanitizers ${build} (${seconds} s)\n${failure}`);
  if (failure !== '') process.exitCode = 1;
}

/** Runs the tests. Resolves to what they said if one failed.
 * @param {string} program */
async function run(program) {
  const failure = await said(program, []);
  // Where addresses are spread wider than ThreadSanitizer of an older compiler knows, it wants them fixed.
  return failure.includes('unexpected memory mapping') ? said('setarch', ['-R', program]) : failure;
}
