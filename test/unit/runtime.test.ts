import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const runtime = join(import.meta.dirname, '../../scripts/runtime.mjs');

/** Asked of a plain Node, as the start-up scripts run. */
function isSupported(version: string): boolean {
  const program = `import { isSupported } from ${JSON.stringify(runtime)}; console.log(isSupported(${JSON.stringify(version)}))`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  return JSON.parse(stdout) as boolean;
}

test.each(['22.12.0', '22.20.1', '24.0.0', '24.21.0', '26.0.0', '28.1.0'])('Node %s runs Sparrow', (version) => {
  expect(isSupported(version)).toBe(true);
});

// Odd versions are no longer cared for by the time anybody has them, and packages refuse them.
test.each(['18.20.0', '20.20.2', '21.7.0', '22.11.0', '23.9.0', '25.0.0'])('Node %s does not', (version) => {
  expect(isSupported(version)).toBe(false);
});
