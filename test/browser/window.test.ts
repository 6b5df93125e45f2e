import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { attach } from '../../src/main/owner/join.js';
import { gone } from '../support/process.js';
import { Home, inDatabase, trainerOf } from '../support/sparrow.js';
import { startServer } from '../unit/support/server.js';
import { axeProblems } from './support/axe.js';
import { csvRows } from './support/csv.js';
import { openBrowser, openPage, patienceMs, Server } from './support/window.js';

/**
 * The window as a person uses it: the application that `sparrow serve` shows, in a real browser, with real trainers and a real
 * database. The tests go on from each other, as a session of work does.
 */
const home = new Home();
let browser: Browser;
let server: Server;
let page: Page;
let problems: string[];
let address: string;

const slow = { timeout: 4 * patienceMs };

beforeAll(async () => {
  browser = await openBrowser();
  server = new Server(home);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
  ({ page, problems } = await openPage(context));
  const link = await server.link();
  address = new URL(link).origin;
  await page.goto(link);
}, 10 * patienceMs); // a Chromium may have to be installed first

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

function run(id: string) {
  return page.locator(`[data-run="${id}"]`);
}

/** Waits for a run's state, wherever the page shows it. */
async function untilState(id: string, state: string, within = 2 * patienceMs): Promise<void> {
  await run(id).locator(`[data-state="${state}"]`).waitFor({ timeout: within });
}

/** How often a chart has been drawn. */
async function drawn(title: string): Promise<number> {
  return Number(
    await page.getByRole('region', { name: title, exact: true }).locator('.chart').getAttribute('data-drawn'),
  );
}

/** A machine may be slow: what is to become true has time for it. */
function soon<T>(value: () => T | Promise<T>) {
  return expect.poll(value, { timeout: patienceMs });
}

async function download(click: () => Promise<void>): Promise<Record<string, string>[]> {
  const [file] = await Promise.all([page.waitForEvent('download'), click()]);
  return csvRows(await file.path());
}

test('an empty data folder says what to do first', async () => {
  await page.getByText('No runs yet.').waitFor();
  await page.getByRole('link', { name: 'Start a first run' }).waitFor();
  expect(await axeProblems(page)).toEqual([]);
});

test('the demonstration is announced, its curves move while it is trained, and it finishes', slow, async () => {
  process.env['SPARROW_HOME'] = home.path;
  const seat = (await attach())!;
  await seat.client.runs.demonstrate({});
  seat.leave();
  await page.getByRole('region', { name: 'Demonstration' }).getByRole('button', { name: 'Stop' }).waitFor();
  await run('quick-dense-1').getByRole('link').click();
  await page.getByRole('heading', { name: 'quick-dense' }).waitFor();
  await soon(() => drawn('Training loss')).toBeGreaterThan(3);
  await page
    .getByText(/^Epoch \d: validation perplexity/)
    .first()
    .waitFor();
  await visit('/runs');
  for (const id of ['quick-dense-1', 'quick-static-1', 'quick-selfish-1'])
    await untilState(id, 'finished', 3 * patienceMs);
  const best = inDatabase(
    home.run('quick-dense-1'),
    ({ runs }) => runs.get('quick-dense-1').progress.bestValidationPerplexity!,
  );
  expect(await run('quick-dense-1').locator('[data-column="best"]').textContent()).toBe(best.toFixed(2));
  await page.getByRole('region', { name: 'Demonstration' }).getByText('all have ended').waitFor();
  expect(await run('quick-dense-1').locator('svg path').getAttribute('d')).toMatch(/^M.*L/);
});

test('the table is filtered, sorted and reached by the keyboard', async () => {
  const filter = page.getByRole('searchbox', { name: 'Filter runs' });
  await filter.fill('method:selfish');
  await run('quick-dense-1').waitFor({ state: 'detached' });
  expect(page.url()).toContain('filter=method:selfish');
  await filter.fill('nonsense:1');
  await page.getByText('there is no field nonsense').waitFor();
  await filter.fill('');
  await page.getByRole('button', { name: 'Best valid ppl' }).click();
  await soon(() => page.locator('[data-run]').first().getAttribute('data-run')).toBe('quick-dense-1');
  await page.locator('[data-run="quick-dense-1"] a').focus();
  await page.keyboard.press('ArrowDown');
  await soon(() => page.locator('[data-run]:has(a:focus)').getAttribute('data-run')).not.toBe('quick-dense-1');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /quick-(selfish|static)/ }).waitFor();
  await page.goBack();
  await run('quick-dense-1').waitFor();
  expect(await axeProblems(page)).toEqual([]);
});

