import { UserError } from '../../shared/errors.js';
import { unseenEnd } from '../../shared/derived-state.js';
import { runColours } from '../../shared/run-colours.js';
import type { RunConfig } from '../../shared/run-config.js';
import { failureSchema } from '../../shared/run-events.js';
import type { Attempt, RunRecord } from '../../shared/run-records.js';
import type { TrainerEnd } from '../../shared/run-state.js';
import type { WriteConnection } from './connection.js';
import { decode, encode } from './json.js';
import { keyOf } from './keys.js';
import { attemptsOf, RunRows } from './runs.js';
import type { AttemptProcess, RunWriter } from './store.js';

export class RunTable extends RunRows implements RunWriter {
  readonly #connection: WriteConnection;
  readonly #now: () => number;

  constructor(connection: WriteConnection, now: () => number) {
    super(connection);
    this.#connection = connection;
    this.#now = now;
  }

  create(configs: readonly RunConfig[], isTaken: (id: string) => boolean = () => false): RunRecord[] {
    return this.#connection.transaction(() =>
      configs.map((config) => {
        const id = this.#freeId(config, isTaken);
        this.#run(
          'INSERT INTO runs (id, name, config, colour, created) VALUES (?, ?, ?, ?, ?)',
          ...[id, config.name === '' ? id : config.name, encode(config), this.#rarestColour(), this.#now()],
        );
        return this.get(id);
      }),
    );
  }

  beginAttempt(id: string, process: AttemptProcess = {}): Attempt {
    return this.#connection.transaction(() => {
      const key = keyOf(this.#connection, id);
      this.#settle(key);
      const number = attemptsOf(this.#connection, key, `run ${id}`).length + 1;
      const since = process.started ?? this.#now();
      this.#run(
        'INSERT INTO attempts (run, number, started, last, pid, device) VALUES (?, ?, ?, ?, ?, ?)',
        ...[key, number, since, since, process.pid ?? null, process.device ?? null],
      );
      return attemptsOf(this.#connection, key, `run ${id}`).at(-1)!;
    });
  }

  setProcess(id: string, pid: number): void {
    this.#connection.transaction(() => {
      const [key, number] = this.#lastAttempt(id);
      this.#run('UPDATE attempts SET pid = ? WHERE run = ? AND number = ?', pid, key, number);
    });
  }

  endAttempt(id: string, end: TrainerEnd): void {
    this.#connection.transaction(() => {
      this.#end(...this.#lastAttempt(id), end);
    });
  }

  #lastAttempt(id: string): [key: number, number: number] {
    const key = keyOf(this.#connection, id);
    const number = attemptsOf(this.#connection, key, `run ${id}`, 1).at(0)?.number;
    if (number === undefined) throw new Error(`${id} has no attempt`);
    return [key, number];
  }

  settle(alive: ReadonlySet<string>): string[] {
    return this.#connection.transaction(() => {
      const open = this.#connection.query(
        'SELECT DISTINCT run, id FROM attempts JOIN runs ON key = run WHERE end IS NULL',
      );
      const settled = (open.rows() as [number, string][]).filter(([, id]) => !alive.has(id));
      for (const [key] of settled) this.#settle(key);
      return settled.map(([, id]) => id);
    });
  }

  rename(id: string, name: string): void {
    this.#change(id, 'name', name.trim() === '' ? id : name.trim());
  }

  setNote(id: string, note: string): void {
    this.#change(id, 'note', note);
  }

  setColour(id: string, colour: string): void {
    if (!/^#[0-9a-f]{6}$/i.test(colour)) throw new UserError(`${colour} is no colour: write it as #rrggbb`);
    this.#change(id, 'colour', colour.toLowerCase());
  }

  addTags(id: string, tags: readonly string[]): void {
    this.#connection.transaction(() => {
      const key = keyOf(this.#connection, id);
      for (const tag of tags) this.#run('INSERT OR IGNORE INTO tags (run, tag) VALUES (?, ?)', key, checkedTag(tag));
    });
  }

  removeTags(id: string, tags: readonly string[]): void {
    this.#connection.transaction(() => {
      const key = keyOf(this.#connection, id);
      for (const tag of tags) this.#run('DELETE FROM tags WHERE run = ? AND tag = ?', key, tag);
    });
  }

  pin(ids: readonly string[]): string[] {
    return this.#connection.transaction(() => {
      const before = this.#connection.query('SELECT id FROM runs WHERE pinned IS NOT NULL').rows();
      this.#run('UPDATE runs SET pinned = NULL WHERE pinned IS NOT NULL');
      ids.forEach((id, place) => {
        this.#change(id, 'pinned', place);
      });
      return [...new Set([...before.map(([id]) => String(id)), ...ids])];
    });
  }

  setPaused(id: string, paused: boolean): void {
    this.#change(id, 'paused', paused ? this.#now() : null);
  }

  trash(id: string): void {
    this.#connection.transaction(() => {
      this.#change(id, 'trashed', this.#now());
      this.#run('DELETE FROM queue WHERE run = ?', keyOf(this.#connection, id));
    });
  }

  restore(id: string): void {
    this.#change(id, 'trashed', null);
  }

  purge(id: string): number {
    const key = keyOf(this.#connection, id);
    if (!this.isTrashed(id)) throw new UserError(`${id} is not in the trash: move it there first`);
    const pages = () => Number(this.#connection.pragma('page_count')) * Number(this.#connection.pragma('page_size'));
    const before = pages();
    this.#run('DELETE FROM runs WHERE key = ?', key);
    this.#connection.execute('PRAGMA incremental_vacuum');
    return before - pages();
  }

  #freeId(config: RunConfig, isTaken: (id: string) => boolean): string {
    const stem = slug(config.name) || config.method.kind;
    for (let number = 1; ; number++) {
      const id = `${stem}-${number}`;
      if (!this.has(id) && !isTaken(id)) return id;
    }
  }

  /** The colour that fewest runs have, so that charts of few runs show no colour twice. */
  #rarestColour(): string {
    const rows = this.#connection
      .query('SELECT colour, count(*) FROM runs WHERE trashed IS NULL GROUP BY colour')
      .rows();
    const used = new Map(rows.map(([colour, count]) => [colour, Number(count)]));
    const uses = (colour: string) => used.get(colour) ?? 0;
    return runColours.reduce((best, colour) => (uses(colour) < uses(best) ? colour : best), runColours[0]);
  }

  /** Ends what has no end. Only the last attempt can have told the last event. */
  #settle(key: number): void {
    const open = this.#connection
      .query('SELECT number, first_sequence FROM attempts WHERE run = ? AND end IS NULL')
      .rows(key);
    for (const [number, from] of open) {
      const last = this.#connection
        .query('SELECT type, body FROM events WHERE run = ? AND attempt = ? ORDER BY sequence DESC LIMIT 1')
        .row(key, Number(number));
      this.#end(key, Number(number), unseenEnd(from === null || last === undefined ? undefined : eventOf(last)));
    }
  }

  #end(key: number, number: number, end: TrainerEnd): void {
    const sql = 'UPDATE attempts SET ended = ?, end = ?, pid = NULL, paused_since = NULL WHERE run = ? AND number = ?';
    this.#run(sql, this.#now(), encode(end), key, number);
  }

  #change(
    id: string,
    column: 'name' | 'note' | 'colour' | 'pinned' | 'paused' | 'trashed',
    value: string | number | null,
  ): void {
    this.#run(`UPDATE runs SET ${column} = ? WHERE key = ?`, value, keyOf(this.#connection, id));
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#connection.command(sql).run(...values);
  }
}

/** A damaged event must keep no owner from its work: of that, only the type is known. */
function eventOf([type, body]: unknown[]): Parameters<typeof unseenEnd>[0] {
  if (type !== 'failed') return { type: String(type) };
  try {
    return { type, ...failureSchema.parse(decode(body, 'the last event of a run')) };
  } catch {
    return { type };
  }
}

function checkedTag(tag: string): string {
  const word = tag.trim();
  if (/^[^\s:"]{1,64}$/.test(word)) return word;
  throw new UserError(`${JSON.stringify(tag)} is no tag: 1 to 64 characters without spaces, colons and quotes`);
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
