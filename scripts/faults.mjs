// `npm run test:faults -- --kills 50 --seed 2`: the tests in which processes are killed and disks fill up, with as many kills
// at random moments as asked for. `npm run test:faults -- --cases 10000`: as many cases of fuzzed input. Without either both.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { projectFolder } from './runtime.mjs';

/** @type {Record<string, string>} */
const variables = { '--kills': 'SPARROW_TEST_KILLS', '--seed': 'SPARROW_TEST_SEED', '--cases': 'SPARROW_TEST_CASES' };
/** @type {Record<string, string>} */
const environment = {};
const args = process.argv.slice(2);
for (let i = 0; i < args.length; i += 2) {
  const name = variables[args[i]];
  const value = Number(args[i + 1]);
  if (name === undefined || !Number.isInteger(value) || value < 1) {
    process.stderr.write(`sparrow: ${args.slice(i, i + 2).join(' ')}: expected --kills N, --seed N or --cases N\n`);
    process.exit(2);
  }
  environment[name] = String(value);
}
const kills = ['test/faults'];
const cases = ['contract', 'fuzz', 'store-events', 'store-rows'].map((name) => `test/unit/${name}.test.ts`);
const onlyCases = args.includes('--cases') && !args.includes('--kills');
const onlyKills = args.includes('--kills') && !args.includes('--cases');
const child = spawn(
  process.execPath,
  [join(projectFolder, 'scripts', 'test.mjs'), ...(onlyCases ? [] : kills), ...(onlyKills ? [] : cases)],
  { stdio: 'inherit', env: { ...process.env, ...environment } },
);
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
