import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { UserError } from '../../shared/errors.js';
import { LastWords } from '../trainers/last-words.js';
import { nodeOfStart } from '../trainers/plain-node.js';
import { electronBinary } from './electron-binary.js';
import { startedByNpm, windowIsOpen } from './start-signals.js';

const openMs = 60_000;

/**
 * Opens Electron's window in a process of its own, and stays until it is closed.
 * @param asked ends it
 * @returns its exit status
 * @throws UserError with cause and remedy where there is no display, no binary, or it ends before the window is open
 */
export async function showWindow(asked: AbortSignal, say: (text: string) => void): Promise<number> {
  if (!hasDisplay(process.platform, process.env)) {
    throw new UserError('there is no display for a window: neither DISPLAY nor WAYLAND_DISPLAY is set');
  }
  const binary = await electronBinary(asked, say);
  const child = spawn(binary, [join(import.meta.dirname, '../..')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [startedByNpm]: '1', [nodeOfStart]: process.execPath, ELECTRON_RUN_AS_NODE: undefined },
  });
  const end = () => child.kill('SIGTERM');
  asked.addEventListener('abort', end);
  if (asked.aborted) end();
  const words = new LastWords();
  child.stderr.on('data', (chunk: Buffer) => {
    words.add(chunk);
    process.stderr.write(chunk);
  });
  const closed = new Promise<string | number>((resolve) => {
    child.once('error', ({ message }) => {
      resolve(message);
    });
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 1);
    });
  });
  const open = new Promise<'open'>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === windowIsOpen) resolve('open');
    });
  });
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<string>((resolve) => {
    late = setTimeout(resolve, openMs, `no window within ${openMs / 1000} seconds`);
  });
  const how = await Promise.race([open, closed, tooLate]);
  clearTimeout(late);
  if (how !== 'open' && how !== 0) {
    child.kill('SIGKILL');
    throw new UserError(whyNot(typeof how === 'number' ? `exit status ${how}` : how, words.text));
  }
  const status = await closed;
  return typeof status === 'number' ? status : 1;
}

/** Elsewhere than on Unix there always is one. */
export function hasDisplay(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): boolean {
  if (platform === 'win32' || platform === 'darwin') return true;
  return Boolean(environment['DISPLAY']) || Boolean(environment['WAYLAND_DISPLAY']);
}

/** What is known to keep Electron from starting, and what helps. */
const remedies: readonly [RegExp, string][] = [
  [/running as root without --no-sandbox/i, 'start it as a user who is not root'],
  [
    /sandbox|user namespace/i,
    'allow programs to have user namespaces ("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" on Ubuntu)',
  ],
  [/error while loading shared libraries/i, 'install the library that it names'],
  [/cannot open display|missing x server|ozone_platform/i, 'start it in a graphical session, or set DISPLAY to one'],
];

/** One line with cause and remedy. */
function whyNot(how: string, words: string): string {
  const remedy = remedies.find(([pattern]) => pattern.test(words))?.[1] ?? 'what it said may tell why';
  return `Electron's window did not open (${how}${words === '' ? '' : `, after saying: ${words}`}): ${remedy}`;
}
