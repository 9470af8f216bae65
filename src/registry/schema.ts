/**
 * The table of a catalogue, its row type, and the migrations that make it.
 *
 * One row a name: a queue that exists, one on its way in or out, or the tombstone of one that is
 * gone. Migrations only move forward: append to MIGRATIONS, never edit one that was released, and
 * keep every step readable by the version before it (a rollback runs the old code on the new
 * table).
 */
import { migrateBy } from "../object-schema.ts";

/**
 * Where a name stands. `creating`, `updating` and `deleting` say what was asked of the queue's
 * object and is not known to be done; `live` and `tombstone` are at rest.
 */
export type Phase = "creating" | "live" | "updating" | "deleting" | "tombstone";

export type QueueRow = {
  /** The queue's id; compared byte by byte, which is the order of lists. */
  name: string;
  phase: Phase;
  /**
   * QueueRecord as JSON: while `creating` as it will be, while `updating` as it was; null for a
   * tombstone.
   */
  record: string | null;
  /** Change as JSON: what is being done to the queue; only while `updating`. */
  change: string | null;
  /**
   * Microseconds. Tombstone: when the name is free again. In between: when to try again. Live:
   * null.
   */
  wake_us: number | null;
  /** Tries of the present step that failed. */
  failures: number;
};

export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE queue(
     name TEXT PRIMARY KEY,
     phase TEXT NOT NULL
       CHECK (phase IN ('creating', 'live', 'updating', 'deleting', 'tombstone')),
     record TEXT CHECK ((record IS NULL) = (phase = 'tombstone')),
     change TEXT CHECK ((change IS NOT NULL) = (phase = 'updating')),
     wake_us INTEGER CHECK ((wake_us IS NULL) = (phase = 'live')),
     failures INTEGER NOT NULL DEFAULT 0
       CHECK (failures = 0 OR phase IN ('creating', 'updating', 'deleting'))
   ) WITHOUT ROWID;
   CREATE INDEX queue_present ON queue(name, phase) WHERE record IS NOT NULL;
   CREATE INDEX queue_wake ON queue(phase, wake_us) WHERE wake_us IS NOT NULL;`,
];

/** Brings the tables up to date, in one transaction with the caller's. */
export function migrate(sql: SqlStorage): void {
  migrateBy(MIGRATIONS, sql);
}
