import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { routerOf } from '../../src/main/contract/router.js';
import { serveOver } from '../../src/main/contract/serve.js';
import { WebServer } from '../../src/main/shells/web/server.js';
import { Sessions } from '../../src/main/shells/web/sessions.js';
import type { Message } from '../../src/shared/contract/wire.js';
import { desk } from '../unit/support/desk.js';
import { Home } from '../support/sparrow.js';
import { openBrowser, openPage, Server } from './support/window.js';

/** The preload, as the page sees it; what goes over the port is told to the test. It runs before the page does. */
const preload = `
  const ports = [];
  window.cut = () => ports.at(-1).close();
  window.answer = (message) => ports.at(-1).postMessage(message);
  window.sparrow = {
    askForPort: () => {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      port1.onmessage = ({ data }) => window.ask(data, ports.length);
      window.postMessage('stranger', '/', [new MessageChannel().port1]);
      window.postMessage('sparrow-port', '/', [port2]);
    },
    openLink: () => undefined,
    pathOf: () => '/x',
  };
`;

test('the page speaks over a message port as in Electron, and asks for another one when it is closed', async () => {
  const { workbench, trainers } = desk();
  // Electron has on what Chromium has behind a switch: a port tells when its other end is closed.
  const browser = await openBrowser('--enable-blink-features=MessagePortCloseEvent');
  const server = await WebServer.start({
    port: 0,
    folder: join(import.meta.dirname, '../../out/renderer'),
    sessions: new Sessions(Buffer.alloc(32)),
    admit: () => {
      throw new Error('a page that has a preload opens no WebSocket');
    },
  });
  onTestFinished(async () => {
    await browser.close();
    await server.close();
  });
  const { page, problems } = await openPage(await browser.newContext());
  const owners = new Map<number, (message: Message) => void>();
  await page.exposeFunction('ask', (message: string, port: number) => {
    if (!owners.has(port)) {
      const wire = {
        send: (answer: Message) =>
          void page.evaluate(`window.answer(${JSON.stringify(answer)})`).catch(() => undefined),
        onMessage: (listener: (message: Message) => void) => owners.set(port, listener),
        onClose: () => undefined,
        close: () => undefined,
      };
      serveOver(wire, routerOf(workbench, '1.0.0'));
    }
    owners.get(port)!(message);
  });
  await page.addInitScript(preload);
  await page.goto(new URL(server.link).origin);
  await page.getByText('No runs yet.').waitFor();
  await page.locator('nav [data-state="connected"]').waitFor();
  expect(owners.size).toBe(1);

  await page.evaluate('window.cut()');
  await expect.poll(() => owners.size, { timeout: 60_000 }).toBe(2);
  await page.locator('nav [data-state="connected"]').waitFor();
  workbench.commands.create([{ name: 'seen' }], 0);
  expect(trainers.all).toHaveLength(1);
  await page.locator('[data-run="seen-1"]').waitFor();
  expect(problems).toEqual([]);
}, 300_000);

test('a tab opened beside an open one needs no link; a used link elsewhere says what to do; the token is gone from sight', async () => {
  const home = new Home();
  const browser = await openBrowser();
  const server = new Server(home);
  onTestFinished(async () => {
    await browser.close();
    await server.end();
    await home.end();
    home.remove();
  });
  const link = await server.link();
  const { origin } = new URL(link);
  const context = await browser.newContext();
  const first = await openPage(context);
  await first.page.goto(link);
  await first.page.locator('nav [data-state="connected"]').waitFor();
  expect(first.page.url()).not.toContain('token');
  expect(await first.page.evaluate('document.cookie')).toBe('');
  await first.page.reload();
  await first.page.locator('nav [data-state="connected"]').waitFor();

  const beside = await openPage(context);
  await beside.page.goto(`${origin}/#/settings`);
  await beside.page.locator('nav [data-state="connected"]').waitFor();
  expect(first.problems).toEqual([]);
  expect(beside.problems).toEqual([]);

  const elsewhere = await openPage(await browser.newContext());
  await elsewhere.page.goto(link);
  await elsewhere.page.getByText('this link has been used').first().waitFor();
  const stolen = await elsewhere.page.evaluate(
    (address) => fetch(`${address}/session`, { method: 'POST', body: '{}', mode: 'no-cors' }).then(String, String),
    origin.replace('127.0.0.1', 'localhost'),
  );
  expect(stolen).toMatch(/TypeError/); // not even tried: the page's policy
}, 300_000);
