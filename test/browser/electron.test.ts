import { join } from 'node:path';
import { _electron, type Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { findBinary } from '../../src/main/shells/electron-binary.js';
import { hasDisplay } from '../../src/main/shells/window.js';
import { gone } from '../support/process.js';
import { Home, inDatabase, ownerOf, trainerOf } from '../support/sparrow.js';
import { patienceMs } from './support/window.js';

const project = join(import.meta.dirname, '../..');

/** Why Electron cannot be run here, if so. */
function obstacle(): string | undefined {
  if (findBinary() === undefined) return "Electron's binary is not here: npm start fetches it";
  if (!hasDisplay(process.platform, process.env)) return 'there is no display: xvfb-run npm test has one';
  if (process.getuid?.() === 0) return 'Electron does not run as root';
  return undefined;
}

test('the window in Electron: the demonstration, a run by hand, one that is killed, and an end that leaves nothing', async ({
  skip,
}) => {
  const reason = obstacle();
  if (reason !== undefined) skip(reason);
  const home = new Home();
  const electron = await _electron.launch({
    executablePath: findBinary()!,
    args: [project],
    env: { ...(process.env as Record<string, string>), SPARROW_HOME: home.path, SPARROW_STARTED_BY_NPM: '1' },
  });
  onTestFinished(async () => {
    await electron.close().catch(() => undefined); // it is closed already
    await home.end();
    home.remove();
  });
  const page = await electron.firstWindow();
  page.setDefaultTimeout(patienceMs);
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  const run = (id: string) => page.locator(`[data-run="${id}"]`);

  await page.getByRole('region', { name: 'Demonstration' }).waitFor();
  expect(await page.evaluate('[location.origin, typeof require, typeof process, Object.keys(sparrow).length]')).toEqual(
    [...['sparrow://app', 'undefined', 'undefined', 3]],
  );
  for (const id of ['quick-dense-1', 'quick-static-1', 'quick-selfish-1']) {
    await run(id)
      .locator('[data-state="finished"]')
      .waitFor({ timeout: 4 * patienceMs });
  }
  await visit(page, '/compare?runs=quick-dense-1,quick-selfish-1');
  await drawn(page, 'Validation perplexity');
  await visit(page, '/sparsity?run=quick-selfish-1');
  await drawn(page, 'Layers by gates');

  await visit(page, '/new?preset=quick-selfish');
  await page.getByLabel('name', { exact: true }).fill('endless');
  await page.getByLabel('training.epochs', { exact: true }).fill('100000');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.locator('header [data-state="paused"]').waitFor();
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();
  const trainer = trainerOf(home.run('endless-1'))!;
  process.kill(trainer, 'SIGKILL');
  await gone(trainer);
  await page.locator('header [data-state="interrupted"]').waitFor();
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();

  // What the rules forbid does not happen.
  await page.evaluate('location.href = "https://example.org/"; undefined');
  expect(await page.evaluate('window.open("https://127.0.0.1:1/")')).toBeNull();
  expect(new URL(page.url()).protocol).toBe('sparrow:');
  expect(problems).toEqual([]);

  const last = trainerOf(home.run('endless-1'))!;
  await electron.evaluate(({ dialog }) => {
    dialog.showMessageBox = () => Promise.resolve({ response: 0, checkboxChecked: false }); // checkpoint and close
  });
  await electron.close();
  await gone(last);
  expect(ownerOf(home)).toBeUndefined();
  expect(inDatabase(home.run('endless-1'), ({ queue }) => queue.entries().map((entry) => entry.run))).toEqual([
    'endless-1',
  ]);
}, 600_000);

/** As a person who changes the address would. */
async function visit(page: Page, path: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(path)}`);
}

async function drawn(page: Page, title: string): Promise<void> {
  const chart = page.getByRole('region', { name: title, exact: true }).locator('.chart');
  await expect
    .poll(async () => Number(await chart.getAttribute('data-drawn')), { timeout: patienceMs })
    .toBeGreaterThan(0);
}
