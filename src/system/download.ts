import { createWriteStream, existsSync, rmSync, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UserError } from '../shared/errors.js';

export interface DownloadPatience {
  /** How long the server may be silent. */
  readonly idleMs?: number;
  /** How often a broken transfer is taken up again before giving up. */
  readonly retries?: number;
}

export interface DownloadOptions extends DownloadPatience {
  /** What to do about a server that refuses, as a sentence. */
  readonly remedy: string;
  /** Called as bytes come in; `total` where the server says how many there are. */
  readonly onProgress?: (received: number, total: number | undefined) => void;
  /** Ends it at once. */
  readonly signal?: AbortSignal;
}

/**
 * Brings a file to its end, continuing what an earlier transfer left.
 * @throws UserError where the server does not have it, or the connection breaks more often than it is taken up again
 */
export async function download(address: string, part: string, options: DownloadOptions): Promise<void> {
  const { retries = 3, signal } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      await transfer(address, part, options);
      return;
    } catch (error) {
      if (error instanceof UserError || signal?.aborted === true) throw error;
      if (attempt < retries) {
        await sleep(200 * 2 ** attempt);
        continue;
      }
      const kept =
        sizeOf(part) > 0 ? `; the ${sizeOf(part)} bytes that came are kept and the next fetch goes on from there` : '';
      throw new UserError(`cannot fetch ${address}: ${causeOf(error)}${kept}. Check the connection and fetch again`);
    }
  }
}

async function transfer(
  address: string,
  part: string,
  { onProgress, remedy, idleMs = 30_000, signal }: DownloadOptions,
): Promise<void> {
  const start = sizeOf(part);
  const silence = new AbortController();
  let timer = setTimeout(() => undefined, 0);
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silence.abort(new Error(`the server has been silent for ${idleMs / 1000} s`));
    }, idleMs);
  };
  listen();
  try {
    // Unchanged bytes are asked for, so that the length counts what is stored.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (start > 0) headers['range'] = `bytes=${start}-`;
    const ended = signal === undefined ? silence.signal : AbortSignal.any([silence.signal, signal]);
    const response = await fetch(address, { headers, signal: ended });
    if (response.status === 416) return; // it was whole already: its check will tell
    const answer = `${response.status} ${response.statusText}`.trim();
    if (response.status === 429 || response.status >= 500) throw new Error(`the server answers ${answer}`);
    if (!response.ok || response.body === null) {
      throw new UserError(`cannot fetch ${address}: the server answers ${answer}. ${remedy}`);
    }
    const resumed = response.status === 206;
    if (resumed && !response.headers.get('content-range')?.startsWith(`bytes ${start}-`)) {
      rmSync(part); // not the bytes that were asked for
      throw new Error('the server resumed at another place');
    }
    let received = resumed ? start : 0;
    const length = response.headers.get('content-length');
    const total = length === null ? undefined : received + Number(length);
    const counted = Readable.fromWeb(response.body).map((chunk: Uint8Array) => {
      listen();
      received += chunk.length;
      onProgress?.(received, total);
      return chunk;
    });
    await pipeline(counted, createWriteStream(part, { flags: resumed ? 'a' : 'w' }));
    if (total !== undefined && received < total)
      throw new Error(`the connection ended at byte ${received} of ${total}`);
  } finally {
    clearTimeout(timer);
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** What went wrong, in words: fetch says "fetch failed" and hides why in the cause. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