test('runs are compared, with what differs in their configurations; the view is in the address', async () => {
  for (const name of ['quick-dense', 'quick-selfish'])
    await page.getByRole('checkbox', { name: `Select ${name}` }).check();
  await page.getByRole('toolbar').getByRole('link', { name: 'Compare' }).click();
  await soon(() => drawn('Validation perplexity')).toBeGreaterThan(0);
  const table = page.getByRole('region', { name: 'Compared runs' });
  expect(await table.locator('tbody tr').count()).toBe(2);
  await page.getByRole('rowheader', { name: 'method.density' }).waitFor();
  await page.getByText('Step', { exact: true }).click();
  await page.getByLabel('Log step').check();
  await page.getByLabel('Smoothing').fill('0.6');
  await soon(() => page.url()).toContain('smooth=0.6');
  expect(page.url()).toContain('axis=step');
  await page.reload();
  await soon(() => drawn('Training perplexity')).toBeGreaterThan(0);
  expect(await page.getByLabel('Log step').isChecked()).toBe(true);
  expect(await page.getByLabel('Smoothing').inputValue()).toBe('0.6');
  expect(await axeProblems(page)).toEqual([]);
});

test('one slider goes through the topologies of a run', async () => {
  await visit('/sparsity?run=quick-selfish-1');
  const rows = inDatabase(home.run('quick-selfish-1'), ({ sparsity }) => sparsity.rows('quick-selfish-1'));
  const densityOf = (update: number) => {
    const { active, size } = rows.find(
      (row) => row.update === update && row.layer === 'lstm.0.weight_hh' && row.gate === 'forget',
    )!;
    return (active / size).toFixed(3);
  };
  const cell = page.locator('[data-layer="lstm.0.weight_hh"] [data-gate="forget"]');
  const last = Math.max(...rows.map(({ update }) => update));
  await soon(() => cell.textContent()).toBe(densityOf(last));
  const slider = page.getByRole('slider', { name: 'Topology update' });
  await slider.focus();
  await page.keyboard.press('Home');
  await soon(() => cell.textContent()).toBe(densityOf(0));
  await page.keyboard.press('ArrowRight');
  await soon(() => cell.textContent()).toBe(densityOf(1));
  expect(page.url()).toContain('update=1');
  for (const title of ['Layers by gates', 'Density over time', 'Magnitudes', 'Turnover']) {
    await soon(() => drawn(title)).toBeGreaterThan(0);
  }
  expect(await axeProblems(page)).toEqual([]);
});

test('tables, curves and sparsity are exported as they are in the database', async () => {
  const sparsity = await download(() => page.getByRole('button', { name: 'Export CSV' }).click());
  await visit('/compare?runs=quick-dense-1,quick-selfish-1');
  await page.getByRole('button', { name: 'Export' }).click();
  const curves = await download(() => page.getByRole('button', { name: /a line for each value/ }).click());
  await visit('/runs');
  const table = await download(() => page.getByRole('button', { name: 'Export CSV' }).click());
  inDatabase(home.run('quick-selfish-1'), (store) => {
    const stored = store.sparsity.rows('quick-selfish-1');
    expect(sparsity.map(({ update, layer, gate, active }) => [update, layer, gate, active])).toEqual(
      stored.map(({ update, layer, gate, active }) => [String(update), layer, gate ?? '', String(active)]),
    );
    for (const id of ['quick-dense-1', 'quick-selfish-1']) {
      const told = curves.filter(({ run: of, metric }) => of === id && metric === 'loss');
      expect(told.map(({ step, value }) => [Number(step), Number(value)])).toEqual(
        [...store.metrics.values(id, 'loss')].map(({ step, value }) => [step, value]),
      );
      const row = table.find((of) => of['id'] === id)!;
      expect(Number(row['test_perplexity'])).toBe(store.runs.get(id).progress.testPerplexity);
    }
  });
  await visit('/compare?runs=quick-dense-1');
  const [picture] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('region', { name: 'Validation perplexity' }).getByRole('button', { name: 'PNG' }).click(),
  ]);
  expect(picture.suggestedFilename()).toBe('validation-perplexity.png');
});

