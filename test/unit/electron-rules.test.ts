import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session, WebContents } from 'electron';
import { expect, onTestFinished, test, vi } from 'vitest';
import builder from '../../electron-builder.cjs';
import { closingQuestion } from '../../src/main/shells/electron/closing.js';
import { guardContents, guardSession, openLink } from '../../src/main/shells/electron/guards.js';
import { answerPage } from '../../src/main/shells/electron/page.js';
import * as rules from '../../src/main/shells/electron/rules.js';
import { contentSecurityPolicy } from '../../src/main/shells/page/policy.js';

const strangers = [
  ...[
    'https://evil.example/',
    'http://sparrow/',
    'sparrow://other/index.html',
    'sparrow://app.evil/',
    'sparrow://app:1/',
  ],
  ...['sparrow://user@app/', 'file:///etc/passwd', 'about:blank', 'data:text/html,x', 'javascript:alert(1)', '', 'x'],
];

test('our page is what our scheme shows, and nothing else', () => {
  for (const url of [rules.pageUrl, 'sparrow://app/index.html#/runs', 'sparrow://app', 'SPARROW://app/']) {
    expect({ url, is: rules.isOurPage(url) }).toEqual({ url, is: true });
  }
  for (const url of strangers) expect({ url, is: rules.isOurPage(url) }).toEqual({ url, is: false });
});

test('the page has no Node, no plugins, and a sandbox', () => {
  expect(rules.webPreferences).toMatchObject({
    ...{ contextIsolation: true, sandbox: true, webSecurity: true, nodeIntegration: false, webviewTag: false },
    ...{ nodeIntegrationInWorker: false, nodeIntegrationInSubFrames: false, allowRunningInsecureContent: false },
  });
  expect(rules.schemePrivileges).not.toHaveProperty('bypassCSP');
  expect(rules.schemePrivileges).not.toHaveProperty('allowServiceWorkers');
});

test('only the window itself is listened to, while it shows our page', () => {
  const main = { url: rules.pageUrl };
  expect(rules.isOurSender(main, main)).toBe(true);
  expect(rules.isOurSender({ url: rules.pageUrl }, main)).toBe(false); // a frame inside
  expect(rules.isOurSender(null, main)).toBe(false);
  for (const url of strangers) {
    const elsewhere = { url };
    expect(rules.isOurSender(elsewhere, elsewhere)).toBe(false);
  }
});

test('only encrypted links to the web are opened outside', () => {
  const openExternal = vi.fn(() => Promise.resolve());
  const refused = [
    ...['http://example.org/', 'file:///etc/passwd', 'smb://host/share', 'javascript:alert(1)', 'sparrow://app/'],
    ...[
      'https://user:password@example.org/',
      `https://example.org/${'x'.repeat(2000)}`,
      'mailto:a@b.c',
      '',
      7,
      null,
      {},
    ],
  ];
  for (const url of refused) openLink(url, { openExternal });
  expect(openExternal).not.toHaveBeenCalled();
  openLink('https://example.org/a?b#c', { openExternal });
  expect(openExternal.mock.calls).toEqual([['https://example.org/a?b#c']]);
});

/** The contents of a window that shows a page, under guard. */
function guarded(url: string) {
  const contents = new EventEmitter();
  const openExternal = vi.fn(() => Promise.resolve());
  let open: ((details: { url: string }) => { action: string }) | undefined;
  const made = Object.assign(contents, {
    getURL: () => url,
    setWindowOpenHandler: (handler: typeof open) => (open = handler),
  });
  guardContents(made as unknown as WebContents, { openExternal });
  const prevented = (event: string, details: object): boolean => {
    const preventDefault = vi.fn();
    contents.emit(event, { ...details, preventDefault });
    return preventDefault.mock.calls.length > 0;
  };
  return { prevented, openExternal, open: open! };
}

test('a window stays where it is, holds no other page, and opens none', () => {
  const { prevented, open, openExternal } = guarded(rules.pageUrl);
  expect(prevented('will-frame-navigate', { url: rules.pageUrl, isMainFrame: true })).toBe(false);
  expect(prevented('will-frame-navigate', { url: rules.pageUrl, isMainFrame: false })).toBe(true);
  for (const url of strangers) expect(prevented('will-frame-navigate', { url, isMainFrame: true })).toBe(true);
  expect(prevented('will-redirect', { url: rules.pageUrl })).toBe(true);
  expect(prevented('will-attach-webview', {})).toBe(true);
  for (const url of [...strangers, rules.pageUrl]) expect(open({ url })).toEqual({ action: 'deny' });
  expect(openExternal.mock.calls).toEqual([['https://evil.example/']]); // in the person's browser
  const elsewhere = guarded('https://evil.example/');
  expect(elsewhere.open({ url: 'https://example.org/' })).toEqual({ action: 'deny' });
  expect(elsewhere.openExternal).not.toHaveBeenCalled();
});

