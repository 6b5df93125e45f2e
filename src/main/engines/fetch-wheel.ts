import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { messageOf, UserError } from '../../shared/errors.js';
import { causeOf, download } from '../../system/download.js';
import type { Wheel } from './wheels.js';

export interface WheelSources {
  /** Programs that may be a Python with pip, which knows its user's mirrors and proxies; none to leave it out. */
  readonly pythons: readonly string[];
  /** Where packages are listed, with a slash at the end. */
  readonly index: string;
}

export const usualSources: WheelSources = { pythons: ['python3', 'python'], index: 'https://pypi.org/simple/' };

export interface FetchWheelOptions {
  readonly say: (text: string) => void;
  readonly onProgress?: (file: string, received: number, total: number | undefined) => void;
  readonly signal: AbortSignal;
}

const remedy = 'Try again later';
const pipPatienceMs = 60 * 60_000;

/**
 * Brings a wheel into a folder, by pip where that can, else from the index.
 * @returns its path
 * @throws UserError where it cannot be had, or is not the wheel that is pinned; then it is deleted
 */
export async function fetchWheel(
  wheel: Wheel,
  folder: string,
  sources: WheelSources,
  options: FetchWheelOptions,
): Promise<string> {
  const path = join(folder, wheel.file);
  const reason = await byPip(wheel, folder, sources.pythons, options);
  if (!existsSync(path)) {
    options.say(`${reason}; taking ${wheel.file} from ${new URL(sources.index).host}`);
    await fromIndex(wheel, path, sources.index, options);
  }
  const sha256 = await hashOf(path);
  if (sha256 === wheel.sha256) return path;
  rmSync(path);
  throw new UserError(
    `${wheel.file} is not what Sparrow was tested with: its SHA-256 is ${sha256}, expected ${wheel.sha256}. ` +
      'Nothing was installed; look at where your packages come from',
  );
}

/** Returns why there is no wheel, if there is none. */
async function byPip(
  { project, version, file }: Wheel,
  folder: string,
  pythons: WheelSources['pythons'],
  { say, signal }: FetchWheelOptions,
): Promise<string> {
  const [, , python, abi, platforms] = file.replace(/\.whl$/, '').split('-');
  const tags = platforms.split('.').flatMap((platform) => ['--platform', platform]);
  const interpreter = python.startsWith('cp')
    ? ['--implementation', 'cp', '--python-version', python.replace(/^cp(\d)/, '$1.'), '--abi', abi]
    : [];
  const what = ['--no-deps', '--only-binary', ':all:', ...interpreter, ...tags, '--dest', folder];
  const quietly = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries', '0'];
  let reason = 'no Python was found';
  for (const program of pythons) {
    try {
      say(`asking pip for ${project} ${version}`);
      await promisify(execFile)(program, ['-m', 'pip', 'download', ...quietly, ...what, `${project}==${version}`], {
        signal,
        timeout: pipPatienceMs,
        killSignal: 'SIGKILL',
        maxBuffer: 1 << 24,
      });
      return `pip brought another file than ${file}`;
    } catch (error) {
      signal.throwIfAborted();
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : '';
      reason = `pip cannot (${said === '' || said === undefined ? messageOf(error).split('\n')[0] : said})`;
    }
  }
  return reason;
}

/** What an index says of a project (PEP 691). */
const listing = z.object({ files: z.array(z.object({ filename: z.string(), url: z.string() })) });

async function fromIndex(
  { project, file }: Wheel,
  path: string,
  index: string,
  { onProgress, signal }: FetchWheelOptions,
): Promise<void> {
  const page = new URL(`${project}/`, index);
  const address = await addressOf(page, file, signal);
  await download(address, path, {
    remedy,
    signal,
    ...(onProgress === undefined
      ? {}
      : {
          onProgress: (received, total) => {
            onProgress(file, received, total);
          },
        }),
  });
}

async function addressOf(page: URL, file: string, signal: AbortSignal): Promise<string> {
  let answer: unknown;
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
    const headers = { accept: 'application/vnd.pypi.simple.v1+json' };
    const response = await fetch(page, { headers, signal: patience });
    if (!response.ok) throw new Error(`it answers ${response.status} ${response.statusText}`.trim());
    answer = await response.json();
  } catch (error) {
    signal.throwIfAborted();
    throw new UserError(`cannot read ${page.href}: ${causeOf(error)}. Check the connection and try again`);
  }
  const found = listing.safeParse(answer).data?.files.find(({ filename }) => filename === file);
  if (found === undefined) throw new UserError(`${page.href} does not list ${file}. ${remedy}`);
  return new URL(found.url, page).href;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