test('a run is made in the form, which says what it amounts to and what is wrong with it', async () => {
  await visit('/new?preset=quick-selfish');
  const facts = page.getByRole('region', { name: 'What it amounts to' });
  await facts.getByText(/^×0.330 of dense, forward$/).waitFor();
  expect(await axeProblems(page)).toEqual([]);
  await page.getByLabel('method.density', { exact: true }).fill('2');
  await page.getByText('method.density: 2 must be at most 1').first().waitFor();
  expect(await page.getByRole('button', { name: 'Start', exact: true }).isDisabled()).toBe(true);
  await page.getByLabel('method.density', { exact: true }).fill('[0.2, 0.4]');
  await page.getByRole('button', { name: 'Start 2 runs' }).waitFor();
  await page.getByLabel('method.density', { exact: true }).fill('0.2');
  await page.getByLabel('name', { exact: true }).fill('endless');
  await page.getByLabel('training.epochs', { exact: true }).fill('100000');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('heading', { name: 'endless' }).waitFor();
  await page.locator('header [data-state="running"]').waitFor();
  expect(inDatabase(home.run('endless-1'), ({ runs }) => runs.get('endless-1').config.method.density)).toBe(0.2);
});

test('a run is paused and goes on', slow, async () => {
  const step = () => inDatabase(home.run('endless-1'), ({ runs }) => runs.get('endless-1').progress.step);
  const shown = page.locator('.figures').getByText(/^step [\d,]+$/);
  await soon(async () => Number((await shown.textContent())?.replaceAll(/\D/g, ''))).toBeGreaterThan(20);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.locator('header [data-state="paused"]').waitFor();
  const paused = step();
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();
  await soon(step).toBeGreaterThan(paused);
});

test('a trainer that is killed leaves an interrupted run, which is resumed', slow, async () => {
  const trainer = trainerOf(home.run('endless-1'))!;
  process.kill(trainer, 'SIGKILL');
  await gone(trainer);
  await page.getByRole('region', { name: 'Interrupted' }).waitFor();
  await page.locator('header [data-state="interrupted"]').waitFor();
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();
  await page
    .getByText(/^Resumed from step/)
    .first()
    .waitFor();
});

test('a server that is killed and started again finds its pages waiting', slow, async () => {
  await server.end('SIGKILL');
  await page.locator('nav [data-state="lost"]').waitFor();
  await page.getByText('The workbench does not answer').waitFor();
  problems.length = 0; // the browser itself says that the socket is refused
  server = new Server(home, { port: Number(new URL(address).port) });
  await server.link();
  await page.locator('nav [data-state="connected"]').waitFor();
  await page.locator('header [data-state="interrupted"]').waitFor();
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.locator('header [data-state="running"]').waitFor();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.locator('header [data-state="stopped"]').waitFor();
  problems.length = 0;
});

test('a run that diverges says so, and what to do', slow, async () => {
  await visit(
    '/new?preset=quick-dense&set=name%3Ddiverging%3Boptimizer.learningRate%3D1000%3Boptimizer.weightDecay%3D1',
  );
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page
    .getByRole('region', { name: 'Failed' })
    .getByText(/training diverged at step/)
    .waitFor();
  await page.locator('header [data-state="failed"]').waitFor();
  await soon(() => drawn('Training loss')).toBeGreaterThan(0);
  const crosses = page.getByRole('img', { name: /NaN or infinite$/ });
  await soon(() => crosses.count()).toBeGreaterThan(0);
});

test('runs are named and tagged, moved to the trash, brought back and deleted for good', async () => {
  await page.getByText('Name, tags and notes').click();
  await page.getByRole('textbox', { name: 'Name' }).fill('a lesson');
  await page.getByRole('textbox', { name: 'Tags' }).fill('paper lesson');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'a lesson' }).waitFor();
  expect(inDatabase(home.run('diverging-1'), ({ runs }) => runs.get('diverging-1').tags)).toEqual(['lesson', 'paper']);
  await visit('/runs?filter=tag:paper');
  await page.getByRole('checkbox', { name: 'Select a lesson' }).check();
  await page.getByRole('button', { name: 'Move to trash' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await run('diverging-1').waitFor();
  await page.getByRole('checkbox', { name: 'Select a lesson' }).check();
  await page.getByRole('button', { name: 'Move to trash' }).click();
  await run('diverging-1').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Trash', exact: true }).click();
  await page.getByRole('button', { name: 'Delete a lesson for good' }).click();
  expect(await axeProblems(page)).toEqual([]);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
  await page.getByText(/deleted for good: .* freed/).waitFor();
  await page.getByText('The trash is empty.').waitFor();
  expect(inDatabase(home.run('diverging-1'), ({ runs }) => runs.has('diverging-1'))).toBe(false);
});

