/**
 * Pull queues: leases that workers take, renew and end. A lease is the task's place in the schedule:
 * the row moves to the lease's expiry, so a lapsed one is available again at exactly that time, in
 * order, and nothing has to be remembered or woken for it.
 *
 *   (nothing) ── create ──► available at its schedule time ◄─────────────────────┐
 *                                 │                                              │
 *                                 ├── lease ──► leased until t ── t passes ──────┤
 *                                 │              │ │ │ └── cancel, renew by 0 ───┘
 *                                 │              │ │ └── renew ──► leased until t'
 *                                 │              │ └── acknowledge ──► gone (tombstone if named)
 *                                 └── leases used up, met by a lease call ──► gone
 *   available or leased ── delete, purge, expiry ──► gone
 *
 * An acknowledgement counts for as long as nobody else has leased the task, also past the expiry: the
 * work is done. A renewal or a cancellation past the expiry is refused, since there is no lease.
 */
import type { EncodedMeta, TaskRecord } from "../core/model.ts";
import { decodeMeta } from "../core/model.ts";
import type { DomainError, Result } from "../core/result.ts";
import { ok, refuse } from "../core/result.ts";
import { decodeTaskId } from "../core/task-id.ts";
import type { Flights } from "./flights.ts";
import type { LeasableRow, TaskRow } from "./schema.ts";
import type { LeaseKey, LeaseSelection, PullService } from "./service.ts";
import type { Availability, Place, Store, StoredQueue, TagFilter } from "./store.ts";
import { expiryOf } from "./store.ts";
import type { Tally } from "./tally.ts";
import { taskRecord } from "./task-record.ts";
import type { TaskTable } from "./task-table.ts";
import { missingQueue } from "./task-table.ts";
import type { Waiters } from "./waiters.ts";

export type LeaseRequest = Parameters<PullService["leaseTasks"]>[0];
export type WaitRequest = Parameters<PullService["waitForTasks"]>[0];

/** No call waits longer: clients and what lies between give up at some time. */
const MAX_WAIT_US = 60e6;

const START: Place = { at: -1, seq: 0 };
/** Rows read at least once a first round has met rows that could not be leased, and rounds in one call. */
const FURTHER_ROWS = 200;
const ROUNDS = 10;

/** What a lease call found. */
interface Gathered {
  readonly rows: LeasableRow[];
  /** Rows that may not be leased again. */
  readonly usedUp: LeasableRow[];
  /** Whether `rows` are all that lie between the first and the last of them, but for those used up. */
  isWhole: boolean;
}

export class Pull {
  readonly #store: Store;
  readonly #tasks: TaskTable;
  readonly #flights: Flights;
  readonly #waiters: Waiters;
  readonly #tally: Tally;

  constructor(store: Store, tasks: TaskTable, flights: Flights, waiters: Waiters, tally: Tally) {
    this.#store = store;
    this.#tasks = tasks;
    this.#flights = flights;
    this.#waiters = waiters;
    this.#tally = tally;
  }

