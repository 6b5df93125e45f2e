import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { gateBreakdown } from '../../src/shared/gate-breakdown.js';
import { train } from '../support/small-run.js';
import { Home, inDatabase, Sparrow } from '../support/sparrow.js';
import { axeProblems } from './support/axe.js';
import { csvRows } from './support/csv.js';
import { openBrowser, openPage, patienceMs, Server } from './support/window.js';

/** What became of connections, as the window shows it: of runs that were really trained, held against the command line and the store. */
const home = new Home();
let browser: Browser;
let server: Server;
let page: Page;
let problems: string[];
let address: string;

/** a-1 and a-2 differ by their seed. */
const runs: readonly (readonly [string, readonly string[]])[] = [
  ['a', ['--set', 'seed=[1,2]']],
  ['still', ['--set', 'method.kind=static']],
  ['whole', ['--set', 'method.kind=dense', '--set', 'method.density=1']],
  ['larger', ['--set', 'model.embedding=24', '--set', 'model.hidden=24']],
];

beforeAll(async () => {
  for (const [name, more] of runs) {
    const { ended } = new Sparrow(home, [...train(name), ...more], {}, 4 * patienceMs);
    expect(await ended).toMatchObject({ status: 0, stderr: '' });
  }
  browser = await openBrowser();
  server = new Server(home);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
  ({ page, problems } = await openPage(context));
  const link = await server.link();
  address = new URL(link).origin;
  await page.goto(link);
}, 15 * patienceMs); // a Chromium may have to be installed first

afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await server.end();
  await home.end();
  home.remove();
}, 2 * patienceMs);

async function visit(path: string): Promise<void> {
  await page.goto(`${address}/#${path}`);
}

function card(title: string) {
  return page.getByRole('region', { name: title, exact: true });
}

async function untilDrawn(title: string): Promise<void> {
  await card(title).scrollIntoViewIfNeeded();
  await soon(async () => Number(await card(title).locator('.chart').getAttribute('data-drawn'))).toBeGreaterThan(0);
}

/** A machine may be slow: what is to become true has time for it. */
function soon<T>(value: () => T | Promise<T>) {
  return expect.poll(value, { timeout: patienceMs });
}

/** What a card saves, once it has all that it is to save. */
async function saved(title: string, button: 'CSV' | 'PNG'): Promise<{ name: string; path: string }> {
  const waiting = page.waitForEvent('download');
  await card(title).getByRole('button', { name: button, exact: true }).click();
  const file = await waiting;
  return { name: file.suggestedFilename(), path: await file.path() };
}

/** The same as the command line writes it. */
async function commanded(...args: string[]): Promise<Record<string, string>[]> {
  const file = `${home.path}/told.csv`;
  const { ended } = new Sparrow(home, ['topology', ...args, '--csv', file], {}, 4 * patienceMs);
  expect(await ended).toMatchObject({ status: 0, stderr: '' });
  return csvRows(file);
}

async function settled(title: string): Promise<void> {
  await card(title).getByText('Comparing').waitFor({ state: 'detached' });
}

const slow = { timeout: 6 * patienceMs };

test(
  'the sparsity page tells what became of the connections of a run, and saves it as the command line does',
  slow,
  async () => {
    await visit('/sparsity?run=a-1');
    const told = await commanded('a-1');
    for (const title of ['Explored positions', 'Age of connections', 'Since the start', 'Distance to the start']) {
      await untilDrawn(title);
      await card(title).getByText('Reading').waitFor({ state: 'detached' });
      const { name, path } = await saved(title, 'CSV');
      expect(name).toBe('a-1-connections.csv');
      expect(csvRows(path)).toEqual(told);
      expect((await saved(title, 'PNG')).name).toMatch(/^a-1-[a-z-]+\.png$/);
    }
    const now = told.findLast(({ layer }) => layer === '')!;
    await card('Age of connections')
      .getByText(`median ${now['median_age']}, mean ${Number(now['mean_age']).toFixed(1)}`)
      .waitFor();
    await card('Age of connections').getByText('Layer', { exact: true }).click();
    await soon(() => page.url()).toContain('ages=layer');
    const ofLayer = told.findLast(({ layer }) => layer === 'lstm.0.weight_hh')!;
    await card('Age of connections')
      .getByText(`median ${ofLayer['median_age']}, mean ${Number(ofLayer['mean_age']).toFixed(1)}`)
      .waitFor();
    expect(await axeProblems(page)).toEqual([]);
  },
);