test(
  'a published table is queued row by row, and shows what it has come to beside what was published',
  slow,
  async () => {
    await visit('/tables?table=E10&seeds=1');
    const rows = page.locator('[data-row]');
    await soon(() => rows.count()).toBe(3);
    await page.getByText('0 of 3 runs finished, 36 epochs in all').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Queue quick runs' }).click();
    await page.getByText('3 queued, 0 resumed, 0 there already').waitFor();
    await page.locator('[data-row="fused"] [data-state="running"]').waitFor({ timeout: 2 * patienceMs });
    const ids = ['fused', 'fused-equal', 'per-gate'].map((row) => `e10-quick-${row}-1`);
    await page.getByRole('link', { name: 'seed 1: running' }).click();
    await page.getByRole('heading', { name: 'e10-quick-fused' }).waitFor();
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator('header [data-state="stopped"]').waitFor();
    await page.goBack();
    await page.locator('[data-row="fused"] [data-state="stopped"]').waitFor();
    const lines = await download(() => page.getByRole('button', { name: 'Export CSV' }).click());
    expect(lines.map(({ row, run: id }) => [row, id])).toEqual([
      ['fused', ids[0]],
      ['fused-equal', ids[1]],
      ['per-gate', ids[2]],
    ]);
    await page.getByText('Full', { exact: true }).click();
    await soon(() => rows.count()).toBe(6);
    await page.getByRole('button', { name: 'Queue full runs' }).click();
    await page.getByText('which is not here: "sparrow data fetch ptb" first').waitFor();
    await page.getByRole('combobox', { name: 'Table' }).selectOption('E1');
    await soon(() => page.locator('[data-row="lstm-selfish"]').textContent()).toContain('71.65');
    // What waits would be trained beside the tests that follow.
    process.env['SPARROW_HOME'] = home.path;
    const seat = (await attach())!;
    for (const id of ids.slice(1)) await seat.client.runs.stop({ id });
    seat.leave();
  },
);

test('a corpus is imported, offered to new runs, and deleted', async () => {
  await visit('/corpora');
  for (const part of ['train', 'valid', 'test']) {
    const file = join(home.path, `${part}.txt`);
    writeFileSync(file, 'the cat sat on the mat\nthe dog sat on the cat\n'.repeat(100));
    await page.getByPlaceholder(`/path/to/${part}.txt`).fill(file);
  }
  await page.getByRole('textbox', { name: 'Name' }).fill('cats');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  const row = page.getByRole('row', { name: /^cats imported/ });
  await row.getByRole('cell', { name: '1,400', exact: true }).first().waitFor(); // words of 200 lines, and their ends
  await visit('/new?preset=quick-dense&set=corpus.name%3Dcats');
  await page
    .getByRole('region', { name: 'What it amounts to' })
    .getByText(/of dense, forward$/)
    .waitFor();
  await visit('/corpora');
  await page.getByRole('button', { name: 'Delete cats' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText(/^cats deleted: .* freed$/).waitFor();
  await row.waitFor({ state: 'detached' });
});

test('a corpus is fetched from a mirror: how far it is, and why it is refused', async () => {
  const size = 100_000;
  const rest = Promise.withResolvers<undefined>();
  const asked: (string | undefined)[] = [];
  const mirror = await startServer(async (request, response) => {
    asked.push(request.url);
    response.writeHead(200, { 'content-length': size }).write('a'.repeat(size / 2));
    await rest.promise;
    response.end('b'.repeat(size / 2));
  });
  try {
    await visit('/corpora');
    await page.getByLabel('From').fill(`${mirror}texts`);
    await page.getByRole('button', { name: 'Fetch ptb' }).click();
    await page.getByText(/^Fetching ptb, train: 50.* of 100/).waitFor();
    expect(await page.getByRole('button', { name: 'Fetch ptb' }).isDisabled()).toBe(true);
    rest.resolve(undefined);
    await page
      .getByRole('alert')
      .getByText(/ptb\.train\.txt/)
      .waitFor();
    expect(asked).toEqual(['/texts/ptb.train.txt']);
    expect(await page.getByRole('button', { name: 'Fetch ptb' }).isEnabled()).toBe(true);
  } finally {
    rest.resolve(undefined);
  }
});

test('settings and corpora are there, in the dark as well', async () => {
  await visit('/settings');
  await page.getByText(home.path).waitFor();
  await page.getByText('Dark', { exact: true }).click();
  await soon(() => page.locator('html').getAttribute('data-theme')).toBe('dark');
  expect(await axeProblems(page)).toEqual([]);
  await visit('/corpora');
  await page.getByRole('button', { name: 'Fetch ptb' }).waitFor();
  expect(await axeProblems(page)).toEqual([]);
  await visit('/runs/quick-selfish-1');
  await soon(() => drawn('Validation perplexity')).toBeGreaterThan(0);
  expect(await axeProblems(page)).toEqual([]);
  await visit('/runs/no-such-run');
  await page.getByText('There is no run no-such-run here.').waitFor();
});
