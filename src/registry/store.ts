/** Every SQL statement of a catalogue, named. Rows in, entries out; no decisions. */
import { MAX_QUEUES_PER_LOCATION } from "../core/limits.ts";
import type { QueueRecord, QueueSettings } from "../core/model.ts";
import { assert } from "../core/result.ts";
import { hasTables } from "../object-schema.ts";
import { migrate, type QueueRow } from "./schema.ts";

/** What is being done to a queue that exists. */
export type Change =
  | { readonly kind: "updateSettings"; readonly settings: QueueSettings }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "purge" };

interface Unsettled {
  readonly record: QueueRecord;
  readonly failures: number;
}

/** An entry between two states: its step may or may not have reached the queue's object. */
export type PendingEntry =
  | ({ readonly phase: "creating" } & Unsettled)
  | ({ readonly phase: "updating"; readonly change: Change } & Unsettled)
  | ({ readonly phase: "deleting" } & Unsettled);

export type Entry =
  | PendingEntry
  | { readonly phase: "live"; readonly record: QueueRecord }
  | { readonly phase: "tombstone"; readonly untilUs: number };

const COLUMNS = "name, phase, record, change, wake_us, failures";

/** Without tables it reads as empty; the first entry written makes them. */
export class Store {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  #hasTables: boolean;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#hasTables = hasTables(storage.sql);
    if (this.#hasTables) this.#migrate();
  }

  // --- one name ------------------------------------------------------------------------------

