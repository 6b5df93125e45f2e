// `npm test`: every check of the project, one after the other, and a last line that counts them. A type error, a lint
// finding, an unused export each make one failed check, as one failed test does.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectFolder } from './runtime.mjs';

const checks = [
  { name: 'types', command: ['typescript/bin/tsc', '--noEmit'] },
  { name: 'types of the preload', command: ['typescript/bin/tsc', '--noEmit', '-p', 'src/preload'] },
  { name: 'types of the page', command: ['vue-tsc/bin/vue-tsc.js', '--noEmit', '-p', 'src/renderer'] },
  { name: 'lint', command: ['eslint/bin/eslint.js', '.', '--max-warnings=0'] },
  { name: 'format', command: ['prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'] },
  { name: 'unused', command: ['knip/bin/knip.js', '--no-progress'] },
];
const boundMs = 40 * 60 * 1000; // a test run that hangs must end

const only = process.argv.slice(2); // further arguments go to vitest: `npm test -- test/unit/philox.test.ts`
const counts = { passed: 0, failed: 0, skipped: 0 };
const scratch = mkdtempSync(join(tmpdir(), 'sparrow-test-'));
const countsFile = join(scratch, 'counts.json');
try {
  if (only.length === 0) {
    for (const { name, command } of checks) {
      const ok = await run(command, { quiet: true });
      process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name}\n`);
      counts[ok ? 'passed' : 'failed'] += 1;
    }
  }
  const ok = await run(['vitest/vitest.mjs', 'run', ...only], { env: { SPARROW_TEST_COUNTS: countsFile } });
  try {
    const tests = JSON.parse(readFileSync(countsFile, 'utf8'));
    counts.passed += tests.passed;
    counts.failed += tests.failed;
    counts.skipped += tests.skipped;
    if (!ok && tests.failed === 0) counts.failed += 1; // an error outside every test
  } catch {
    counts.failed += 1; // vitest did not live to write its counts
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;

/** Runs a tool of node_modules in the project; what a quiet one says is shown only if it fails. */
function run(/** @type {string[]} */ [script, ...args], /** @type {{ quiet?: boolean, env?: object }} */ options) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(projectFolder, 'node_modules', script), ...args], {
      cwd: projectFolder,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', options.quiet ? 'pipe' : 'inherit', options.quiet ? 'pipe' : 'inherit'],
    });
    let said = '';
    child.stdout?.on('data', (chunk) => (said += chunk));
    child.stderr?.on('data', (chunk) => (said += chunk));
    const timer = setTimeout(() => {
      process.stdout.write(`${script} has run for ${boundMs / 60_000} minutes and is ended\n`);
      child.kill('SIGKILL');
    }, boundMs);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code !== 0) process.stdout.write(said);
      resolve(code === 0);
    });
  });
}