test('gates are broken down as after the chosen update, matrix by matrix and side by side', slow, async () => {
  await visit('/sparsity?run=a-1&update=3');
  const stored = inDatabase(home.run('a-1'), ({ sparsity }) => sparsity.rows('a-1'));
  const side = gateBreakdown(stored, 3).find(
    ({ layer, side: of, gate }) => layer === null && of === 'recurrent' && gate === 'forget',
  )!;
  const cell = card('Gate breakdown').locator('[data-matrix="all hidden to hidden"] [data-gate="forget"]');
  await soon(() => cell.textContent()).toContain(side.last.toFixed(3));
  expect(await cell.textContent()).toContain(side.first.toFixed(3));
  const gates = csvRows((await saved('Gate breakdown', 'CSV')).path);
  for (const update of [0, 3, stored.at(-1)!.update]) {
    expect(
      gates
        .filter((row) => row['update'] === String(update))
        .map((row) => [row['layer'], row['side'], row['gate'], row['density_at_first'], row['density']]),
    ).toEqual(
      gateBreakdown(stored, update).map(({ layer, side: of, gate, first, last }) => [
        ...[layer ?? '', of, gate ?? ''],
        ...[first, last].map(String),
      ]),
    );
  }
});

test('masks that never change have no ages to show', async () => {
  await visit('/sparsity?run=still-1');
  await card('Age of connections').getByText('No update yet').waitFor();
  await untilDrawn('Explored positions');
});

test('compared runs have a matrix of distances, as they are and matched', slow, async () => {
  await visit('/compare?runs=a-1,a-2,still-1,whole-1');
  await untilDrawn('Topology distance');
  const cell = card('Topology distance').locator('[data-from="a-1"] [data-to="a-2"]');
  const plain = await commanded('a-1', 'a-2', 'still-1', '--no-matching');
  const mean = plain.find((row) => row['other_run'] === 'a-2' && row['layer'] === '')!;
  await soon(() => cell.textContent()).toBe(Number(mean['distance']).toFixed(3));
  await settled('Topology distance');
  expect(csvRows((await saved('Topology distance', 'CSV')).path)).toEqual(plain);
  await card('Topology distance').getByLabel('Distance of').selectOption('lstm.0.weight_hh');
  const ofLayer = plain.find((row) => row['other_run'] === 'a-2' && row['layer'] === 'lstm.0.weight_hh')!;
  await soon(() => cell.textContent()).toBe(Number(ofLayer['distance']).toFixed(3));
  await card('Topology distance').getByText('Matched', { exact: true }).click();
  await soon(() => page.url()).toContain('topology=matched');
  await page.reload();
  const matched = await commanded('a-1', 'a-2', 'still-1');
  const nearer = matched.find((row) => row['other_run'] === 'a-2' && row['layer'] === 'lstm.0.weight_hh')!;
  await untilDrawn('Topology distance');
  await soon(() => cell.textContent()).toBe(Number(nearer['matched_distance']).toFixed(3));
  await settled('Topology distance');
  expect(csvRows((await saved('Topology distance', 'CSV')).path)).toEqual(matched);
  expect((await saved('Topology distance', 'PNG')).name).toBe('topology-distance-matched.png');
  expect(await axeProblems(page)).toEqual([]);
});

test('two runs are compared over time, from each other and from their starts', slow, async () => {
  await visit('/compare?runs=a-1,a-2,still-1');
  await untilDrawn('Distance over time');
  await card('Distance over time').getByLabel('Run A').selectOption('a-2');
  await card('Distance over time').getByLabel('Run B').selectOption('still-1');
  await soon(() => page.url()).toContain('pair=a-2,still-1');
  const told = await commanded('a-2', 'still-1', '--over-time', '--no-matching');
  await settled('Distance over time');
  await soon(async () => csvRows((await saved('Distance over time', 'CSV')).path)).toEqual(told);
});

test('runs that cannot be compared say why, and what to do', async () => {
  await visit('/compare?runs=a-1,larger-1');
  await card('Topology distance').scrollIntoViewIfNeeded();
  await card('Topology distance').getByText('only networks of one shape have a distance').waitFor();
  await visit('/compare?runs=a-1,whole-1');
  await card('Topology distance').getByText('Choose another sparse run of the same model beside a above.').waitFor();
  await visit('/compare?runs=whole-1');
  await card('Topology distance').getByText('Dense runs have no masks.').waitFor();
});
