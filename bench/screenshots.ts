import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { attach } from '../src/main/owner/join.js';
import { openBrowser, openPage, Server } from '../test/browser/support/window.js';

/**
 * Pictures of the window for README.md and docs/tour.md, of real runs: the demonstration, trained here and now, and one that is
 * under way. `npm run screenshots` takes a minute or two.
 */
const pictures = join(import.meta.dirname, '../../docs/pictures');
const boundMs = 10 * 60 * 1000;
const pages: readonly (readonly [name: string, path: string, ready: string, height?: number])[] = [
  ['runs', '/runs', '[data-run="tour-1"] [data-state="running"]', 420],
  ['run', '/runs/quick-selfish-1', '.chart[data-drawn]:not([data-drawn="0"])', 980],
  [
    'compare',
    '/compare?runs=quick-dense-1,quick-static-1,quick-selfish-1&smooth=0.6',
    '.chart[data-drawn]:not([data-drawn="0"])',
    900,
  ],
  ['sparsity', '/sparsity?run=quick-selfish-1&update=5', '.chart[data-drawn]:not([data-drawn="0"])', 720],
  [
    'new-run',
    '/new?preset=quick-selfish&set=method.density%3D%5B0.1%2C%200.33%5D',
    '.facts dd.note:has-text("of dense")',
    900,
  ],
];

const folder = mkdtempSync(join(tmpdir(), 'sparrow-pictures-'));
process.env['SPARROW_HOME'] = folder;
mkdirSync(pictures, { recursive: true });
const browser = await openBrowser();
const server = new Server({ path: folder }, { bundle: join(import.meta.dirname, 'sparrow.js') });
try {
  const { page } = await openPage(
    await browser.newContext({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1 }),
  );
  const link = await server.link();
  await page.goto(link);
  const seat = (await attach())!;
  const { ids } = await seat.client.runs.demonstrate({});
  await seat.client.runs.create({
    configs: [
      {
        ...(await configOf(seat.client, ids[2])),
        name: 'tour',
        training: { epochs: 60, batch: 10, bptt: 20, evaluationBatch: 10 },
      },
    ],
  });
  for (const id of ids) await page.locator(`[data-run="${id}"] [data-state="finished"]`).waitFor({ timeout: boundMs });
  await page.locator('[data-run="tour-1"]').getByText(/left/).waitFor({ timeout: boundMs });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [name, path, ready, height = 900] of pages) {
      await page.setViewportSize({ width: 1440, height });
      await page.goto(`${new URL(link).origin}/#${path}`);
      await page.locator(ready).first().waitFor();
      await settled(page);
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) });
      process.stdout.write(`docs/pictures/${name}-${colorScheme}.png\n`);
    }
  }
  seat.leave();
} finally {
  await browser.close();
  await server.end();
  rmSync(folder, { recursive: true, force: true });
}

async function configOf(client: NonNullable<Awaited<ReturnType<typeof attach>>>['client'], id: string) {
  return (await client.runs.get({ id })).record.config;
}

/** Until nothing is being read, and what was read is painted. */
async function settled(page: Page): Promise<void> {
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
  await page.evaluate('document.fonts.ready.then(() => undefined)');
  await page.waitForTimeout(500);
}
