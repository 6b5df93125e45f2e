import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { unseenEnd } from '../shared/derived-state.js';
import { messageOf, UserError } from '../shared/errors.js';
import { parseRunConfig, type RunConfig } from '../shared/run-config.js';
import { runEventSchema, type RunEvent } from '../shared/run-events.js';
import type { WritableStore } from './store/store.js';

/**
 * Runs of the first version of Sparrow, which had no database: a folder each, with `config.json` and `events.jsonl`. The owner
 * takes them into the database and leaves the folders as they are; checkpoints and masks stay where they were anyway.
 */
const recordSchema = z.object({ sequence: z.int().min(0), time: z.string(), event: runEventSchema });
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

/** Takes earlier runs into the database. One that is damaged is told and left alone. */
export function adoptEarlierRuns(store: WritableStore, runsFolder: string, say: (text: string) => void): void {
  for (const id of earlierRuns(runsFolder, (known) => store.runs.has(known))) {
    try {
      const config = readConfig(join(runsFolder, id, configFile));
      const events = readLog(join(runsFolder, id, logFile));
      store.transaction(() => {
        adopt(store, id, config, events);
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      say(`the run ${id} of an earlier version is left as it is: ${error.message}`);
    }
  }
}

function adopt(store: WritableStore, id: string, config: RunConfig, events: readonly RunEvent[]): void {
  let refused = 0;
  store.runs.create([config], (candidate) => {
    if (candidate === id) return false;
    if (++refused > mostOfOneName) throw new UserError(`its folder is not called after ${JSON.stringify(config.name)}`);
    return true;
  });
  store.runs.beginAttempt(id);
  const told = events.map((event, sequence) => ({ run: id, sequence, event }));
  if (told.length > 0) store.events.ingest(told);
  store.runs.endAttempt(id, unseenEnd(events.at(-1)));
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
function readLog(path: string): RunEvent[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line, i) => {
    const result = recordSchema.safeParse(parseJson(line));
    if (result.success && result.data.sequence === i) return result.data.event;
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