  read(name: string): Entry | null {
    const row = this.#rows<QueueRow>(
      `SELECT ${COLUMNS} FROM queue WHERE name = ? LIMIT 1`,
      name,
    )[0];
    return row === undefined ? null : decode(row);
  }

  writeLive(record: QueueRecord): void {
    this.#write(record.name.queue, "live", record, null, null);
  }

  writeCreating(record: QueueRecord, wakeUs: number): void {
    this.#write(record.name.queue, "creating", record, null, wakeUs);
  }

  /** `record` is the queue as it was before the change. */
  writeUpdating(record: QueueRecord, change: Change, wakeUs: number): void {
    this.#write(record.name.queue, "updating", record, change, wakeUs);
  }

  writeDeleting(record: QueueRecord, wakeUs: number): void {
    this.#write(record.name.queue, "deleting", record, null, wakeUs);
  }

  writeTombstone(name: string, untilUs: number): void {
    this.#write(name, "tombstone", null, null, untilUs);
  }

  remove(name: string): void {
    this.#sql.exec("DELETE FROM queue WHERE name = ?", name);
  }

  /** Another try of a pending step failed. No row changes when the name is at rest. */
  postpone(name: string, wakeUs: number): void {
    this.#sql.exec(
      `UPDATE queue SET wake_us = ?, failures = failures + 1
       WHERE name = ? AND phase IN ('creating', 'updating', 'deleting')`,
      wakeUs,
      name,
    );
  }

  // --- lists (index queue_present: names without their tombstones) ---------------------------

  /** Queues whose name is taken by something other than a tombstone. */
  countPresent(): number {
    const row = this.#rows<{ n: number }>(
      "SELECT count(*) AS n FROM queue WHERE record IS NOT NULL",
    )[0];
    return row?.n ?? 0;
  }

  /** The id of the `size`-th queue above `after` that a list would show; null: there are fewer. */
  readPageEnd(after: string, size: number): string | null {
    const row = this.#rows<{ name: string }>(
      `SELECT name FROM queue
       WHERE record IS NOT NULL AND phase <> 'creating' AND name > ?
       ORDER BY name LIMIT 1 OFFSET ?`,
      after,
      size - 1,
    )[0];
    return row?.name ?? null;
  }

  /**
   * Queues above `after`, ascending, one at a time so that a page can end by its size. One that is
   * being created is not there yet; one that is being changed or deleted shows as it was.
   */
  *readQueues(after: string, limit: number): Iterable<{ record: QueueRecord; size: number }> {
    if (!this.#hasTables) return;
    const cursor = this.#sql.exec<{ record: string }>(
      `SELECT record FROM queue
       WHERE record IS NOT NULL AND phase <> 'creating' AND name > ? ORDER BY name LIMIT ?`,
      after,
      limit,
    );
    for (const { record } of cursor) {
      yield { record: JSON.parse(record) as QueueRecord, size: record.length };
    }
  }

  // --- time (index queue_wake) ---------------------------------------------------------------

  /** Names with an unfinished step that is due for another try, longest due first. */
  readDue(nowUs: number, limit: number): readonly string[] {
    return this.#rows<{ name: string }>(
      `SELECT name FROM queue
       WHERE phase IN ('creating', 'updating', 'deleting') AND wake_us <= ?
       ORDER BY wake_us, name LIMIT ?`,
      nowUs,
      limit,
    ).map((row) => row.name);
  }

  /** Names above `after` with an unfinished step, ascending: no more than a location has queues. */
  readPending(after: string): readonly string[] {
    return this.#rows<{ name: string }>(
      `SELECT name FROM queue
       WHERE phase IN ('creating', 'updating', 'deleting') AND wake_us IS NOT NULL AND name > ?
       ORDER BY name LIMIT ?`,
      after,
      MAX_QUEUES_PER_LOCATION,
    ).map((row) => row.name);
  }

  /** When the next unfinished step is due; null when all names are at rest. */
  nextRetryUs(): number | null {
    return this.#time(
      `SELECT min(wake_us) AS time FROM queue
       WHERE phase IN ('creating', 'updating', 'deleting') AND wake_us IS NOT NULL`,
    );
  }

  /** When the next tombstone ends; null when there is none. */
  nextTombstoneEndUs(): number | null {
    return this.#time(
      "SELECT min(wake_us) AS time FROM queue WHERE phase = 'tombstone' AND wake_us IS NOT NULL",
    );
  }

  /** Deletes tombstones that ended, at most `limit`; the number deleted. */
  sweepTombstones(nowUs: number, limit: number): number {
    return this.#sql
      .exec(
        `DELETE FROM queue WHERE phase = 'tombstone' AND name IN (
         SELECT name FROM queue WHERE phase = 'tombstone' AND wake_us <= ?
         ORDER BY wake_us, name LIMIT ?) RETURNING name`,
        nowUs,
        limit,
      )
      .toArray().length;
  }

  #migrate(): void {
    this.#storage.transactionSync(() => migrate(this.#sql));
    this.#hasTables = true;
  }

  #write(
    name: string,
    phase: QueueRow["phase"],
    record: QueueRecord | null,
    change: Change | null,
    wakeUs: number | null,
  ): void {
    if (!this.#hasTables) this.#migrate();
    this.#sql.exec(
      `INSERT OR REPLACE INTO queue(${COLUMNS}) VALUES (?, ?, ?, ?, ?, 0)`,
      name,
      phase,
      record === null ? null : JSON.stringify(record),
      change === null ? null : JSON.stringify(change),
      wakeUs,
    );
  }

  #rows<T extends Record<string, SqlStorageValue>>(
    statement: string,
    ...values: SqlStorageValue[]
  ): T[] {
    return this.#hasTables ? this.#sql.exec<T>(statement, ...values).toArray() : [];
  }

  #time(statement: string): number | null {
    return this.#rows<{ time: number | null }>(statement)[0]?.time ?? null;
  }
}

function decode(row: QueueRow): Entry {
  if (row.phase === "tombstone") {
    assert(row.wake_us !== null, "a tombstone has an end");
    return { phase: "tombstone", untilUs: row.wake_us };
  }
  assert(row.record !== null, "a present queue has a record");
  const record = JSON.parse(row.record) as QueueRecord;
  if (row.phase === "live") return { phase: "live", record };
  const unsettled = { record, failures: row.failures };
  if (row.phase !== "updating") return { phase: row.phase, ...unsettled };
  assert(row.change !== null, "a queue that is being updated says how");
  return { phase: "updating", change: JSON.parse(row.change) as Change, ...unsettled };
}
