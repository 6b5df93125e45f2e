import { z } from 'zod';
import { engineInWords } from '../../shared/engine-words.js';
import { engineSchema } from '../../shared/run-events.js';
import { activeAfter } from '../../shared/run-progress.js';
import { runProgressSchema, type RunProgress } from '../../shared/run-records.js';
import type { Connection } from './connection.js';
import { parseRow } from './errors.js';
import { decode } from './json.js';

const startedSchema = z.object({
  stepsPerEpoch: z.int(),
  parameters: z.object({ total: z.int(), active: z.int() }),
  engine: engineSchema,
});
const finishedSchema = startedSchema.pick({ parameters: true }).partial();
const placeSchema = z.object({ step: z.int(), epoch: z.int() });
const lastEventSchema = runProgressSchema.pick({ nextSequence: true, lastEvent: true, failure: true });

const shownMetrics = [
  'loss',
  'tokensPerSecond',
  'validationPerplexity',
  'testPerplexity',
  'flops',
  'flopsOfDense',
] as const;

/** The last event `started` of a run, as it is stored; undefined where there is none. */
export function startedOf(connection: Connection, key: number): unknown {
  return connection
    .query("SELECT body FROM events WHERE run = ? AND type = 'started' ORDER BY sequence DESC LIMIT 1")
    .row(key)?.[0];
}

/** What a run told last. */
export function lastEventOf(
  connection: Connection,
  key: number,
  what: string,
): Pick<RunProgress, 'nextSequence' | 'lastEvent' | 'failure'> {
  const last = connection
    .query('SELECT sequence, type, body FROM events WHERE run = ? ORDER BY sequence DESC LIMIT 1')
    .row(key);
  const told = {
    nextSequence: last === undefined ? 0 : Number(last[0]) + 1,
    lastEvent: last?.[1] ?? null,
    failure: last?.[1] === 'failed' ? decode(last[2], what) : null,
  };
  return parseRow(lastEventSchema, told, what);
}

/**
 * Where a run stands. It is read from what its trainer told and stored nowhere else, so that it cannot say anything else
 * after a resume.
 */
export function progressOf(connection: Connection, key: number, what: string): RunProgress {
  const placed = connection
    .query('SELECT body FROM events WHERE run = ? AND step IS NOT NULL ORDER BY sequence DESC LIMIT 1')
    .row(key);
  const told = startedOf(connection, key);
  const place = placed === undefined ? { step: 0, epoch: 0 } : parseRow(placeSchema, decode(placed[0], what), what);
  const started = told === undefined ? undefined : parseRow(startedSchema, decode(told, what), what);
  const last = lastEventOf(connection, key, what);
  const newest = newestValues(connection, key);
  const progress = {
    ...place,
    stepsPerEpoch: started?.stepsPerEpoch ?? null,
    ...last,
    ...Object.fromEntries(shownMetrics.map((name) => [name, newest.get(name) ?? null])),
    bestValidationPerplexity: lowest(connection, key, 'validationPerplexity'),
    parameters:
      (last.lastEvent === 'finished' ? testedOf(connection, key, last.nextSequence - 1, what) : null) ??
      (started === undefined ? null : parametersNow(connection, key, started.parameters)),
    engine: started?.engine.name ?? null,
    computedBy: started === undefined ? null : engineInWords(started.engine),
  };
  return parseRow(runProgressSchema, progress, what);
}

/** The parameters of the network that was tested, which event `sequence` tells; runs of earlier versions have not told them. */
function testedOf(connection: Connection, key: number, sequence: number, what: string): RunProgress['parameters'] {
  const [body] = connection.query('SELECT body FROM events WHERE run = ? AND sequence = ?').row(key, sequence)!;
  return parseRow(finishedSchema, decode(body, what), what).parameters ?? null;
}

/** With the masks of the last topology update. */
function parametersNow(
  connection: Connection,
  key: number,
  { total, active }: { readonly total: number; readonly active: number },
): { total: number; active: number } {
  const sql = `SELECT sum(size), sum(active) FROM sparsity WHERE run = ? AND gate IS NULL
    AND sequence = (SELECT max(sequence) FROM sparsity_updates WHERE run = ?)`;
  const [size, activeNow] = connection.query(sql).row(key, key) as [number | null, number | null];
  return {
    total,
    active: size === null || activeNow === null ? active : activeAfter(total, { size, active: activeNow }),
  };
}

/** The last value of each shown metric; null where that is no finite number. */
function newestValues(connection: Connection, key: number): Map<unknown, unknown> {
  const rows = connection
    .query(
      `SELECT name, (SELECT value FROM metrics WHERE series = key ORDER BY step DESC, sequence DESC LIMIT 1)
       FROM series WHERE run = ? AND name IN (${shownMetrics.map(() => '?').join()})`,
    )
    .rows(key, ...shownMetrics);
  return new Map(rows.map(([name, value]) => [name, value]));
}

function lowest(connection: Connection, key: number, name: string): unknown {
  const sql = `SELECT min(min) FROM summaries
    WHERE series = (SELECT key FROM series WHERE run = ? AND name = ?) AND level = 4096`;
  return connection.query(sql).row(key, name)?.[0] ?? null;
}
