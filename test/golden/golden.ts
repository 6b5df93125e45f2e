import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engines } from '../../src/shared/engines.js';
import { messageOf } from '../../src/shared/errors.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { readCases } from './case.js';
import { runCase, type Verdict } from './run-case.js';

/**
 * `npm run golden -- [DIR] [--engine NAME] [--json]`: computes every case of a folder (default: the project's own) and says how far
 * our numbers are from the published ones. Exits 1 if any case fails, 2 if the folder cannot be read or the engine is not there.
 */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, engine: { type: 'string' } },
  });
  const [folder = join(import.meta.dirname, '../../test/golden/cases'), ...rest] = positionals;
  if (rest.length > 0) throw new Error(`one folder at a time: ${rest.join(' ')} is too many`);
  const cases = readCases(folder);
  const engine = await startEngine(parseRunConfig({ device: { engine: values.engine } }).device);
  let failures = 0;
  for (const golden of cases) {
    for (const verdict of runCase(golden, engines[engine.name].layouts)) {
      if (verdict.status === 'fail') failures += 1;
      process.stdout.write(`${values.json === true ? asJson(verdict) : asText(verdict)}\n`);
    }
  }
  return failures === 0 ? 0 : 1;
}

function asJson({ case: name, layout, worstRelativeError, status }: Verdict): string {
  // JSON has no NaN: a case that ended in one has failed, and its error is not a number.
  const error = Number.isFinite(worstRelativeError) ? worstRelativeError : null;
  return JSON.stringify({ case: name, layout, worstRelativeError: error, status });
}

function asText({ case: name, layout, worstRelativeError, status, detail }: Verdict): string {
  const error = worstRelativeError === null ? '' : worstRelativeError.toExponential(1);
  return [status.padEnd(12), name.padEnd(26), layout.padEnd(7), error.padStart(8), ` ${detail}`].join(' ').trimEnd();
}

// Whoever reads our output may stop reading (`| head`): then there is nobody to compute for.
process.stdout.on('error', () => process.exit(1));
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`golden: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
