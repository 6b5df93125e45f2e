// A task of package.json: set up, then run it under a Node that is new enough.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { projectFolder } from './runtime.mjs';
import { setUp } from './setup.mjs';

/** @type {Record<string, string[] | undefined>} */
export const tasks = {
  start: ['out/main/sparrow.js', 'start'],
  sparrow: ['out/main/sparrow.js'],
  golden: ['out/main/golden.js'],
  bench: ['out/main/bench.js'],
  'bench:kernels': ['scripts/bench-kernels.mjs'],
  fidelity: ['out/main/fidelity.js'],
  'bench:store': ['out/main/bench-store.js'],
  'bench:app': ['out/main/bench-app.js'],
  screenshots: ['out/main/screenshots.js'],
  test: ['scripts/test.mjs'],
  'test:faults': ['scripts/faults.mjs'],
  'test:sanitize': ['scripts/sanitize.mjs'],
  format: ['node_modules/prettier/bin/prettier.cjs', '--write', '.'],
  build: undefined, // set-up builds
};

/** Runs a task to its end and exits as it did. */
export async function runTask(/** @type {string} */ name, /** @type {string[]} */ args) {
  let node;
  try {
    node = await setUp();
  } catch (error) {
    process.stderr.write(`sparrow: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
  const task = tasks[name];
  if (task === undefined) return;
  const [script, ...fixed] = task;
  // The channel is there so that the child notices when we are killed in a way that no handler sees.
  const child = spawn(node, [join(projectFolder, script), ...fixed, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // A terminal sends Ctrl+C to both of us; what is sent to this process alone is passed on.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
  child.on('error', (error) => {
    process.stderr.write(`sparrow: cannot run ${node}: ${error.message}\n`);
    process.exit(1);
  });
}
