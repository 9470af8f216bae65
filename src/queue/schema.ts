/**
 * The tables of a queue's object, their row types, and the migrations that make them.
 *
 * Rows written are the bill, so the schedule is one WITHOUT ROWID table in the order in which tasks
 * become due: a small unnamed task costs one row to store and one to delete, and its lease none.
 * Migrations only move forward: append to MIGRATIONS, never edit one that was released, and keep
 * every step readable by the version before it (a rollback runs the old code on the new tables).
 */
import { migrateBy } from "../object-schema.ts";

/** A task. Times are microseconds since the epoch. */
export type TaskRow = {
  /** Schedule time of the next attempt, or expiry of a pull worker's lease. */
  at: number;
  /** Unique in the queue and rising: the time of creation, moved up where several share it. */
  seq: number;
  /**
   * 1 once `at` has changed since creation: the row is then in the index task_moved. 0 also while the
   * row is at the expiry of a batch of leases, see `lease_batch`.
   */
  moved: number;
  /** Attempts that ended and were recorded, and leases that were given to pull workers. */
  attempts: number;
  /** Expiry of the first attempt's lease, for tasks that were stored already leased; else null. */
  lease: number | null;
  /** The caller's name; null for tasks whose id the queue made. */
  name: string | null;
  tag: string | null;
  /** JSON once the row has changed its place: RowHistory, or Birth where no attempt has failed; null before. */
  history: string | null;
  /** EncodedMeta; null when it is kept in `payload`. */
  meta: string | null;
  body: ArrayBuffer | null;
};

/** A task that may be leased, with meta and body from wherever they are kept. */
export type LeasableRow = Omit<TaskRow, "meta" | "lease"> & { meta: string; apart: number };

/** What `payload` keeps of a task that is too big for the schedule table. */
export type PayloadRow = { meta: string; body: ArrayBuffer | null };

/** Attempts claimed together: JSON [[at, seq, attempt], …] with one expiry for all. */
export type ClaimRow = { slot: number; until: number; keys: string };

export type TombstoneRow = { name: string; until: number };

/** The queue itself: JSON of its name and settings. purging is 1 while purged rows are still there. */
export type QueueRow = {
  name: string;
  settings: string;
  state: string;
  purge_time: number | null;
  purging: number;
};

/** Token bucket and throttle, kept so that a restart finds no more than there was. */
export type PaceRow = { tokens: number; as_of: number; factor: number; factor_as_of: number };

/**
 * Many tasks leased to one expiry: the rows there may be moved without being in task_moved. `top` is
 * the highest sequence number among them.
 */
export type LeaseBatchRow = { slot: number; at: number; top: number };

/** Figures kept for the next life: tasks is null while the number changes; counts is JSON (tally.ts). */
export type TallyRow = { tasks: number | null; counts: string; asked: number };

/**
 * A task that becomes one when its transaction is committed: `tx` is the transaction's id, `seq` and
 * `at` are the place kept for it.
 */
export type PendingRow = {
  tx: string;
  seq: number;
  at: number;
  tag: string | null;
  meta: string;
  body: ArrayBuffer | null;
};

export type OperationRow = { number: number; kind: string; body: string };

/**
 * A WITHOUT ROWID row past about this many bytes spills into overflow pages, which every move of its
 * key rewrites (platform.md §5): bigger tasks keep meta and body in `payload`.
 */
export const INLINE_BYTES = 900;

export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE task(
     at INTEGER NOT NULL CHECK (at >= 0),
     seq INTEGER NOT NULL CHECK (seq > 0),
     moved INTEGER NOT NULL DEFAULT 0 CHECK (moved IN (0, 1)),
     attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
     lease INTEGER CHECK (lease IS NULL OR attempts = 0),
     name TEXT, tag TEXT,
     history TEXT,
     meta TEXT, body BLOB CHECK (body IS NULL OR meta IS NOT NULL),
     PRIMARY KEY (at, seq)
   ) WITHOUT ROWID;
   CREATE UNIQUE INDEX task_name ON task(name) WHERE name IS NOT NULL;
   CREATE INDEX task_moved ON task(seq) WHERE moved = 1;
   CREATE TABLE payload(seq INTEGER PRIMARY KEY, meta TEXT NOT NULL, body BLOB);
   CREATE TABLE claim(slot INTEGER PRIMARY KEY, until INTEGER NOT NULL, keys TEXT NOT NULL);
   CREATE TABLE tombstone(name TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE queue(
     id INTEGER PRIMARY KEY CHECK (id = 1),
     name TEXT NOT NULL, settings TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('RUNNING', 'PAUSED', 'DISABLED')),
     purge_time INTEGER, purging INTEGER NOT NULL DEFAULT 0 CHECK (purging IN (0, 1)));
   CREATE TABLE pace(
     id INTEGER PRIMARY KEY CHECK (id = 1),
     tokens REAL NOT NULL CHECK (tokens >= 0), as_of INTEGER NOT NULL,
     factor REAL NOT NULL CHECK (factor > 0 AND factor <= 1), factor_as_of INTEGER NOT NULL);
   CREATE TABLE operation(
     number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, request TEXT);
   CREATE UNIQUE INDEX operation_request ON operation(request) WHERE request IS NOT NULL;`,
  // Leases by tag: the available tasks of a tag lie together, in order.
  `CREATE INDEX task_tag ON task(tag, at, seq) WHERE tag IS NOT NULL;
   CREATE TABLE lease_batch(slot INTEGER PRIMARY KEY, at INTEGER NOT NULL, top INTEGER NOT NULL);
   CREATE TABLE tally(
     id INTEGER PRIMARY KEY CHECK (id = 1),
     tasks INTEGER CHECK (tasks >= 0), counts TEXT NOT NULL, asked INTEGER NOT NULL);`,
  // Tasks of open transactions. Never moved, so that big ones may stay in one row.
  `CREATE TABLE pending(
     tx TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0),
     at INTEGER NOT NULL CHECK (at >= 0),
     tag TEXT, meta TEXT NOT NULL, body BLOB,
     PRIMARY KEY (tx, seq)
   ) WITHOUT ROWID;`,
];

/** Brings the tables up to date, in one transaction with the caller's. */
export function migrate(sql: SqlStorage): void {
  migrateBy(MIGRATIONS, sql);
}
