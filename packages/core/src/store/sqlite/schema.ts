/** Marks a file as a store of ours: 'SgBx'. */
export const applicationId = 0x53674278

/**
 * What brings a file from each version to the next; a file's `user_version` counts how many it has had. Never edit one
 * that was released: append.
 *
 * - `host`: one row. A moment on the store's time line, on the host's monotonic clock and on its wall clock, which run of
 *   that host it was in (`boot`), and how often a process asked the others to give back what they keep free.
 * - `processes`: who leases, and until when. One whose lease ended is `lapsed` once that is written down.
 * - `counters`: a row for each key; `posted` is the sum of its slots where it slides. From `forget_at` on, the row may be
 *   deleted when nobody leases of it; 0 where nothing is posted.
 * - `slots`: what was posted in a window, by the time of the reservation.
 * - `slices`: what each process leases of each key; all of it counts as held. A process keeps nothing free of one that
 *   `is_exact`. One that `releases` is given back when its process dies, others are posted: `lapsed` says how much was.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE host (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    time REAL NOT NULL,
    monotonic_time REAL NOT NULL,
    wall_time REAL NOT NULL,
    asked INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE processes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    ends_at REAL NOT NULL,
    lapsed INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE counters (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    window_ms REAL,
    limit_amount INTEGER NOT NULL,
    posted INTEGER NOT NULL DEFAULT 0,
    exact_until REAL NOT NULL DEFAULT 0,
    forget_after_ms REAL,
    forget_at REAL
  ) STRICT;
  CREATE INDEX counters_to_forget ON counters (forget_at) WHERE forget_at IS NOT NULL;
  CREATE INDEX counters_asked ON counters (exact_until) WHERE exact_until > 0;
  CREATE TABLE slots (
    counter_id INTEGER NOT NULL REFERENCES counters ON DELETE CASCADE,
    time INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    PRIMARY KEY (counter_id, time)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE slices (
    counter_id INTEGER NOT NULL REFERENCES counters ON DELETE CASCADE,
    process_id INTEGER NOT NULL REFERENCES processes ON DELETE CASCADE,
    amount INTEGER NOT NULL,
    is_exact INTEGER NOT NULL,
    releases INTEGER NOT NULL,
    lapsed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (counter_id, process_id)
  ) STRICT, WITHOUT ROWID;
  `,
  'ALTER TABLE host ADD COLUMN boot TEXT',
]
