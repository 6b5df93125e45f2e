/**
 * Runs, what their trainers told, and what is drawn from it.
 *
 * `metrics.kind`: 0 is a finite value; of NaN (1), infinity (2) and minus infinity (3) there is no value.
 * What a topology update or a checkpoint has told goes when its event is replaced: the foreign keys say so. Metrics are too
 * many for that; `replace.ts` removes them.
 *
 * `histograms` was never filled: magnitudes are told by events. The next migration there is a need for can drop it.
 */
export const runs = `
CREATE TABLE runs (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  config TEXT NOT NULL,
  colour TEXT NOT NULL,
  created INTEGER NOT NULL,
  pinned INTEGER,
  note TEXT NOT NULL DEFAULT '',
  trashed INTEGER
) STRICT;

CREATE TABLE tags (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  number INTEGER NOT NULL,
  started INTEGER NOT NULL,
  last INTEGER NOT NULL,
  ended INTEGER,
  paused_ms INTEGER NOT NULL DEFAULT 0,
  paused_since INTEGER,
  pid INTEGER,
  device TEXT,
  first_sequence INTEGER,
  end TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE queue (
  run INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  position INTEGER NOT NULL,
  device TEXT,
  threads INTEGER,
  queued INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  time INTEGER NOT NULL,
  type TEXT NOT NULL,
  step INTEGER,
  body TEXT NOT NULL,
  UNIQUE (run, sequence)
) STRICT;
-- With the cursor, which is the row's number and so in every index: what is new of one run.
CREATE INDEX new_events ON events (run);
CREATE INDEX started_events ON events (run, sequence) WHERE type = 'started';

CREATE TABLE series (
  key INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  name TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0,
  first_step INTEGER NOT NULL DEFAULT 0,
  last_step INTEGER NOT NULL DEFAULT 0,
  UNIQUE (run, name)
) STRICT;

CREATE TABLE metrics (
  series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE,
  step INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  value REAL,
  kind INTEGER NOT NULL,
  PRIMARY KEY (series, step, sequence),
  CHECK (kind BETWEEN 0 AND 3),
  CHECK ((kind = 0) = (value IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE summaries (
  series INTEGER NOT NULL REFERENCES series ON DELETE CASCADE,
  level INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  min REAL,
  min_step INTEGER,
  max REAL,
  max_step INTEGER,
  last REAL,
  last_step INTEGER,
  nan INTEGER NOT NULL,
  plus_infinity INTEGER NOT NULL,
  minus_infinity INTEGER NOT NULL,
  mark_step INTEGER,
  PRIMARY KEY (series, level, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE sparsity_updates (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  number INTEGER NOT NULL,
  step INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  removing_rate REAL NOT NULL,
  PRIMARY KEY (run, sequence),
  FOREIGN KEY (run, sequence) REFERENCES events (run, sequence) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE sparsity (
  run INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  position INTEGER NOT NULL,
  layer TEXT NOT NULL,
  gate TEXT,
  size INTEGER NOT NULL,
  active INTEGER NOT NULL,
  removed INTEGER NOT NULL,
  grown INTEGER NOT NULL,
  PRIMARY KEY (run, sequence, position),
  FOREIGN KEY (run, sequence) REFERENCES sparsity_updates ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE histograms (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  layer TEXT NOT NULL,
  kind TEXT NOT NULL,
  step INTEGER NOT NULL,
  edges BLOB NOT NULL,
  counts BLOB NOT NULL,
  PRIMARY KEY (run, sequence, layer, kind),
  FOREIGN KEY (run, sequence) REFERENCES events (run, sequence) ON DELETE CASCADE
) STRICT;

CREATE TABLE checkpoints (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  step INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  file TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  time INTEGER NOT NULL,
  PRIMARY KEY (run, sequence),
  FOREIGN KEY (run, sequence) REFERENCES events (run, sequence) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE corpora (
  name TEXT PRIMARY KEY,
  origin TEXT NOT NULL,
  vocabulary INTEGER NOT NULL,
  tokens TEXT NOT NULL,
  added INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;
