// The Chromium that browser tests, pictures and the measurement of the window are made with: one that is there, or one that is
// installed on the way.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const known = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
const boundMs = 5 * 60 * 1000;

/**
 * Path of a Chromium: the one that CHROMIUM names, one that is installed, Playwright's, or Debian's.
 * @throws where there is none and none can be installed, with what was tried
 */
export async function findChromium() {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new Error(`CHROMIUM: there is no ${named}`);
  }
  const there = known.find((path) => existsSync(path));
  if (there !== undefined) return there;
  const { chromium } = await import('playwright-core');
  if (existsSync(chromium.executablePath())) return chromium.executablePath();
  const tried = [];
  for (const [program, ...args] of installers()) {
    const { status, stderr, error } = spawnSync(program, args, {
      encoding: 'utf8',
      timeout: boundMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    const found = [...known, chromium.executablePath()].find((path) => existsSync(path));
    if (found !== undefined) return found;
    tried.push(`${[program, ...args].join(' ')}: ${error?.message ?? stderr?.trim().split('\n').at(-1) ?? status}`);
  }
  throw new Error(
    `no Chromium is here and none could be installed; name one with CHROMIUM. Tried: ${tried.join('; ')}`,
  );
}

function installers() {
  const cli = join(dirname(createRequire(import.meta.url).resolve('playwright-core/package.json')), 'cli.js');
  const byPlaywright = [process.execPath, cli, 'install', 'chromium'];
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return [byPlaywright];
  return [
    ['/usr/bin/apt-get', 'install', '-y', '-q', 'chromium'],
    ['/bin/sh', '-c', 'apt-get update -q && apt-get install -y -q chromium'],
    byPlaywright,
  ];
}

/** How it is started: quietly, alone, and as root without the sandbox that root cannot have. */
export const chromiumArguments = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-sync',
  '--no-first-run',
  '--mute-audio',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];
