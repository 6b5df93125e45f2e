import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../shared/errors.js';
import { download, type DownloadPatience } from '../../system/download.js';
import { ProcessLock } from '../../system/process-lock.js';
import type { CatalogueEntry, Checks } from './catalogue.js';
import { splits, type Split } from './corpus.js';
import { addCorpus, corpusRecord, describeCorpus, type CorpusRecord, type SourceText } from './library.js';

export interface FetchOptions extends DownloadPatience {
  /** Another place with the same files, instead of the catalogue's address. */
  readonly from?: string;
  /** Called as bytes come in; `total` where the server says how many there are. */
  readonly onProgress?: (progress: { split: Split; received: number; total: number | undefined }) => void;
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
      await download(address, part, {
        ...options,
        remedy: 'Try again later, or from another address (--from)',
        onProgress: (received, total) => options.onProgress?.({ split, received, total }),
      });
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
