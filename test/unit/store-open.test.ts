import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { backupsOf } from '../../src/main/store/backups.js';
import { migrations } from '../../src/main/store/migrate.js';
import { openIfThere, openReadable, openWritable } from '../../src/main/store/open.js';
import { UserError } from '../../src/shared/errors.js';
import { begin, contentOf, databasePath, newStore, started, step, tell } from './support/store.js';

function expectRefused(attempt: () => unknown, message: string): void {
  expect(attempt).toThrow(UserError);
  expect(attempt).toThrow(message);
}

/** Values of pragmas as a plain connection sees them. */
function raw<T>(path: string, work: (database: Database.Database) => T): T {
  const database = new Database(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const backupsIn = (path: string) => readdirSync(dirname(path)).filter((name) => name.includes('.backup-'));

describe('a database', () => {
  test('is made with a write-ahead log, for its owner alone, and holds together', () => {
    const store = newStore();
    tell(store, begin(store), [started(), step(1, 5)]);
    expect(store.problems()).toEqual([]);
    expect(raw(store.path, (database) => database.pragma('journal_mode', { simple: true }))).toBe('wal');
    if (process.platform === 'win32') return;
    for (const file of ['', '-wal', '-shm']) expect(statSync(`${store.path}${file}`).mode & 0o777).toBe(0o600);
  });

  test('has only STRICT tables', () => {
    const store = newStore();
    const tables = raw(store.path, (database) =>
      database
        .prepare("SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .all(),
    ) as { name: string; strict: number }[];
    expect(tables.length).toBeGreaterThan(12);
    expect(tables.filter(({ strict }) => strict === 0)).toEqual([]);
  });

  test('is there again when it is opened again', () => {
    const path = databasePath();
    const store = openWritable(path);
    const run = begin(store);
    tell(store, run, [step(1, 5)]);
    store.close();
    const before = contentOf(path);
    expect(newStore({}, path).events.of(run)).toHaveLength(1);
    expect(contentOf(path)).toEqual(before);
    expect(backupsIn(path)).toEqual([]);
  });

  test('cannot be written through a readable store, whatever one calls', () => {
    const store = newStore();
    begin(store);
    const reader = openReadable(store.path);
    expect(Object.keys(reader)).not.toContain('transaction');
    expect('create' in reader.runs || 'ingest' in reader.events || 'set' in reader.settings).toBe(false);
    reader.close();
  });

  test('shows readers one state while it is written', () => {
    const store = newStore();
    const run = begin(store);
    const reader = openReadable(store.path);
    store.transaction(() => {
      tell(store, run, [step(1, 5)]);
      expect(reader.events.of(run)).toEqual([]);
      store.runs.rename(run, 'new');
      expect(reader.runs.get(run).name).toBe('night');
    });
    expect(reader.events.of(run)).toHaveLength(1);
    reader.close();
  });

  test('keeps nothing of a transaction that failed, and goes on', () => {
    const store = newStore();
    const run = begin(store);
    expect(() =>
      store.transaction(() => {
        tell(store, run, [step(1, 5)]);
        store.settings.set('theme', 'dark');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.events.lastCursor()).toBe(0);
    tell(store, run, [step(1, 5)]);
    expect(store.events.of(run)).toHaveLength(1);
  });

  test('that is not there is no database to read, and is not made by trying', () => {
    const path = databasePath();
    expectRefused(() => openReadable(path), `there is no database ${path} yet`);
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, ''); // its owner is about to make it
    expectRefused(() => openReadable(path), `there is no database ${path} yet`);
    expect(openIfThere(path)).toBeUndefined();
    expect(statSync(path).size).toBe(0);
  });
});

describe('migrations', () => {
  const next = [...migrations, 'CREATE TABLE later (a INTEGER) STRICT; UPDATE runs SET note = note || 2'];

  test('of a database that holds something begin with a copy of it', () => {
    const path = databasePath();
    const old = openWritable(path);
    const run = begin(old);
    tell(old, run, [step(1, 5)]);
    old.close();
    const before = contentOf(path);

    const store = newStore({ migrations: next, now: () => Date.UTC(2026, 10, 24, 9, 30) }, path);
    expect(store.runs.get(run).note).toBe('2');
    const [backup, ...more] = backupsIn(path);
    expect(more).toEqual([]);
    expect(backup).toBe(`sparrow.db.backup-v${migrations.length}-2026-11-24T09-30-00-000Z`);
    const copy = join(dirname(path), backup);
    expect(contentOf(copy)).toEqual(before);
    expect(openAndClose(copy)).toBe('');
    expect(raw(path, (database) => database.pragma('user_version', { simple: true }))).toBe(next.length);
  });

  /** The note of the only run. */
  function openAndClose(path: string): string {
    const store = openReadable(path);
    const [{ note }] = store.runs.list().runs;
    store.close();
    return note;
  }

  test('that fail leave the database as it was', () => {
    const path = databasePath();
    const old = openWritable(path);
    begin(old);
    old.close();
    const broken = [...next, 'CREATE TABLE later (b INTEGER) STRICT'];
    expect(() => openWritable(path, { migrations: broken })).toThrow('already exists');
    expect(raw(path, (database) => database.pragma('user_version', { simple: true }))).toBe(migrations.length);
    expect(openAndClose(path)).toBe('');
  });

  test('wait for whoever may write: a reader of an older database says so', () => {
    const path = databasePath();
    openWritable(path).close();
    expectRefused(() => openReadable(path, { migrations: next }), `${path} was written by an older Sparrow`);
  });

  test('never touch a database that is newer than the program', () => {
    const path = databasePath();
    openWritable(path, { migrations: next }).close();
    const bytes = readFileSync(path);
    for (const open of [openWritable, openReadable]) {
      expectRefused(
        () => open(path),
        `${path} was written by a newer Sparrow (it has version ${migrations.length + 1}, this one knows ${migrations.length}): update`,
      );
    }
    expect(readFileSync(path)).toEqual(bytes);
    expect(backupsIn(path)).toEqual([]);
  });
});

describe('what is no database of ours', () => {
  test('is refused and left alone: another program’s', () => {
    const path = databasePath();
    raw(path, (database) => database.exec('CREATE TABLE mail (a)'));
    const bytes = readFileSync(path);
    for (const open of [openWritable, openReadable]) {
      expectRefused(() => open(path), `${path} is a database of another program: set SPARROW_HOME to another folder`);
    }
    expect(readFileSync(path)).toEqual(bytes);
  });

  test('is refused and left alone: another file, with the way to begin anew', () => {
    const path = databasePath();
    writeFileSync(path, 'a letter '.repeat(1000));
    for (const open of [openWritable, openReadable]) {
      expectRefused(
        () => open(path),
        `${path} is not a database, or damaged: there is no backup; move it and its companions`,
      );
    }
    expect(readFileSync(path, 'utf8')).toBe('a letter '.repeat(1000));
  });

  test('a folder', () => {
    const path = databasePath();
    mkdirSync(path);
    for (const open of [openWritable, openReadable]) expectRefused(() => open(path), path);
  });
});

describe('a damaged database', () => {
  /** One with many pages, a backup, and a file that was never told by name which rows to lose. */
  async function damaged(harm: (path: string) => void) {
    const path = databasePath();
    const store = openWritable(path, { now: () => Date.UTC(2026, 10, 24) });
    const run = begin(store);
    const events = Array.from({ length: 2000 }, (_, i) => step(i, i));
    tell(store, run, events);
    const backup = await store.backUp();
    store.close();
    harm(path);
    return { path, backup, run, events: events.length };
  }
  const scribble = (path: string) => {
    const bytes = readFileSync(path);
    bytes.fill(0xab, 4096);
    writeFileSync(path, bytes);
  };

  test.each([
    { harm: 'pages overwritten', hurt: scribble },
    {
      harm: 'its end cut off',
      hurt: (path: string) => {
        truncateSync(path, 3 * 4096);
      },
    },
    {
      harm: 'its first page overwritten',
      hurt: (path: string) => {
        writeFileSync(path, Buffer.alloc(100_000, 0xab));
      },
    },
  ])('with $harm says so, names the backup, and comes back with it', async ({ hurt }) => {
    const { path, backup, run, events } = await damaged(hurt);
    const remedy = `move it and its companions (sparrow.db-wal, sparrow.db-shm) away and copy the backup ${backup} to ${path}`;
    const use = () => {
      const store = openWritable(path);
      try {
        store.runs.get(run);
        store.events.of(run);
        Array.from(store.metrics.values(run, 'loss'));
      } finally {
        store.close();
      }
    };
    expectRefused(use, remedy);

    for (const file of ['', '-wal', '-shm']) rmSync(`${path}${file}`, { force: true }); // as advised
    copyFileSync(backup, path);
    const store = newStore({}, path);
    expect(store.problems()).toEqual([]);
    expect(store.events.of(run)).toHaveLength(events);
  });

  test('tells its problems where it can still be opened', async () => {
    const { path } = await damaged((at) => {
      const bytes = readFileSync(at);
      bytes.fill(0xab, bytes.length - 4096 * 4, bytes.length - 4096 * 3);
      writeFileSync(at, bytes);
    });
    const store = openReadable(path);
    expect(store.problems()).not.toEqual([]);
    store.close();
  });

  test('is told from rows without their parents', () => {
    const store = newStore();
    const run = begin(store);
    tell(store, run, [step(1, 5)]);
    raw(store.path, (database) => {
      database.pragma('foreign_keys = OFF');
      database.exec('DELETE FROM events');
      database.exec('DELETE FROM runs');
    });
    expect(store.problems()).toContain('a row of series has no row of runs');
  });
});

describe('backups', () => {
  const dayMs = 24 * 60 * 60 * 1000;

  test('are whole copies with the time in their name, for their user alone; the newest is the one that is offered', async () => {
    const at = { ms: Date.UTC(2026, 0, 1) };
    const store = newStore({ now: () => at.ms });
    const first = await store.backUp();
    begin(store);
    at.ms = Date.UTC(2026, 0, 2);
    const second = await store.backUp();
    expect([first, second].map((path) => basename(path))).toEqual([
      `sparrow.db.backup-v${migrations.length}-2026-01-01T00-00-00-000Z`,
      `sparrow.db.backup-v${migrations.length}-2026-01-02T00-00-00-000Z`,
    ]);
    expect(backupsOf(store.path)).toEqual([first, second]);
    if (process.platform !== 'win32') expect(statSync(second).mode & 0o777).toBe(0o600);
    expect(contentOf(second)).toEqual(contentOf(store.path));
    const copy = openReadable(second);
    expect(copy.runs.list().runs).toHaveLength(1);
    copy.close();
  });

  test('are made while others write, and hold a state that there was', async () => {
    const store = newStore();
    const run = begin(store);
    tell(
      store,
      run,
      Array.from({ length: 20_000 }, (_, i) => step(i, i)),
    );
    const backup = store.backUp();
    let told = 20_000;
    const writing = setInterval(() => {
      tell(store, run, [step(told, 1)], told++);
    });
    const path = await backup;
    clearInterval(writing);
    const copy = openReadable(path);
    expect(copy.problems()).toEqual([]);
    const held = copy.events.of(run).length;
    copy.close();
    expect(held).toBeGreaterThanOrEqual(20_000);
    expect(held).toBeLessThanOrEqual(told);
  });

  test('are due when the newest is a day old and the database has changed since; three are kept', async () => {
    const at = { ms: Date.now() };
    const store = newStore({ now: () => at.ms });
    const due = () => store.backUpIfDue(new AbortController().signal);
    const change = () => {
      store.settings.set('at', at.ms);
      utimesSync(`${store.path}-wal`, at.ms / 1000, at.ms / 1000);
    };
    begin(store);
    const first = await due();
    expect(first).toBeDefined();
    change();
    at.ms += dayMs - 1000;
    expect(await due()).toBeUndefined();
    at.ms += 2000;
    const made = [first];
    for (let day = 0; day < 4; day++) {
      change();
      made.push(await due());
      at.ms += dayMs;
      expect(await due()).toBeUndefined(); // nothing has changed
    }
    expect(backupsOf(store.path)).toEqual(made.slice(-3));
  });

  test('that are broken off leave nothing', async () => {
    const store = newStore();
    const run = begin(store);
    tell(
      store,
      run,
      Array.from({ length: 20_000 }, (_, i) => step(i, i)),
    );
    const leaving = new AbortController();
    const backup = store.backUpIfDue(leaving.signal);
    leaving.abort();
    await expect(backup).rejects.toThrow(/abort/);
    expect(readdirSync(dirname(store.path)).filter((name) => name.includes('backup'))).toEqual([]);
  });
});

describe('a disk', () => {
  /** A folder on a disk of its own; undefined where none can be mounted. */
  function smallDisk(kilobytes: number): string | undefined {
    const folder = dirname(databasePath());
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder]);
    if (status !== 0) return undefined;
    onTestFinished(() => {
      spawnSync('umount', ['--lazy', folder]);
    });
    return folder;
  }

  test('that is full ends a write with the remedy; what was acknowledged is there, and room makes it go on', (context) => {
    const folder = smallDisk(1024);
    if (folder === undefined)
      return context.skip('a small file system cannot be mounted here: that takes root on Linux');
    const store = newStore({}, join(folder, 'sparrow.db'));
    const run = begin(store);
    const filler = join(folder, 'filler');
    writeFileSync(filler, Buffer.alloc(300_000));
    let told = 0;
    const write = () => {
      for (; told < 100_000; told++) tell(store, run, [step(told, told)], told);
    };
    expectRefused(write, 'make room');
    expect(store.events.of(run)).toHaveLength(told);
    rmSync(filler);
    tell(store, run, [step(told, told)], told);
    expect(store.events.of(run)).toHaveLength(told + 1);
    expect(store.problems()).toEqual([]);
  });

  test('that is full from the beginning ends with the remedy, and what is left is no obstacle', (context) => {
    const folder = smallDisk(64);
    if (folder === undefined)
      return context.skip('a small file system cannot be mounted here: that takes root on Linux');
    const path = join(folder, 'sparrow.db');
    writeFileSync(join(folder, 'filler'), Buffer.alloc(60_000));
    expectRefused(() => openWritable(path), 'make room');
    rmSync(join(folder, 'filler'));
    spawnSync('mount', ['-o', 'remount,size=4096k', folder]);
    expect(newStore({}, path).problems()).toEqual([]);
  });

  test('that is read-only is refused with the remedy, and the database is as it was', (context) => {
    const folder = smallDisk(4096);
    if (folder === undefined)
      return context.skip('a small file system cannot be mounted here: that takes root on Linux');
    const path = join(folder, 'sparrow.db');
    const store = openWritable(path);
    begin(store);
    store.close();
    const bytes = readFileSync(path);
    spawnSync('mount', ['-o', 'remount,ro', folder]);
    for (const open of [openWritable, openReadable]) expectRefused(() => open(path), 'set SPARROW_HOME to');
    expectRefused(() => openWritable(join(folder, 'other.db')), 'set SPARROW_HOME to another folder');
    expect(readFileSync(path)).toEqual(bytes);
  });
});

test('an owner that was killed in the middle of a write leaves what it had acknowledged', () => {
  const path = databasePath();
  const store = openWritable(path);
  const run = begin(store);
  tell(store, run, [step(1, 5), step(2, 4)]);
  // As they lie on the disk at this moment, without the closing of the database.
  for (const file of ['', '-wal']) copyFileSync(`${path}${file}`, `${path}.crashed${file}`);
  store.close();
  renameSync(`${path}.crashed`, `${path}.again`);
  renameSync(`${path}.crashed-wal`, `${path}.again-wal`);
  const again = newStore({}, `${path}.again`);
  expect(again.events.of(run)).toHaveLength(2);
  expect(again.problems()).toEqual([]);
});
