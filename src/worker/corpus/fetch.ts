import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UserError } from '../../shared/errors.js';
import { ProcessLock } from '../../system/process-lock.js';
import type { CatalogueEntry, Checks } from './catalogue.js';
import { splits, type Split } from './corpus.js';
import { addCorpus, corpusRecord, describeCorpus, type CorpusRecord, type SourceText } from './library.js';

export interface FetchOptions {
  /** Another place with the same files, instead of the catalogue's address. */
  readonly from?: string;
  /** Called as bytes come in; `total` where the server says how many there are. */
  readonly onProgress?: (progress: { split: Split; received: number; total: number | undefined }) => void;
  /** How long the server may be silent. */
  readonly idleMs?: number;
  /** How often a broken transfer is taken up again before giving up. */
  readonly retries?: number;
}

/**
 * Fetches a corpus into a folder of corpora. A transfer that breaks is resumed where it stopped, in this call or the next
 * one; nothing enters the library before every file is whole and the published one.
 *
 * @throws UserError where the network fails or a file is not the published one
 */
export async function fetchCorpus(
  folder: string,
  name: string,
  entry: CatalogueEntry,
  options: FetchOptions = {},
): Promise<CorpusRecord> {
  const present = corpusRecord(folder, name);
  if (present?.origin === 'fetched') return present;
  if (present !== undefined) {
    throw new UserError(
      `there is a corpus ${name} already that was imported: delete ${join(folder, name)} to fetch the published one`,
    );
  }
  const parts = join(folder, `.fetching-${name}`);
  mkdirSync(parts, { recursive: true });
  const lock = new ProcessLock(join(parts, 'lock'), `corpus ${name}`);
  try {
    const base = withSlash(options.from ?? entry.base);
    const sources = new Map<Split, SourceText>();
    for (const split of splits) {
      const { path, checks } = entry.files[split];
      const address = addressOf(path, base);
      const part = join(parts, `${split}.part`);
      await download(address, part, (received, total) => options.onProgress?.({ split, received, total }), options);
      const bytes = readFileSync(part);
      verify(bytes, checks, address, part);
      sources.set(split, { bytes, from: address });
    }
    const texts = { train: sources.get('train')!, valid: sources.get('valid')!, test: sources.get('test')! };
    const record = describeCorpus(name, 'fetched', texts);
    checkCounts(record, entry);
    addCorpus(folder, record, texts);
    rmSync(parts, { recursive: true, force: true });
    return record;
  } finally {
    lock.release();
  }
}

/** The published counts: a difference means that we do not split words as everybody else does. */
function checkCounts(record: CorpusRecord, entry: CatalogueEntry): void {
  for (const split of splits) {
    const [ours, published] = [record.files[split], entry.files[split]];
    if (ours.lines === published.lines && ours.tokens === published.tokens) continue;
    const counts = `${ours.lines} lines and ${ours.tokens} words, expected ${published.lines} and ${published.tokens}`;
    throw new UserError(`${record.name}: the ${split} text has ${counts}`);
  }
  if (record.vocabulary !== entry.vocabulary) {
    throw new UserError(`${record.name} has ${record.vocabulary} different words, expected ${entry.vocabulary}`);
  }
}

function withSlash(base: string): string {
  return base.endsWith('/') ? base : `${base}/`;
}

function addressOf(path: string, base: string): string {
  const address = URL.canParse(path, base) ? new URL(path, base) : undefined;
  if (address === undefined || !['http:', 'https:'].includes(address.protocol)) {
    throw new UserError(`${base} is not an http or https address`);
  }
  return address.href;
}

/** Brings a file to its end, continuing what an earlier transfer left. */
async function download(
  address: string,
  part: string,
  onProgress: (received: number, total: number | undefined) => void,
  { retries = 3, idleMs = 30_000 }: FetchOptions,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await transfer(address, part, onProgress, idleMs);
      return;
    } catch (error) {
      if (error instanceof UserError) throw error;
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
  onProgress: (received: number, total: number | undefined) => void,
  idleMs: number,
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
    const response = await fetch(address, { headers, signal: silence.signal });
    if (response.status === 416) return; // it was whole already: its check will tell
    const answer = `${response.status} ${response.statusText}`.trim();
    if (response.status === 429 || response.status >= 500) throw new Error(`the server answers ${answer}`);
    if (!response.ok || response.body === null) {
      throw new UserError(
        `cannot fetch ${address}: the server answers ${answer}. Try again later, or from another address (--from)`,
      );
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
      onProgress(received, total);
      return chunk;
    });
    await pipeline(counted, createWriteStream(part, { flags: resumed ? 'a' : 'w' }));
    if (total !== undefined && received < total)
      throw new Error(`the connection ended at byte ${received} of ${total}`);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws UserError where the bytes are not the published file; then they are deleted, too */
function verify(bytes: Uint8Array, checks: Checks, address: string, part: string): void {
  const actual: Required<Checks> = {
    sha256: digest('sha256', bytes),
    md5: digest('md5', bytes),
    gitBlob: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
  };
  const names: Record<keyof Checks, string> = { sha256: 'SHA-256', md5: 'MD5', gitBlob: 'git blob id' };
  for (const check of Object.keys(names) as (keyof Checks)[]) {
    const expected = checks[check];
    if (expected === undefined || expected === actual[check]) continue;
    rmSync(part, { force: true });
    throw new UserError(
      `${address} is not the published file: its ${names[check]} is ${actual[check]}, expected ${expected}. ` +
        'It has been deleted; fetch again, or from another address (--from)',
    );
  }
}

function digest(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** fetch says "fetch failed" and hides why in the cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}
