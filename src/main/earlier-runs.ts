import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { unseenEnd } from '../shared/derived-state.js';
import { messageOf, UserError } from '../shared/errors.js';
import { parseRunConfig, type RunConfig } from '../shared/run-config.js';
import { runEventSchema } from '../shared/run-events.js';
import type { WritableStore } from './store/store.js';

/**
 * Runs of the first version of Sparrow, which had no database: a folder each, with `config.json` and `events.jsonl`. The owner
 * takes them into the database and leaves the folders as they are; checkpoints and masks stay where they were anyway.
 */
const recordSchema = z.object({
  sequence: z.int().min(0),
  time: z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
  event: runEventSchema,
});
type Told = z.output<typeof recordSchema>;

const configFile = 'config.json';
const logFile = 'events.jsonl';
/** A folder's number is its run's; nobody has more of one name. */
const mostOfOneName = 100_000;

/** Ids of runs that are there as folders and not in the database. */
export function earlierRuns(runsFolder: string, isKnown: (id: string) => boolean): string[] {
  if (!existsSync(runsFolder)) return [];
  return readdirSync(runsFolder)
    .filter((id) => existsSync(join(runsFolder, id, configFile)) && !isKnown(id))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Takes earlier runs into the database. One that is damaged or cannot be read is told and left alone: it stops nobody. */
export function adoptEarlierRuns(store: WritableStore, runsFolder: string, say: (text: string) => void): void {
  for (const id of earlierRuns(runsFolder, (known) => store.runs.has(known))) {
    try {
      const config = readConfig(join(runsFolder, id, configFile));
      const told = readLog(join(runsFolder, id, logFile));
      store.transaction(() => {
        adopt(store, id, config, told);
      });
    } catch (error) {
      say(`the run ${id} of an earlier version is left as it is: ${messageOf(error)}`);
    }
  }
}

function adopt(store: WritableStore, id: string, config: RunConfig, told: readonly Told[]): void {
  let refused = 0;
  store.runs.create([config], (candidate) => {
    if (candidate === id) return false;
    if (++refused > mostOfOneName) throw new UserError(`its folder is not called after ${JSON.stringify(config.name)}`);
    return true;
  });
  for (const attempt of attemptsIn(told)) {
    store.runs.beginAttempt(id, { started: attempt[0].time });
    store.events.ingest(attempt.map((one) => ({ run: id, ...one })));
  }
  if (told.length === 0) store.runs.beginAttempt(id);
  store.runs.endAttempt(id, unseenEnd(told.at(-1)?.event));
}

/** Training time is counted by attempts. A resumed one tells the checkpoint it goes on from, and that it has started. */
function attemptsIn(told: readonly Told[]): Told[][] {
  const attempts: Told[][] = [];
  told.forEach((one, i) => {
    const next = told.at(i + 1)?.event;
    const resumes = one.event.type === 'checkpoint' && next?.type === 'started' && next.resumedFrom !== null;
    if (resumes || attempts.length === 0) attempts.push([]);
    attempts.at(-1)!.push(one);
  });
  return attempts;
}

function readConfig(path: string): RunConfig {
  const config = parseJson(readFileSync(path, 'utf8'));
  if (config === undefined) throw new UserError(`${path} is damaged`);
  try {
    return parseRunConfig(config);
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}`);
  }
}

/** @throws UserError where a whole line is damaged; one that was cut off at the end counts for nothing */
function readLog(path: string): Told[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line, i) => {
    const result = recordSchema.safeParse(parseJson(line));
    if (result.success && result.data.sequence === i) return result.data;
    throw new UserError(`${path} is damaged in line ${i + 1}`);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