  /** See PullService.leaseTasks. */
  leaseTasks(request: LeaseRequest, nowUs: number): Result<readonly TaskRecord[]> {
    const found = this.#pullQueue();
    if (!found.ok) return found;
    const queue = found.value;
    if (queue.state !== "RUNNING") {
      return refuse(
        "FAILED_PRECONDITION",
        "QUEUE_NOT_RUNNING",
        "The queue is not running: no tasks can be leased from it.",
      );
    }
    const { place, selection } = request;
    const isEarly = place !== undefined && this.#waiters.mustYield(place, selection);
    return ok(isEarly || request.maxTasks < 1 ? [] : this.#leaseNow(request, queue, nowUs));
  }

  /** Begins to wait; FAILED_PRECONDITION and NOT_FOUND as leaseTasks, RESOURCE_EXHAUSTED when too many do. */
  wait({ place, selection, waitMs }: WaitRequest, nowUs: number): Result<null> {
    const queue = this.#pullQueue();
    if (!queue.ok) return queue;
    return this.#waiters.enter(place, selection, nowUs + Math.min(waitMs * 1000, MAX_WAIT_US));
  }

  /** Ends a lease by deleting its task. */
  acknowledge(key: LeaseKey, nowUs: number): Result<null> {
    const held = this.#held(key, nowUs);
    if (!held.ok) return held;
    const row = held.value;
    this.#tasks.remove(row, row.name, row.meta === null, nowUs);
    return ok(null);
  }

  /** Has a lease end at now plus a duration; 0 makes the task available at once. */
  renew(key: LeaseKey, durationUs: number, withBody: boolean, nowUs: number): Result<TaskRecord> {
    const held = this.#held(key, nowUs);
    if (!held.ok) return held;
    if (held.value.at <= nowUs) return lapsed();
    return ok(this.#move(held.value, durationUs, withBody, nowUs));
  }

  /** As renew, for whoever's lease it is. */
  extend(id: string, durationUs: number, nowUs: number, withBody = false): Result<TaskRecord> {
    const queue = this.#pullQueue();
    if (!queue.ok) return queue;
    const found = this.#tasks.find(id, nowUs);
    if (!found.ok) return found;
    if (found.value.attempts === 0 || found.value.at <= nowUs) return lapsed();
    return ok(this.#move(found.value, durationUs, withBody, nowUs));
  }

  /** Each of many by its own result; the outer failure: no queue that leases. */
  each<T>(
    keys: readonly LeaseKey[],
    end: (key: LeaseKey) => Result<T>,
  ): Result<readonly Result<T>[]> {
    const queue = this.#pullQueue();
    return queue.ok ? ok(keys.map(end)) : queue;
  }

  // --- leasing -------------------------------------------------------------------------------

  #leaseNow(request: LeaseRequest, queue: StoredQueue, nowUs: number): TaskRecord[] {
    for (let tries = 0; tries < ROUNDS; tries++) {
      const filter = this.#filterOf(request.selection, nowUs);
      if (filter === undefined) break;
      const available = { filter, nowUs, horizonUs: this.#tasks.horizonUs(nowUs) };
      const gathered = this.#gather(available, request, queue);
      for (const row of gathered.usedUp) {
        this.#tasks.remove(row, row.name, row.apart === 1, nowUs);
      }
      if (gathered.rows.length > 0) {
        const leased = this.#lease(available, gathered, request.leaseDurationUs);
        this.#tally.leased(leased.length, nowUs);
        this.#tellWaiters(request, gathered.rows);
        return leased;
      }
      // The oldest task is gone now, and another tag's turn may have come.
      if (request.selection.kind !== "oldestTag" || gathered.usedUp.length === 0) break;
    }
    return [];
  }

  /** Which rows a selection means now; undefined where there is nothing to select from. */
  #filterOf(selection: LeaseSelection, nowUs: number): TagFilter | undefined {
    switch (selection.kind) {
      case "any":
        return null;
      case "tag":
        return { tag: selection.tag };
      case "oldestTag": {
        const available = { filter: null, nowUs, horizonUs: this.#tasks.horizonUs(nowUs) };
        const limit = this.#flights.isEmpty ? 1 : FURTHER_ROWS;
        const rows = [...this.#store.availableTasks(available, START, limit, false)];
        const oldest = rows.find((row) => !this.#isUnderWay(row));
        return oldest === undefined ? undefined : { tag: oldest.tag };
      }
    }
  }

  /** Finds rows to lease, in order, and on the way those whose leases are used up. */
  #gather(available: Availability, request: LeaseRequest, queue: StoredQueue): Gathered {
    const gathered: Gathered = { rows: [], usedUp: [], isWhole: true };
    const { rows, usedUp } = gathered;
    let bytes = 0;
    let after = START;
    for (let round = 0; round < ROUNDS; round++) {
      const wanted = request.maxTasks - rows.length;
      const limit = round === 0 ? wanted : Math.max(wanted, FURTHER_ROWS);
      let read = 0;
      for (const row of this.#store.availableTasks(available, after, limit, request.withBody)) {
        read++;
        after = row;
        if (this.#isUnderWay(row)) {
          gathered.isWhole = false;
        } else if (isUsedUp(row, queue)) {
          usedUp.push(row);
        } else {
          bytes += row.meta.length + (row.body?.byteLength ?? 0);
          if (bytes > request.maxBytes && rows.length > 0) return gathered;
          rows.push(row);
          // In the first round the query ends here by itself, which leaves its cursor free.
          if (round > 0 && rows.length === request.maxTasks) return gathered;
        }
      }
      if (read < limit || rows.length === request.maxTasks) break;
    }
    return gathered;
  }

  /** Whether the dispatcher still makes an attempt: of a task from when the queue was a push queue. */
  #isUnderWay(row: Place): boolean {
    return !this.#flights.isEmpty && this.#flights.get(row) !== undefined;
  }

  /** A turn may be used, and the leased tasks have another time. */
  #tellWaiters({ place, selection }: LeaseRequest, rows: readonly LeasableRow[]): void {
    if (this.#waiters.isEmpty) return;
    this.#waiters.finish(place, selection);
    for (const tag of new Set(rows.map((row) => row.tag))) this.#waiters.notice(tag);
  }

  /** Leases what was gathered: all of it by one statement where nothing lies between. */
  #lease(
    available: Availability,
    { rows, isWhole }: Gathered,
    leaseDurationUs: number,
  ): TaskRecord[] {
    const first = rows[0];
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return [];
    const until = untilOf(available.nowUs, leaseDurationUs);
    if (isWhole) {
      const isIndexed = !this.#holdBatch(rows, until);
      if (this.#store.leaseRange(available, first, last, until, isIndexed)) {
        return rows.map((row) => this.#leasedRecord(row, expiryOf(until, row.attempts)));
      }
    }
    return rows.map((row) => {
      let free = until;
      while (!this.#store.leaseTask(row, free)) free += 1000;
      return this.#leasedRecord(row, expiryOf(free, row.attempts));
    });
  }

  #holdBatch(rows: readonly LeasableRow[], until: number): boolean {
    const expiries = new Set<number>();
    let top = 0;
    for (const { seq, attempts } of rows) {
      expiries.add(expiryOf(until, attempts));
      top = Math.max(top, seq);
    }
    return this.#tasks.batches.hold([...expiries], rows.length, top);
  }

  /** The record of a row that has just been leased. */
  #leasedRecord(row: LeasableRow, at: number): TaskRecord {
    if (!this.#flights.isEmpty) this.#flights.remove(row);
    const history = row.history ?? `{"bornAt":${row.at}}`;
    const leased = { ...row, at, attempts: row.attempts + 1, history };
    return taskRecord(leased, row, this.#tasks.salt, NOT_RUNNING);
  }

  // --- leases held ---------------------------------------------------------------------------

  /** The row whose last lease a key names, lapsed or not. */
  #held(key: LeaseKey, nowUs: number): Result<TaskRow> {
    const queue = this.#pullQueue();
    if (!queue.ok) return queue;
    const row = this.#unnamedAt(key);
    const found =
      row === undefined || this.#tasks.isHidden(row.seq, nowUs)
        ? this.#tasks.find(key.id, nowUs)
        : ok(row);
    if (!found.ok) return found;
    if (found.value.attempts === 0 || found.value.at !== key.scheduleTimeUs) return stale();
    return found;
  }

  /** The row of an unnamed task where its lease has it, without an index. */
  #unnamedAt(key: LeaseKey): TaskRow | undefined {
    const born = decodeTaskId(key.id, this.#tasks.salt);
    if (born === null) return undefined;
    const row = this.#store.taskAt(key.scheduleTimeUs, born.sequence);
    return row?.name === null && this.#tasks.idOfRow(row) === key.id ? row : undefined;
  }

  #move(row: TaskRow, durationUs: number, withBody: boolean, nowUs: number): TaskRecord {
    const isReleased = durationUs <= 0;
    const base = isReleased ? releasedAt(row, nowUs) : untilOf(nowUs, durationUs);
    let at = expiryOf(base, row.attempts - 1);
    while (!this.#store.moveLease(row, at)) at += isReleased ? -1000 : 1000;
    this.#waiters.notice(row.tag);
    const history = row.history ?? `{"bornAt":${row.at}}`;
    const kept = withBody
      ? this.#tasks.payloadOf(row)
      : { meta: this.#tasks.metaOf(row), body: null };
    return taskRecord({ ...row, at, history }, kept, this.#tasks.salt, NOT_RUNNING);
  }

  #pullQueue(): Result<StoredQueue> {
    const { queue } = this.#tasks;
    if (queue === null) return missingQueue();
    return queue.settings.type === "PULL" ? ok(queue) : notPull();
  }
}

/**
 * When a lease that begins now is to end, in whole milliseconds: the digits below tell the number of
 * the lease (expiryOf), so that two leases of a task never have the same expiry, and the key of an
 * earlier one never fits a later.
 */
function untilOf(nowUs: number, leaseDurationUs: number): number {
  return Math.ceil((nowUs + Math.max(1, leaseDurationUs)) / 1000) * 1000;
}

/** Where a released lease ends: within the last millisecond, so that its number fits below. */
function releasedAt({ attempts }: TaskRow, nowUs: number): number {
  const nowMs = Math.floor(nowUs / 1000);
  return 1000 * (expiryOf(nowMs * 1000, attempts - 1) <= nowUs ? nowMs : nowMs - 1);
}

const NOT_RUNNING = { flight: undefined, lost: 0 } as const;

/** Whether a task was leased as often as its own or the queue's retry settings allow. */
function isUsedUp(row: LeasableRow, queue: StoredQueue): boolean {
  if (row.attempts === 0) return false;
  const own = row.meta.includes('"retryConfig"')
    ? decodeMeta(row.meta as EncodedMeta).retryConfig
    : undefined;
  const { maxAttempts } = own ?? queue.settings.retryConfig;
  return maxAttempts >= 0 && row.attempts >= maxAttempts;
}

function notPull(): { readonly ok: false; readonly error: DomainError } {
  return refuse(
    "FAILED_PRECONDITION",
    "WRONG_QUEUE_TYPE",
    "The queue is not a pull queue: its tasks cannot be leased.",
  );
}

function stale(): { readonly ok: false; readonly error: DomainError } {
  return refuse(
    "FAILED_PRECONDITION",
    "LEASE_LOST",
    "The task's lease is not the one named by the schedule time in the request.",
  );
}

function lapsed(): { readonly ok: false; readonly error: DomainError } {
  return refuse("FAILED_PRECONDITION", "LEASE_LOST", "The task's lease has expired.");
}
