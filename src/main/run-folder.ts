import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, UserError } from '../shared/errors.js';
import { parseRunConfig, type RunConfig } from '../shared/run-config.js';
import { runEventSchema, type RunEvent } from '../shared/run-events.js';
import { runsFolder } from './data-folder.js';

/**
 * A run on disk: a folder with its configuration and the log of its events, in which the trainer keeps checkpoints and
 * masks. All that is known of a run outside its trainer goes through here, until a database takes over.
 */
const recordSchema = z.object({ sequence: z.int().min(0), time: z.string(), event: runEventSchema });

/** What happened in a run, and where in the file. */
interface Log {
  readonly records: { sequence: number; start: number; event: RunEvent }[];
  /** One past the last byte of the last whole line. */
  end: number;
}

const configFile = 'config.json';
const logFile = 'events.jsonl';

export class RunFolder {
  readonly id: string;
  readonly path: string;
  readonly config: RunConfig;
  #log: Log;
  #writing = false;

  private constructor(id: string, config: RunConfig) {
    this.id = id;
    this.path = join(runsFolder(), id);
    this.config = config;
    this.#log = readLog(join(this.path, logFile));
  }

  /** A new run. Its name decides its id: `quick-selfish-1`, `quick-selfish-2`, ... */
  static create(config: RunConfig): RunFolder {
    mkdirSync(runsFolder(), { recursive: true, mode: 0o700 });
    const stem = slug(config.name) || config.method.kind;
    for (let number = 1; ; number++) {
      const id = `${stem}-${number}`;
      try {
        mkdirSync(join(runsFolder(), id)); // taken by whoever makes it, should two start at once
      } catch (error) {
        if (codeOf(error) === 'EEXIST') continue;
        throw error;
      }
      const run = new RunFolder(id, config);
      run.#writeConfig();
      return run;
    }
  }

  /** @throws UserError where there is no such run, or it cannot be read */
  static open(id: string): RunFolder {
    const path = join(runsFolder(), id);
    if (!/^\w[\w.-]*$/.test(id) || !existsSync(join(path, configFile))) {
      throw new UserError(`${id}: there is no such run in ${runsFolder()}`);
    }
    return new RunFolder(id, readConfig(join(path, configFile)));
  }

  /** What happened, in order. */
  get events(): RunEvent[] {
    return this.#log.records.map(({ event }) => event);
  }

  /**
   * Adds an event; it is on disk when this returns. A resumed run goes on counting from its checkpoint: what it had told after that is no longer true and
   * makes room.
   */
  append(sequence: number, event: RunEvent): void {
    const path = join(this.path, logFile);
    if (!this.#writing) this.#takeOver(path);
    const { records } = this.#log;
    const stale = records.findIndex((record) => record.sequence >= sequence);
    if (stale >= 0) {
      this.#log.end = records[stale].start;
      records.length = stale;
      truncateSync(path, this.#log.end);
    }
    const last = records.at(-1)?.sequence ?? -1;
    if (sequence !== last + 1) {
      throw new UserError(`${path} ends with event ${last}, the run goes on with ${sequence}: what is between is lost`);
    }
    const line = `${JSON.stringify({ sequence, time: new Date().toISOString(), event })}\n`;
    appendFileSync(path, line, { flush: true });
    records.push({ sequence, start: this.#log.end, event });
    this.#log.end += Buffer.byteLength(line);
  }

  /**
   * A trainer that tells events holds the lock on its run, so nobody else writes from now on; but somebody may have since
   * the log was read. A line without its end was being written when that one was killed.
   */
  #takeOver(path: string): void {
    this.#log = readLog(path);
    if (existsSync(path)) truncateSync(path, this.#log.end);
    this.#writing = true;
  }

  /** A run is there when its configuration is: whole, or not at all. */
  #writeConfig(): void {
    const path = join(this.path, configFile);
    try {
      writeFileSync(`${path}.tmp`, `${JSON.stringify(this.config, undefined, 2)}\n`, { flush: true });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Deletes a run that never began. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** @throws UserError where a whole line is damaged */
function readLog(path: string): Log {
  const log: Log = { records: [], end: 0 };
  if (!existsSync(path)) return log;
  const content = readFileSync(path);
  for (let end; (end = content.indexOf('\n', log.end)) >= 0; log.end = end + 1) {
    const result = recordSchema.safeParse(parseJson(content.toString('utf8', log.end, end)));
    if (!result.success)
      throw new UserError(`${path} is damaged at byte ${log.end}: cut it off there to resume the run`);
    log.records.push({ sequence: result.data.sequence, start: log.end, event: result.data.event });
  }
  return log;
}

function readConfig(path: string): RunConfig {
  const config = parseJson(readFileSync(path, 'utf8'));
  if (config === undefined) throw new UserError(`${path} is damaged: the run cannot be resumed`);
  try {
    return parseRunConfig(config);
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Letters, digits and hyphens of a name. */
function slug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, 60)
    .replace(/-$/, '');
}
