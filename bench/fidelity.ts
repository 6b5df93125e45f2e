import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { corporaFolder, databaseFile } from '../src/main/data-folder.js';
import { openReadable } from '../src/main/store/open.js';
import { messageOf } from '../src/shared/errors.js';
import { presetNamed } from '../src/shared/presets.js';
import { applySettings, differences, parseRunConfig, type RunConfig } from '../src/shared/run-config.js';
import type { RunEvent } from '../src/shared/run-events.js';
import { curves, fidelityTables, summariseMethod, type Outcome } from './fidelity-table.js';
import { updatePage } from './markdown.js';
import { published, source, type Method } from './published.js';

/** This file is bundled into out/main. */
const project = join(import.meta.dirname, '..', '..');
const home = join(project, 'out', 'fidelity');
const corpus = 'mini-ptb';
/** More than fifteen epochs have. */
const mostEvents = 100_000;

/**
 * `npm run fidelity [-- --seeds 1,2,3 --methods static,selfish,dense --threads N]`: trains the presets mini-ptb-* in a data folder of its
 * own, out/fidelity, and says how far they are from the published implementation. Runs that are there are resumed, or taken as they are
 * if they are finished. All seeds of all methods write docs/fidelity.md.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      methods: { type: 'string', default: Object.keys(published).join(',') },
      threads: { type: 'string', default: '0' },
    },
  });
  const seeds = values.seeds.split(',').map((text) => whole('seeds', text, 1));
  const methods = values.methods.split(',').map(methodNamed);
  const threads = whole('threads', values.threads, 0);
  process.env['SPARROW_HOME'] = home; // of the commands, too
  await bringCorpus();
  const outcomes: Outcome[] = [];
  for (const method of methods) for (const seed of seeds) outcomes.push(await outcomeOf(method, seed, threads));

  process.stdout.write(fidelityTables(outcomes));
  const expected = Object.values(published).reduce((sum, { bySeed }) => sum + bySeed.length, 0);
  const known = outcomes.filter(({ method, seed }) => seed <= published[method].bySeed.length);
  if (outcomes.length === expected && known.length === expected) {
    const date = new Date().toISOString().slice(0, 10);
    const measured = `Written by \`npm run fidelity\` on ${date}.\n\n${fidelityTables(outcomes)}\n${curves(outcomes)}`;
    say(`written: ${updatePage(project, 'fidelity.md', measured)}`);
  }
  if (methods.some((method) => !summariseMethod(method, outcomes).holds)) process.exitCode = 1;
}

/** The result of a run, which is trained, or trained to its end, unless it is there. */
async function outcomeOf(method: Method, seed: number, threads: number): Promise<Outcome> {
  const preset = `mini-ptb-${method}`;
  const config = parseRunConfig(applySettings(presetNamed(preset).config, [`seed=${seed}`]));
  let run = runOf(config);
  if (run === undefined) {
    const settings = [`seed=${seed}`, `device.threads=${threads}`].flatMap((setting) => ['--set', setting]);
    await follow(['train', '--preset', preset, '--name', `${preset} seed ${seed}`, ...settings, '--json']);
  } else if (run.events.at(-1)?.type !== 'finished') {
    await follow(['resume', run.id, '--threads', String(threads), '--json']);
  }
  run = runOf(config);
  const last = run?.events.at(-1);
  if (run === undefined || last?.type !== 'finished') throw new Error(`${preset}, seed ${seed}, is not finished`);
  const evaluations = run.events.filter((event) => event.type === 'evaluation');
  return { method, seed, validation: evaluations.map(({ perplexity }) => perplexity), test: last.testPerplexity };
}

/** A run with this configuration, wherever it was computed and whatever it is called. */
function runOf(config: RunConfig): { id: string; events: RunEvent[] } | undefined {
  if (!existsSync(databaseFile())) return undefined;
  const store = openReadable(databaseFile());
  try {
    const found = store.runs
      .list()
      .runs.find((run) =>
        differences(run.config, config).every(({ field }) => field === 'name' || field.startsWith('device.')),
      );
    if (found === undefined) return undefined;
    const events = store.events.of(found.id, { limit: mostEvents }).map(({ event }) => event);
    return { id: found.id, events };
  } finally {
    store.close();
  }
}

/** Runs a command that tells events as JSON lines, and tells those of evaluations. */
async function follow(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'sparrow.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<string>((resolve) => {
    child.on('close', (code, signal) => {
      resolve(code === 0 ? '' : (signal ?? `status ${code}`));
    });
  });
  for await (const line of createInterface(child.stdout)) {
    const event = JSON.parse(line) as { type: string; run: string; epoch: number; perplexity: number };
    if (event.type !== 'evaluation') continue;
    say(`${event.run}, epoch ${event.epoch}: validation perplexity ${event.perplexity.toFixed(1)}`);
  }
  const how = await ended;
  if (how !== '') throw new Error(`sparrow ${args.join(' ')} ended with ${how}`);
}

/** Imports the split unless it is there. */
async function bringCorpus(): Promise<void> {
  if (existsSync(join(corporaFolder(), corpus))) return;
  const folder = process.env['SPARROW_DATA'];
  if (folder === undefined) {
    throw new Error(`set SPARROW_DATA to a folder that has ${source.train.file} and ${source.halves.file} in it`);
  }
  const train = checked(folder, source.train);
  const lines = checked(folder, source.halves).toString('utf8').split('\n').slice(0, -1);
  const half = (part: string[]) => part.map((line) => `${line}\n`).join('');
  const texts = {
    train,
    valid: half(lines.slice(0, source.linesOfHalf)),
    test: half(lines.slice(-source.linesOfHalf)),
  };
  // The data folder is its user's alone, or the commands refuse it.
  mkdirSync(join(home, 'texts'), { recursive: true, mode: 0o700 });
  const files = Object.entries(texts).flatMap(([name, text]) => {
    const path = join(home, 'texts', `${name}.txt`);
    writeFileSync(path, text);
    return [`--${name}`, path];
  });
  await follow(['data', 'import', corpus, ...files, '--json']);
}

/** @throws Error where it is not the file that the published figures were made with */
function checked(folder: string, { file, sha256 }: { file: string; sha256: string }): Buffer {
  const path = join(folder, file);
  const content = readFileSync(path);
  if (createHash('sha256').update(content).digest('hex') === sha256) return content;
  throw new Error(`${path} is not the published file: its SHA-256 must be ${sha256}`);
}

function methodNamed(name: string): Method {
  const method = (Object.keys(published) as Method[]).find((known) => known === name);
  if (method !== undefined) return method;
  throw new Error(`--methods ${name}: no such method; there are ${Object.keys(published).join(', ')}`);
}

function whole(name: string, text: string, least: number): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${name}: ${JSON.stringify(text)} must be a whole number of at least ${least}`);
}

/** How it goes is told on standard error. */
function say(text: string): void {
  process.stderr.write(`fidelity: ${text}\n`);
}

try {
  await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
