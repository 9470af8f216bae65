/** Every SQL statement of a queue's object, named. Rows in, rows out; no decisions. */
import type { QueueRecord, QueueSettings, QueueState } from "../core/model.ts";
import type { Throttle } from "../core/throttle.ts";
import type { TokenBucket } from "../core/token-bucket.ts";
import { PendingStore } from "./pending-store.ts";
import type {
  ClaimRow,
  LeasableRow,
  LeaseBatchRow,
  OperationRow,
  PaceRow,
  PayloadRow,
  QueueRow,
  TallyRow,
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

/** Which rows a lease may take: any, those of a tag, or those without one. */
export type TagFilter = { readonly tag: string | null } | null;

/** What bounds a lease: rows up to a schedule time, and none from before the horizon. */
export interface Availability {
  readonly filter: TagFilter;
  readonly nowUs: number;
  readonly horizonUs: number;
}

/** Rows that a lease of untagged tasks looks at, at most: no index leads to them past tagged ones. */
const UNTAGGED_SCAN_ROWS = 20_000;

const COLUMNS = "at, seq, moved, attempts, lease, name, tag, history, meta, body";

export class Store {
  readonly #sql: SqlStorage;
  /** The tasks of open transactions. */
  readonly pending: PendingStore;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.pending = new PendingStore(sql);
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

  // --- leases --------------------------------------------------------------------------------

  /**
   * The available rows after a place, in order, read as they are asked for. Primary key, or index
   * task_tag. Read as plain columns: that takes half the time, and a lease reads a thousand.
   */
  *availableTasks(
    { filter, nowUs, horizonUs }: Availability,
    after: Place,
    limit: number,
    withBody: boolean,
  ): Iterable<LeasableRow> {
    const query = AVAILABLE[kindOf(filter)][withBody ? "withBody" : "withoutBody"];
    const bindings: SqlStorageValue[] = [after.at, after.seq, nowUs, horizonUs];
    if (filter !== null) bindings.push(filter.tag ?? UNTAGGED_SCAN_ROWS);
    const columns = this.#sql.exec(query, ...bindings, limit).raw<LeasableColumns>();
    for (const [at, seq, moved, attempts, name, tag, history, meta, body, apart] of columns) {
      yield { at, seq, moved, attempts, name, tag, history, meta, body, apart };
    }
  }

  /** The first tasks of a tag, or (null) of all, available or not, created no earlier than the horizon. */
  nextTasks(
    tag: string | null,
    horizonUs: number,
    limit: number,
  ): Iterable<Place & { readonly tag: string | null }> {
    if (tag === null) {
      return this.#sql.exec<{ at: number; seq: number; tag: string | null }>(
        "SELECT at, seq, tag FROM task WHERE seq >= ? ORDER BY at, seq LIMIT ?",
        horizonUs,
        limit,
      );
    }
    return this.#sql.exec<{ at: number; seq: number; tag: string | null }>(
      "SELECT at, seq, tag FROM task WHERE tag = ? AND seq >= ? ORDER BY at, seq LIMIT ?",
      tag,
      horizonUs,
      limit,
    );
  }

  /** How many tasks there are that were created at or after the horizon. Reads them all. */
  countTasks(horizonUs: number): number {
    const found = this.#first<{ n: number }>(
      "SELECT count(*) AS n FROM task WHERE seq >= ?",
      horizonUs,
    );
    return found?.n ?? 0;
  }

  /**
   * Leases the available rows from `first` through `last`, each until expiryOf(until, its leases so far);
   * false, with nothing written, when a place there is taken.
   */
  leaseRange(
    { filter, horizonUs }: Availability,
    first: Place,
    last: Place,
    until: number,
    isIndexed: boolean,
  ): boolean {
    const query = LEASE_RANGE[kindOf(filter)];
    const bindings: SqlStorageValue[] = [
      until,
      isIndexed ? 1 : 0,
      first.at,
      first.seq,
      last.at,
      last.seq,
      horizonUs,
    ];
    if (filter !== null && filter.tag !== null) bindings.push(filter.tag);
    try {
      this.#sql.exec(query, ...bindings);
      return true;
    } catch (error) {
      if (!String(error).includes("UNIQUE")) throw error;
      return false;
    }
  }

  /** Leases one row as leaseRange does; false, with nothing written, when the place is taken. */
  leaseTask(from: Place, until: number): boolean {
    const query = `UPDATE OR IGNORE task SET ${LEASED} WHERE at = ? AND seq = ?`;
    return this.#sql.exec(query, until, 1, from.at, from.seq).rowsWritten > 0;
  }

  /** Moves a leased row to another expiry; false, with nothing written, when that place is taken. */
  moveLease(from: Place, until: number): boolean {
    return (
      this.#sql.exec(
        "UPDATE OR IGNORE task SET at = ?, moved = 1 WHERE at = ? AND seq = ?",
        until,
        from.at,
        from.seq,
      ).rowsWritten > 0
    );
  }

  readBatches(): LeaseBatchRow[] {
    return this.#sql
      .exec<LeaseBatchRow>("SELECT slot, at, top FROM lease_batch ORDER BY slot")
      .toArray();
  }

  writeBatch(slot: number, at: number, top: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO lease_batch(slot, at, top) VALUES (?, ?, ?)",
      slot,
      at,
      top,
    );
  }

  /** Whether any row stands at a schedule time. Primary key. */
  hasTaskAt(at: number): boolean {
    return this.#first("SELECT 1 FROM task WHERE at = ? LIMIT 1", at) !== undefined;
  }

  // --- figures -------------------------------------------------------------------------------

  readTally(): TallyRow | undefined {
    return this.#first<TallyRow>("SELECT tasks, counts, asked FROM tally WHERE id = 1");
  }

  writeTally({ tasks, counts, asked }: TallyRow): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO tally(id, tasks, counts, asked) VALUES (1, ?, ?, ?)",
      tasks,
      counts,
      asked,
    );
  }

  /** The number of tasks that is kept is no longer true. */
  forgetTally(): void {
    this.#sql.exec("UPDATE tally SET tasks = NULL WHERE id = 1");
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

function kindOf(filter: TagFilter): "any" | "tag" | "untagged" {
  if (filter === null) return "any";
  return filter.tag === null ? "untagged" : "tag";
}

const LEASED =
  "at = ? + attempts % 1000, moved = ?, attempts = attempts + 1, lease = NULL, history = COALESCE(history, '{\"bornAt\":' || at || '}')";

/**
 * When a lease that is to last until `untilUs`, a whole millisecond, expires, for a task that was
 * leased so often before.
 */
export function expiryOf(untilUs: number, leases: number): number {
  return untilUs + (leases % 1000);
}

/** Row values keep a scan within the range also where many rows share a time. */
const RANGE = "(at, seq) >= (?, ?) AND (at, seq) <= (?, ?) AND seq >= ?";

const LEASE_RANGE = {
  any: `UPDATE task SET ${LEASED} WHERE ${RANGE}`,
  untagged: `UPDATE task SET ${LEASED} WHERE ${RANGE} AND tag IS NULL`,
  tag: `UPDATE task SET ${LEASED} WHERE ${RANGE} AND tag = ?`,
} as const;

/** A LeasableRow, in the order of `available`. */
type LeasableColumns = [
  at: number,
  seq: number,
  moved: number,
  attempts: number,
  name: string | null,
  tag: string | null,
  history: string | null,
  meta: string,
  body: ArrayBuffer | null,
  apart: number,
];

/** A row that keeps its meta itself looks for no payload: a NULL key finds none without a search. */
function available(from: string, body: string): string {
  return `SELECT t.at, t.seq, t.moved, t.attempts, t.name, t.tag, t.history,
      COALESCE(t.meta, p.meta) AS meta, ${body} AS body, t.meta IS NULL AS apart
    FROM ${from} AS t LEFT JOIN payload AS p ON p.seq = CASE WHEN t.meta IS NULL THEN t.seq END`;
}

const AFTER = "(at, seq) > (?, ?) AND at <= ? AND seq >= ?";
const ORDER = "ORDER BY at, seq LIMIT ?";

function availableBoth(from: string, rest: string) {
  return {
    withBody: `${available(from, "COALESCE(t.body, p.body)")} ${rest}`,
    withoutBody: `${available(from, "NULL")} ${rest}`,
  } as const;
}

const AVAILABLE = {
  any: availableBoth(
    "task",
    "WHERE (t.at, t.seq) > (?, ?) AND t.at <= ? AND t.seq >= ? ORDER BY t.at, t.seq LIMIT ?",
  ),
  tag: availableBoth(
    "task",
    "WHERE (t.at, t.seq) > (?, ?) AND t.at <= ? AND t.seq >= ? AND t.tag = ? ORDER BY t.at, t.seq LIMIT ?",
  ),
  untagged: availableBoth(
    `(SELECT * FROM task WHERE ${AFTER} ${ORDER})`,
    "WHERE t.tag IS NULL ORDER BY t.at, t.seq LIMIT ?",
  ),
} as const;

/** Whether a task's meta and body are kept in `payload`. The body counts in bytes, the meta in UTF-16 units. */
export function isApart(meta: string, body: Uint8Array | null): boolean {
  return meta.length + (body?.byteLength ?? 0) > INLINE_BYTES;
}
