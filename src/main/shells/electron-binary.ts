import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UserError } from '../../shared/errors.js';

/** A hundred megabytes on a slow line. Where nothing answers at all it is given up much sooner. */
const fetchMs = 10 * 60 * 1000;
const silenceMs = 15_000;
const releases = 'https://github.com/electron/electron/releases/';

/**
 * Path of Electron's binary, which is no part of its package and is fetched when it is first needed.
 * @param asked ends the attempt
 * @throws UserError with cause and remedy where it cannot be
 */
export async function electronBinary(asked: AbortSignal, say: (text: string) => void): Promise<string> {
  const there = findBinary();
  if (there !== undefined) return there;
  say('fetching Electron for the window; this happens once');
  await fetchBinary(asked);
  const fetched = findBinary();
  if (fetched === undefined) throw new UserError('Electron was fetched and is not there: delete node_modules/electron');
  return fetched;
}

/** Path of the binary if it is here, as the `electron` package finds it, which cannot be asked: it would fetch at once, and without a bound. */
export function findBinary(): string | undefined {
  const folder = packageFolder();
  const overridden = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  const named = join(folder, 'path.txt');
  const name = existsSync(named) ? readFileSync(named, 'utf8') : 'electron';
  const path = join(overridden ?? join(folder, 'dist'), name);
  return existsSync(path) ? path : undefined;
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('electron/package.json'));
  } catch {
    throw new UserError('the electron package is not installed: "npm install electron" brings it');
  }
}

async function fetchBinary(asked: AbortSignal): Promise<void> {
  const child = spawn(process.execPath, [join(packageFolder(), 'install.js')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: asked,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', ({ message }) => {
      resolve(message);
    });
    child.once('close', (code) => {
      resolve(code === 0 ? undefined : reasonIn(said));
    });
  });
  const bound = new AbortController();
  const late = async (ms: number, reason: string) => {
    await sleep(ms, undefined, { signal: bound.signal });
    return reason;
  };
  const trouble = networkTrouble();
  const failed = await Promise.race([
    ended,
    late(fetchMs, `it took longer than ${fetchMs / 60_000} minutes`),
    // What was fetched before is found without the network.
    trouble.then((cause) => (cause === undefined ? ended : late(silenceMs, cause))),
  ]).finally(() => {
    bound.abort();
    child.kill('SIGKILL');
  });
  if (failed === undefined) return;
  throw new UserError(
    `Electron could not be fetched (${(await trouble) ?? failed}): where a mirror has it, set ELECTRON_MIRROR; where you have it ` +
      'unpacked, set ELECTRON_OVERRIDE_DIST_PATH to its folder',
  );
}

/** Why nobody answers where Electron is to be had, if so. */
async function networkTrouble(): Promise<string | undefined> {
  const from = process.env['ELECTRON_MIRROR'] ?? releases;
  try {
    await fetch(from, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
    return undefined;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return `${from}: ${messageOf(cause)}`;
  }
}

/** The line of a stack that says what happened. */
function reasonIn(stack: string): string {
  return stack.trim().split('\n', 1)[0].slice(0, 200);
}