test('permissions, devices and downloads are refused, but for copying and what the page makes itself', () => {
  const handlers: Record<string, (...args: unknown[]) => unknown> = {};
  const take = (name: string) => (handler: (...args: unknown[]) => unknown) => (handlers[name] = handler);
  guardSession({
    setPermissionRequestHandler: take('request'),
    setPermissionCheckHandler: take('check'),
    setDevicePermissionHandler: take('device'),
    on: (name: string, handler: (...args: unknown[]) => unknown) => (handlers[name] = handler),
  } as unknown as Session);
  const granted = (permission: string, requestingUrl: string): unknown => {
    const answer = vi.fn();
    handlers['request'](null, permission, answer, { requestingUrl });
    expect(answer).toHaveBeenCalledTimes(1);
    expect(handlers['check'](null, permission, requestingUrl)).toBe(answer.mock.calls[0][0]);
    return answer.mock.calls[0][0];
  };
  for (const permission of [
    'media',
    'geolocation',
    'notifications',
    'clipboard-read',
    'openExternal',
    'fileSystem',
    'hid',
  ]) {
    expect(granted(permission, rules.pageUrl)).toBe(false);
  }
  expect(granted('clipboard-sanitized-write', 'sparrow://app/')).toBe(true);
  for (const url of strangers) expect(granted('clipboard-sanitized-write', url)).toBe(false);
  expect(handlers['device']({ deviceType: 'usb' })).toBe(false);
  const downloads = (url: string): boolean => {
    const preventDefault = vi.fn();
    handlers['will-download']({ preventDefault }, { getURL: () => url });
    return preventDefault.mock.calls.length === 0;
  };
  expect(downloads('blob:sparrow://app/6fd1')).toBe(true);
  expect(downloads('data:text/csv,a')).toBe(true);
  for (const url of ['blob:https://evil.example/1', 'https://evil.example/x.exe', 'file:///etc/passwd']) {
    expect(downloads(url)).toBe(false);
  }
});

test('the scheme shows files of the page under its policy, and nothing outside', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'sparrow-scheme-'));
  onTestFinished(() => {
    rmSync(parent, { recursive: true });
  });
  writeFileSync(join(parent, 'index.html'), '<title>Sparrow</title>');
  const ask = (url: string, method = 'GET') => answerPage(parent, { url, method });
  const page = await ask(rules.pageUrl);
  expect([page.status, await page.text()]).toEqual([200, '<title>Sparrow</title>']);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('content-security-policy')).toBe(contentSecurityPolicy);
  const secret = join(parent, '..', `${parent.split('/').at(-1)}-secret.txt`);
  writeFileSync(secret, 'secret');
  onTestFinished(() => {
    rmSync(secret);
  });
  const name = secret.split('/').at(-1)!;
  for (const path of [
    `../${name}`,
    `..%2f${name}`,
    `%2e%2e/${name}`,
    `..%5c${name}`,
    `/${name}`,
    '%00',
    'missing.js',
  ]) {
    expect({ path, status: (await ask(`sparrow://app/${path}`)).status }).toEqual({ path, status: 404 });
  }
  for (const url of strangers) expect((await ask(url)).status).toBe(403);
  expect((await ask(rules.pageUrl, 'POST')).status).toBe(405);
});

test('who closes the window is asked where runs are being trained, and told what becomes of them', () => {
  expect(closingQuestion([])).toBeUndefined();
  const one = closingQuestion(['owl'])!;
  expect(one.message).toBe('owl is being trained.');
  expect(one.detail).toMatch(/checkpoint of it\. .* it waits at the head of the queue, and then goes on from there\.$/);
  expect(one.buttons?.[one.cancelId]).toBe('Keep training');
  const two = closingQuestion(['owl', 'wren'])!;
  expect(two.message).toBe('owl, wren are being trained.');
  expect(two.detail).toMatch(
    /checkpoint of them\. .* they wait at the head of the queue, and then go on from there\.$/,
  );
});

test('what Electron could do besides is burnt out of its binary', () => {
  expect(builder.electronFuses).toEqual({
    runAsNode: true, // corpus processes and some engines need it
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    onlyLoadAppFromAsar: true,
    enableEmbeddedAsarIntegrityValidation: true,
    enableCookieEncryption: true,
    grantFileProtocolExtraPrivileges: false,
  });
  expect(builder.asar).toBe(true);
});
