/** Every SQL statement of a queue's object, named. Rows in, rows out; no decisions. */
import type { QueueRecord, QueueSettings, QueueState } from "../core/model.ts";
import type { Throttle } from "../core/throttle.ts";
import type { TokenBucket } from "../core/token-bucket.ts";
import type {
  ClaimRow,
  OperationRow,
  PaceRow,
  PayloadRow,
  QueueRow,
  TaskRow,
  TombstoneRow,
} from "./schema.ts";
import { INLINE_BYTES } from "./schema.ts";

/** A place in the schedule: rows are ordered by schedule time, then by sequence. */
export interface Place {
  readonly at: number;
  readonly seq: number;
}

/** The queue's own row, decoded. */
export interface StoredQueue extends QueueRecord {
  readonly purging: boolean;
}

/** A task as it is inserted. */
export interface NewTask extends Place {
  readonly lease: number | null;
  readonly name: string | null;
  readonly tag: string | null;
  readonly meta: string;
  readonly body: Uint8Array | null;
}

const COLUMNS = "at, seq, moved, attempts, lease, name, tag, history, meta, body";

export class Store {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // --- the queue -----------------------------------------------------------------------------

  readQueue(): StoredQueue | null {
    const row = this.#first<QueueRow>(
      "SELECT name, settings, state, purge_time, purging FROM queue WHERE id = 1",
    );
    if (row === undefined) return null;
    return {
      name: JSON.parse(row.name) as QueueRecord["name"],
      settings: JSON.parse(row.settings) as QueueSettings,
      state: row.state as QueueState,
      purging: row.purging === 1,
      ...(row.purge_time === null ? {} : { purgeTimeUs: row.purge_time }),
    };
  }

  writeQueue(queue: StoredQueue): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO queue(id, name, settings, state, purge_time, purging) VALUES (1, ?, ?, ?, ?, ?)",
      JSON.stringify(queue.name),
      JSON.stringify(queue.settings),
      queue.state,
      queue.purgeTimeUs ?? null,
      queue.purging ? 1 : 0,
    );
  }

  readPace(): { bucket: TokenBucket; throttle: Throttle } | null {
    const row = this.#first<PaceRow>(
      "SELECT tokens, as_of, factor, factor_as_of FROM pace WHERE id = 1",
    );
    if (row === undefined) return null;
    return {
      bucket: { tokens: row.tokens, asOfUs: row.as_of },
      throttle: { factor: row.factor, asOfUs: row.factor_as_of },
    };
  }

  writePace(bucket: TokenBucket, throttle: Throttle): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO pace(id, tokens, as_of, factor, factor_as_of) VALUES (1, ?, ?, ?, ?)",
      bucket.tokens,
      Math.round(bucket.asOfUs),
      throttle.factor,
      throttle.asOfUs,
    );
  }

  // --- tasks ---------------------------------------------------------------------------------

  /** Inserts a task; false, with nothing written, when its sequence number is taken. */
  insertTask(task: NewTask): boolean {
    const apart = isApart(task.meta, task.body);
    if (apart) {
      const kept = this.#sql.exec(
        "INSERT INTO payload(seq, meta, body) VALUES (?, ?, ?) ON CONFLICT(seq) DO NOTHING",
        task.seq,
        task.meta,
        task.body,
      ).rowsWritten;
      if (kept === 0) return false;
    }
    const inserted = this.#sql.exec(
      "INSERT INTO task(at, seq, lease, name, tag, meta, body) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(at, seq) DO NOTHING",
      task.at,
      task.seq,
      task.lease,
      task.name,
      task.tag,
      apart ? null : task.meta,
      apart ? null : task.body,
    ).rowsWritten;
    if (inserted > 0) return true;
    if (apart) this.#sql.exec("DELETE FROM payload WHERE seq = ?", task.seq);
    return false;
  }

  /** The row at a place. Primary key. */
  taskAt(at: number, seq: number): TaskRow | undefined {
    return this.#first<TaskRow>(`SELECT ${COLUMNS} FROM task WHERE at = ? AND seq = ?`, at, seq);
  }

  /**
   * Rows of a sequence number whose schedule time has changed since creation: one, but after a clock
   * stepped back. Index task_moved.
   */
  movedTasks(seq: number): TaskRow[] {
    return this.#sql
      .exec<TaskRow>(`SELECT ${COLUMNS} FROM task WHERE seq = ? AND moved = 1 LIMIT 8`, seq)
      .toArray();
  }

  /** Index task_name. */
  taskNamed(name: string): TaskRow | undefined {
    return this.#first<TaskRow>(`SELECT ${COLUMNS} FROM task WHERE name = ?`, name);
  }

  /** The next rows of the schedule after a place, due or not. Primary key order. */
  tasksAfter(place: Place, limit: number): TaskRow[] {
    return this.#sql
      .exec<TaskRow>(
        `SELECT ${COLUMNS} FROM task WHERE (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?`,
        place.at,
        place.seq,
        limit,
      )
      .toArray();
  }

  /** Rows stored leased since `sinceUs` whose lease still runs. Primary key range. */
  leasedTasks(sinceUs: number, nowUs: number): TaskRow[] {
    return this.#sql
      .exec<TaskRow>(
        `SELECT ${COLUMNS} FROM task WHERE at > ? AND at <= ? AND lease > ? ORDER BY at, seq`,
        sinceUs,
        nowUs,
        nowUs,
      )
      .toArray();
  }

  /** Schedule time of the first row after a place; undefined when there is none. */
  scheduleAfter(place: Place): number | undefined {
    return this.#first<{ at: number }>(
      "SELECT at FROM task WHERE (at, seq) > (?, ?) ORDER BY at, seq LIMIT 1",
      place.at,
      place.seq,
    )?.at;
  }

  /** Places of the next rows, for passes over the whole schedule that touch no payload. */
  placesAfter(place: Place, limit: number): (Place & { name: string | null; apart: number })[] {
    return this.#sql
      .exec<{ at: number; seq: number; name: string | null; apart: number }>(
        "SELECT at, seq, name, meta IS NULL AS apart FROM task WHERE (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?",
        place.at,
        place.seq,
        limit,
      )
      .toArray();
  }

  payload(seq: number): PayloadRow | undefined {
    return this.#first<PayloadRow>("SELECT meta, body FROM payload WHERE seq = ?", seq);
  }

  /** The meta alone, where the body is not wanted. */
  payloadMeta(seq: number): string | undefined {
    return this.#first<{ meta: string }>("SELECT meta FROM payload WHERE seq = ?", seq)?.meta;
  }

  /** Removes a task; false when no row is at the place. */
  deleteTask(at: number, seq: number, apart: boolean): boolean {
    const deleted =
      this.#sql.exec("DELETE FROM task WHERE at = ? AND seq = ?", at, seq).rowsWritten > 0;
    if (deleted && apart) this.#sql.exec("DELETE FROM payload WHERE seq = ?", seq);
    return deleted;
  }

  /**
   * Moves a task to its next schedule time and records how its attempts went so far; false, with
   * nothing written, when that place is taken.
   */
  rescheduleTask(from: Place, at: number, attempts: number, history: string): boolean {
    return (
      this.#sql.exec(
        "UPDATE OR IGNORE task SET at = ?, moved = 1, attempts = ?, history = ?, lease = NULL WHERE at = ? AND seq = ?",
        at,
        attempts,
        history,
        from.at,
        from.seq,
      ).rowsWritten > 0
    );
  }

  /** The highest sequence number that indexes know of; 0 when they know of none. */
  highestSequence(): number {
    const moved = this.#first<{ seq: number | null }>(
      "SELECT max(seq) AS seq FROM task WHERE moved = 1",
    );
    const apart = this.#first<{ seq: number | null }>("SELECT max(seq) AS seq FROM payload");
    return Math.max(moved?.seq ?? 0, apart?.seq ?? 0);
  }

  // --- claims --------------------------------------------------------------------------------

  readClaims(): ClaimRow[] {
    return this.#sql.exec<ClaimRow>("SELECT slot, until, keys FROM claim ORDER BY slot").toArray();
  }

  /** Writes a tick's claims over whatever the slot held. */
  writeClaim(slot: number, until: number, keys: string): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO claim(slot, until, keys) VALUES (?, ?, ?)",
      slot,
      until,
      keys,
    );
  }

  // --- tombstones ----------------------------------------------------------------------------

  tombstoneUntil(name: string): number | undefined {
    return this.#first<{ until: number }>("SELECT until FROM tombstone WHERE name = ?", name)
      ?.until;
  }

  writeTombstone(name: string, until: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO tombstone(name, until) VALUES (?, ?)", name, until);
  }

  /** A slice of the tombstones in name order, for the sweep. */
  tombstonesAfter(name: string, limit: number): TombstoneRow[] {
    return this.#sql
      .exec<TombstoneRow>(
        "SELECT name, until FROM tombstone WHERE name > ? ORDER BY name LIMIT ?",
        name,
        limit,
      )
      .toArray();
  }

  /** Deletes the expired tombstones among names in (after, through]. */
  deleteTombstones(after: string, through: string, until: number): void {
    this.#sql.exec(
      "DELETE FROM tombstone WHERE name > ? AND name <= ? AND until <= ?",
      after,
      through,
      until,
    );
  }

  // --- operations ----------------------------------------------------------------------------

  operation(number: number): OperationRow | undefined {
    return this.#first<OperationRow>(
      "SELECT number, kind, body FROM operation WHERE number = ?",
      number,
    );
  }

  operationOfRequest(request: string): OperationRow | undefined {
    return this.#first<OperationRow>(
      "SELECT number, kind, body FROM operation WHERE request = ?",
      request,
    );
  }

  operationsAfter(number: number, limit: number): OperationRow[] {
    return this.#sql
      .exec<OperationRow>(
        "SELECT number, kind, body FROM operation WHERE number > ? ORDER BY number LIMIT ?",
        number,
        limit,
      )
      .toArray();
  }

  insertOperation(row: OperationRow, request: string | null): void {
    this.#sql.exec(
      "INSERT INTO operation(number, kind, body, request) VALUES (?, ?, ?, ?)",
      row.number,
      row.kind,
      row.body,
      request,
    );
  }

  /** Forgets operations numbered below a bound, a few at a time. */
  deleteOperationsBelow(number: number, limit: number): void {
    this.#sql.exec(
      "DELETE FROM operation WHERE number IN (SELECT number FROM operation WHERE number < ? ORDER BY number LIMIT ?)",
      number,
      limit,
    );
  }

  #first<T extends Record<string, SqlStorageValue>>(
    query: string,
    ...bindings: SqlStorageValue[]
  ): T | undefined {
    const next = this.#sql.exec<T>(query, ...bindings).next();
    return next.done ? undefined : next.value;
  }
}

/** Whether a task's meta and body are kept in `payload`. The body counts in bytes, the meta in UTF-16 units. */
export function isApart(meta: string, body: Uint8Array | null): boolean {
  return meta.length + (body?.byteLength ?? 0) > INLINE_BYTES;
}
