// `npm run bench:kernels [-- --json] [--densities 0.33,1] [--threads 1,2]`: GFLOP/s of the kernels of the native engine beside the
// dense product, each the best of several runs. Operations are two per active weight and column.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { cppCompiler, withProgram } from './cpp.mjs';

/** @typedef {{ kernel: string, density: number, threads: number, width: string, ms: number, gflops: number }} Figure */

const options = /** @type {const} */ ({
  json: { type: 'boolean', default: false },
  densities: { type: 'string', default: '0.05,0.1,0.2,0.33,0.5,0.7,1' },
  threads: { type: 'string', default: '1,2' },
});

try {
  const { values } = parseArgs({ options });
  const densities = numbers('densities', values.densities, (value) => value > 0 && value <= 1, 'from 0 to 1');
  const threads = numbers(
    'threads',
    values.threads,
    (value) => Number.isInteger(value) && value >= 1,
    'whole, from 1 on',
  );
  const found = cppCompiler();
  if (found.path === undefined) throw new Error(found.reason);
  process.stderr.write('bench: building\n');
  const figures = await withProgram(found.path, ['bench/kernels_bench.cpp'], ['-O3'], async (program) =>
    measure(program, densities, threads),
  );
  if (typeof figures === 'string') throw new Error(`the program does not build:\n${figures}`);
  const compiler = versionOf(found.path);
  if (values.json) process.stdout.write(`${JSON.stringify({ compiler, figures })}\n`);
  else
    process.stdout.write(
      `${compiler}, ${figures[0]?.width}\n${threads.map((count) => table(figures, count)).join('')}`,
    );
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

/** A list of numbers with commas, which the program takes as it is.
 * @param {string} name
 * @param {string} list
 * @param {(value: number) => boolean} fits
 * @param {string} rule */
function numbers(name, list, fits, rule) {
  const values = list.split(',').map((text) => (text.trim() === '' ? NaN : Number(text)));
  if (values.every(fits)) return values;
  throw new Error(`--${name}: ${JSON.stringify(list)} must be numbers with commas between them, ${rule}`);
}

/** @param {string} program
 * @param {number[]} densities
 * @param {number[]} threads
 * @returns {Figure[]} */
function measure(program, densities, threads) {
  const { status, signal, stdout, error } = spawnSync(program, [densities.join(','), threads.join(',')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`it ended with ${error?.message ?? signal ?? `status ${status}`}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** @param {string} path */
function versionOf(path) {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return stdout?.split('\n')[0] ?? path;
}

/** A row a kernel and a column a density; what is dense has the last column to itself.
 * @param {Figure[]} figures
 * @param {number} threads */
function table(figures, threads) {
  const mine = figures.filter((figure) => figure.threads === threads);
  const densities = [...new Set(mine.map(({ density }) => density))].sort((a, b) => a - b);
  const rows = [...new Set(mine.map(({ kernel }) => kernel))].map((kernel) => [
    kernel,
    ...densities.map(
      (density) =>
        mine.find((figure) => figure.kernel === kernel && figure.density === density)?.gflops.toFixed(1) ?? '',
    ),
  ]);
  const lines = [[`GFLOP/s, ${threads} thread${threads === 1 ? '' : 's'}`, ...densities.map(String)], ...rows];
  const width = Math.max(...lines.map(([name]) => name.length));
  return `\n${lines.map(([name, ...cells]) => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(8)).join('')}\n`).join('')}`;
}
