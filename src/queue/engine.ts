/**
 * The rules of a queue, over its tables. Synchronous; time comes as an argument, in microseconds.
 * Effects are data: attempts to be made are answered, never made here.
 *
 *              create                     claim (tick)            2xx
 *   (nothing) ────────► scheduled ──────────────────────► leased ──────► gone (tombstone if named)
 *                  │        ▲                              │ │ │
 *                  │        ├── failure, retry at t ◄──────┘ │ └─ exhausted ─► gone
 *                  │        └── lease expired, no outcome ◄──┘
 *                  └── created when due, with room: stored already leased
 *   scheduled or leased ── delete, purge, expiry ──► gone
 */

import type { AttemptKey, AttemptOrder, AttemptOutcome } from "../core/attempt.ts";
import { attemptStatus } from "../core/attempt-status.ts";
import type {
  CreatedTask,
  EncodedMeta,
  ListCursor,
  OperationRecord,
  QueueName,
  QueueRecord,
  QueueSettings,
  TaskRecord,
  TaskSpec,
} from "../core/model.ts";
import { decodeMeta } from "../core/model.ts";
import type { Result } from "../core/result.ts";
import { assert, ok, refuse } from "../core/result.ts";
import { backoffUs, isExhausted } from "../core/retry-policy.ts";
import { isSlowingEnd } from "../core/throttle.ts";
import { firstDueUs, overrideMeta, wrongType } from "./admission.ts";
import type { Flight } from "./flights.ts";
import { Flights, LEASE_US } from "./flights.ts";
import { Pace } from "./pace.ts";
import { Pending } from "./pending.ts";
import { Pull } from "./pull.ts";
import type { TaskRow } from "./schema.ts";
import type { QueueStats } from "./service.ts";
import type { Place, Store, StoredQueue } from "./store.ts";
import { isApart } from "./store.ts";
import { Sweeper } from "./sweeper.ts";
import { Tally } from "./tally.ts";
import { attemptHistory, bornAt, extendHistory, readHistory, taskRecord } from "./task-record.ts";
import { missingEntity, missingQueue, TaskTable } from "./task-table.ts";
import type { Call } from "./waiters.ts";
import { Waiters } from "./waiters.ts";

/** Bytes of body that attempts under way may hold: an object shares 128 MB with its isolate. */
const MAX_FLIGHT_BYTES = 32e6;
/** Bytes of body in one page of a list. */
const MAX_PAGE_BYTES = 8e6;
/** Rows a tick reads in one go, and how often it goes on in the same tick. */
const TICK_ROWS = 200;
const TICK_ROUNDS = 10;
/** Rows that one page of a list looks at: purged rows that are still there count too. */
const LIST_ROWS = 10_000;
/** How long a finished operation is kept. */
const OPERATION_TTL_US = 86400e6;

/** Holds the leases of attempts that wait for a lane; lanes have numbers from 1. */
const WAITING_LANE = 0;

const START: Place = { at: -1, seq: 0 };

/** What came of a report, for the log. */
export interface Settlement {
  readonly taskId: string;
  readonly attempt: number;
  readonly result: "completed" | "retried" | "exhausted";
  readonly code: number;
}

export class Engine {
  readonly #store: Store;
  readonly #tasks: TaskTable;
  readonly #flights: Flights;
  readonly #pace: Pace;
  readonly #sweeper: Sweeper;
  readonly #tally: Tally;
  /** Leases of pull workers. */
  readonly pull: Pull;
  /** Tasks of open transactions. */
  readonly pending: Pending;
  /** Callers that wait for tasks of a pull queue. */
  readonly waiters: Waiters;
  /** Every row up to here is either leased or not visible any more. */
  #cursor: Place = START;
  /** Schedule time of the first row after the cursor; -Infinity: not known yet. */
  #nextAt = Number.NEGATIVE_INFINITY;
  /** Attempts that dispatcher lanes could start now; the shell sets it before each turn. */
  capacity = 0;
  /** Attempts claimed since they were last taken. */
  #orders: AttemptOrder[] = [];

  constructor(store: Store, nowUs: number) {
    this.#store = store;
    const queue = store.readQueue();
    this.#tally = new Tally(store, queue?.purgeTimeUs ?? 0, nowUs);
    this.#flights = new Flights(store, (row) => this.#tasks.idOfRow(row));
    this.#sweeper = new Sweeper(store, this.#flights, this.#tally);
    this.#tasks = new TaskTable(store, queue, this.#sweeper, this.#tally);
    this.pending = new Pending(store.pending, this.#tasks, nowUs, (place, tag) => {
      this.#noticeRow(place);
      this.waiters.notice(tag);
    });
    this.#flights.load(nowUs);
    this.waiters = new Waiters(store);
    this.pull = new Pull(store, this.#tasks, this.#flights, this.waiters, this.#tally);
    this.#pace = new Pace(store, this.#tasks.queue?.settings.rateLimits ?? null, nowUs);
  }

  // --- the queue -----------------------------------------------------------------------------

  /** The queue's settings where it exists, for the shell. */
  get queue(): QueueRecord | null {
    return this.#tasks.queue;
  }

  getQueue(): Result<QueueRecord> {
    return this.#tasks.queue === null ? missingQueue() : ok(recordOf(this.#tasks.queue));
  }

  /** Makes the queue exist, or gives an existing one these settings. */
  configure(name: QueueName, settings: QueueSettings, nowUs: number): Result<QueueRecord> {
    const before = this.#tasks.queue;
    this.#tasks.writeQueue(
      before === null
        ? { name, settings, state: "RUNNING", purging: false }
        : { ...before, settings },
    );
    if (before === null) {
      this.#pace.start(settings.rateLimits, nowUs);
      this.#tally.start();
    } else this.#pace.change(settings.rateLimits, nowUs);
    if (before !== null && before.settings.type !== settings.type) this.#forgetCursor();
    this.waiters.noticeAll();
    return this.getQueue();
  }

  updateSettings(settings: QueueSettings, nowUs: number): Result<QueueRecord> {
    if (this.#tasks.queue === null) return missingQueue();
    return this.configure(this.#tasks.queue.name, settings, nowUs);
  }

  pause(): Result<QueueRecord> {
    return this.#setState("PAUSED");
  }

  resume(): Result<QueueRecord> {
    return this.#setState("RUNNING");
  }

  /** Everything created before the call is gone for every reader at once; rows follow in slices. */
  purge(nowUs: number): Result<QueueRecord> {
    if (this.#tasks.queue === null) return missingQueue();
    const purgeTimeUs = this.#tasks.nextSequence(nowUs);
    this.#tasks.writeQueue({ ...this.#tasks.queue, purgeTimeUs, purging: true });
    this.#tally.purged(purgeTimeUs, nowUs);
    this.#flights.removeBefore(purgeTimeUs);
    this.#sweeper.startRemoval();
    return this.getQueue();
  }

  // --- tasks ---------------------------------------------------------------------------------

  createTask(spec: TaskSpec, nowUs: number): Result<CreatedTask> {
    const queue = this.#tasks.queue;
    if (queue === null) return missingQueue();
    const mismatch = wrongType(spec, queue.settings);
    if (mismatch !== undefined) return mismatch;
    const taken = spec.id === undefined ? null : this.#tasks.takenBy(spec.id, nowUs);
    if (taken !== null) return refuse("ALREADY_EXISTS", taken, "Requested entity already exists");
    const overridden = overrideMeta(spec.meta, queue.settings);
    const meta = overridden ?? spec.meta;
    const scheduleTimeUs = firstDueUs(spec, queue.settings, nowUs);
    const born = scheduleTimeUs === nowUs && this.#canLeaseAtBirth(spec, nowUs);
    const sequence = this.#tasks.insert(
      spec,
      meta,
      scheduleTimeUs,
      born ? nowUs + LEASE_US : null,
      nowUs,
    );
    const id = spec.id ?? this.#tasks.idOf({ at: scheduleTimeUs, seq: sequence });
    const place = { at: scheduleTimeUs, seq: sequence };
    if (born) this.#launchAtBirth(place, id, spec, meta, nowUs);
    else this.#noticeRow(place);
    this.waiters.notice(spec.tag ?? null);
    return ok({
      id,
      scheduleTimeUs,
      createTimeUs: sequence,
      ...(overridden === null ? {} : { meta: overridden }),
    });
  }

  getTask(id: string, withBody: boolean, nowUs: number): Result<TaskRecord> {
    const found = this.#tasks.find(id, nowUs);
    return found.ok ? ok(this.#record(found.value, withBody)) : found;
  }

  listTasks(
    pageSize: number,
    cursor: ListCursor | undefined,
    withBody: boolean,
    nowUs: number,
  ): Result<{ tasks: readonly TaskRecord[]; next?: ListCursor }> {
    if (this.#tasks.queue === null) return missingQueue();
    const tasks: TaskRecord[] = [];
    let bytes = 0;
    let place = cursor === undefined ? START : { at: cursor.scheduleTimeUs, seq: cursor.sequence };
    let looked = 0;
    for (;;) {
      const wanted = looked > tasks.length ? TICK_ROWS : pageSize - tasks.length + 1;
      const rows = this.#store.tasksAfter(place, Math.min(wanted, TICK_ROWS));
      for (const row of rows) {
        if (tasks.length === pageSize || bytes > MAX_PAGE_BYTES) {
          return ok({ tasks, next: { scheduleTimeUs: place.at, sequence: place.seq } });
        }
        place = row;
        if (this.#tasks.isHidden(row.seq, nowUs)) continue;
        const task = this.#record(row, withBody);
        bytes += task.meta.length + (task.body?.byteLength ?? 0);
        tasks.push(task);
      }
      if (rows.length === 0) return ok({ tasks });
      looked += rows.length;
      if (looked >= LIST_ROWS) {
        return ok({ tasks, next: { scheduleTimeUs: place.at, sequence: place.seq } });
      }
    }
  }

  deleteTask(id: string, nowUs: number): Result<null> {
    const found = this.#tasks.find(id, nowUs);
    if (!found.ok) return found;
    this.#remove(found.value, found.value.name, found.value.meta === null, nowUs);
    return ok(null);
  }

  /** Claims a task whatever pause, rates and a running attempt say (discovery v2 tasks.run). */
  runTask(id: string, withBody: boolean, nowUs: number): Result<TaskRecord> {
    if (this.#tasks.queue?.settings.type === "PULL") {
      const text = "Tasks of a pull queue cannot be run, only leased.";
      return refuse("FAILED_PRECONDITION", "WRONG_QUEUE_TYPE", text);
    }
    const found = this.#tasks.find(id, nowUs);
    if (!found.ok) return found;
    const row = found.value;
    const order = this.#orderOf(row, this.#nextAttempt(row));
    const flight = this.#flightOf(row, order.body?.byteLength ?? 0, nowUs, nowUs);
    this.#flights.claim([flight], nowUs + LEASE_US);
    this.#orders.push(order);
    this.capacity--;
    return ok(this.#record(row, withBody));
  }

  // --- attempts ------------------------------------------------------------------------------

  /** Claims what is due, as far as capacity, concurrency, tokens and memory allow. */
  tick(nowUs: number): void {
    this.#dropEndedOrders();
    for (const place of this.#flights.expire(nowUs)) {
      this.#noticeRow(place);
      this.waiters.noticeAll();
    }
    if (!this.#isDispatching || this.#firstAt() > nowUs) return;
    const flights: Flight[] = [];
    const tokens = this.#pace.grantable(nowUs);
    for (let round = 0; round < TICK_ROUNDS; round++) {
      if (!this.#claimRound(flights, tokens, nowUs)) break;
    }
    this.#flights.claim(flights, nowUs + LEASE_US);
    this.#pace.take(flights.length, nowUs);
  }

  /** The attempts claimed since the last call, in order; what is beyond the limit waits for the next. */
  takeOrders(limit = Number.POSITIVE_INFINITY): AttemptOrder[] {
    const orders = this.#orders;
    this.#orders = orders.length > limit ? orders.splice(limit) : [];
    for (const order of this.#orders) this.#flights.assign(placeOf(order), WAITING_LANE);
    return orders;
  }

  /** Attempts that RunTask claimed while no lane had room for them. */
  get waitingOrders(): number {
    return this.#orders.length;
  }

  /** Attempts that ended in the turn that claimed them (deleted, purged, superseded) never begin. */
  #dropEndedOrders(): void {
    const orders = this.#orders.filter(
      (order) => this.#flights.get(placeOf(order))?.attempt === order.attempt,
    );
    this.capacity += this.#orders.length - orders.length;
    this.#orders = orders;
  }

  /** Says which lane runs an attempt. */
  assign(key: AttemptKey, lane: number): void {
    this.#flights.assign(placeOf(key), lane);
  }

  /** A lane is gone with whatever it had not reported. */
  orphanLane(lane: number): void {
    this.#flights.orphanLane(lane);
  }

  /** Renews the leases of running attempts that need it. */
  renew(nowUs: number): void {
    this.#flights.renew(nowUs);
  }

  /**
   * Applies what came of an attempt; null when the report is late: another attempt holds the lease,
   * or the task is gone.
   */
  recordOutcome(outcome: AttemptOutcome, nowUs: number): Settlement | null {
    const place = placeOf(outcome);
    const held = this.#heldBy(place, outcome.attempt, nowUs);
    if (held === null) return null;
    this.#tally.executed(nowUs);
    const { end } = outcome;
    if (end.kind === "response" && end.status >= 200 && end.status < 300) {
      return this.#complete(place, held, outcome.attempt, nowUs);
    }
    const row = this.#store.taskAt(place.at, place.seq);
    if (row === undefined) return null;
    return this.#fail(row, held, outcome, nowUs);
  }

  // --- waiting for tasks of a pull queue -----------------------------------------------------

  /** Whom to call now; without a pull queue everybody, to learn so by trying to lease. */
  callWaiters(nowUs: number): Call[] {
    if (this.waiters.isEmpty) return [];
    const queue = this.#tasks.queue;
    if (queue?.settings.type !== "PULL") return this.waiters.dismiss();
    return this.waiters.serve(
      nowUs,
      this.#tasks.horizonUs(nowUs),
      queue.state === "RUNNING",
      (place) => this.#flights.get(place) === undefined,
    );
  }

  /**
   * When to call again, or to write figures; Infinity: never. Needs no alarm: what it is about dies
   * with the object.
   */
  get memoryWakeAtUs(): number {
    const callAtUs = this.waiters.nextUs(this.#tasks.queue?.state === "RUNNING");
    return Math.min(callAtUs, this.#tally.keepAtUs);
  }

  // --- figures -------------------------------------------------------------------------------

  /** The queue's figures; see QueueStats, and tally.ts for what they cost. */
  getStats(nowUs: number): Result<QueueStats> {
    if (this.#tasks.queue === null) return missingQueue();
    const [first] = this.#store.nextTasks(null, this.#tasks.horizonUs(nowUs), 1);
    const counted = this.#tally.ask(nowUs);
    return ok({
      tasksCount: counted.tasks,
      ...(first === undefined ? {} : { oldestScheduleTimeUs: first.at }),
      executedLastMinute: counted.executed,
      executedLastHour: counted.executedHour,
      concurrentDispatches: this.#flights.size,
      effectiveRate: this.#pace.effectiveRate(nowUs),
      leasedLastMinute: counted.leased,
      leasedLastHour: counted.leasedHour,
    });
  }

  /** Writes the figures that are to survive this life, when it is time (keepAtUs). */
  keepFigures(nowUs: number): void {
    this.#tally.keep(nowUs);
  }

  // --- time ----------------------------------------------------------------------------------

  /** Whether anything is due or under way, so that a lost wake-up would be missed. */
  isBusy(nowUs: number): boolean {
    return this.#flights.size > 0 || (this.#isDispatching && this.#firstAt() <= nowUs);
  }

  /** Whether lanes of this object run anything, so that leases need renewing. */
  get hasOwnFlights(): boolean {
    return this.#flights.hasOwn;
  }

  /** When to tick next, computed from what is there; Infinity when nothing waits for time. */
  wakeAtUs(nowUs: number): number {
    if (this.#tasks.queue === null) return Number.POSITIVE_INFINITY;
    let wake = Math.min(
      this.#flights.nextExpiryUs(),
      this.#sweepAtUs(nowUs),
      this.pending.askAtUs(nowUs),
    );
    if (!this.#isDispatching) return Math.min(wake, this.#expiryWhilePausedUs());
    if (this.#firstAt() > nowUs) return Math.min(wake, this.#nextAt);
    // Blocked by lanes, concurrency or memory: a report will come and tick.
    if (this.#room() > 0) wake = Math.min(wake, this.#pace.nextGrantUs(nowUs));
    return wake;
  }

  /** Begins a sweep of the tombstones: for an alarm that found nothing else to do. */
  startTombstoneSweep(nowUs: number): void {
    this.#sweeper.startTombstones(nowUs);
  }

  /** Removes a slice of what is purged, expired or no longer tombstoned. */
  sweep(nowUs: number): void {
    const queue = this.#tasks.queue;
    if (queue === null) return;
    const idle = !this.#isDispatching && this.#expiryWhilePausedUs() <= nowUs;
    if ((idle || queue.purging) && !this.#sweeper.isRemoving) this.#sweeper.startRemoval();
    this.#sweeper.run(this.#tasks.horizonUs(nowUs), queue.settings.tombstoneTtlUs, nowUs);
    if (queue.purging && !this.#sweeper.isRemoving)
      this.#tasks.writeQueue({ ...queue, purging: false });
  }

  // --- operations ----------------------------------------------------------------------------

  findOperation(requestId: string): Result<OperationRecord | null> {
    if (this.#tasks.queue === null) return missingQueue();
    const row = this.#store.operationOfRequest(requestId);
    return ok(row === undefined ? null : operationOf(row));
  }

  keepOperation(
    kind: OperationRecord["kind"],
    body: string,
    requestId: string | undefined,
    nowUs: number,
  ): Result<OperationRecord> {
    if (this.#tasks.queue === null) return missingQueue();
    const earlier = requestId === undefined ? undefined : this.#store.operationOfRequest(requestId);
    if (earlier !== undefined) return ok(operationOf(earlier));
    this.#store.deleteOperationsBelow(nowUs - OPERATION_TTL_US, 100);
    const row = { number: this.#tasks.nextSequence(nowUs), kind, body };
    this.#store.insertOperation(row, requestId ?? null);
    return ok(operationOf(row));
  }

  getOperation(number: number): Result<OperationRecord> {
    const row = this.#tasks.queue === null ? undefined : this.#store.operation(number);
    return row === undefined ? missingEntity() : ok(operationOf(row));
  }

  listOperations(after: number, limit: number): Result<readonly OperationRecord[]> {
    if (this.#tasks.queue === null) return missingQueue();
    return ok(this.#store.operationsAfter(after, limit).map(operationOf));
  }

  // --- leaves --------------------------------------------------------------------------------

  #setState(state: QueueRecord["state"]): Result<QueueRecord> {
    if (this.#tasks.queue === null) return missingQueue();
    if (this.#tasks.queue.state !== state) this.#tasks.writeQueue({ ...this.#tasks.queue, state });
    this.waiters.noticeAll();
    return this.getQueue();
  }

  /** Attempts that could be claimed now, tokens aside, besides `claimed` with `bytes` of body. */
  #room(claimed = 0, bytes = 0): number {
    const queue = this.#tasks.queue;
    if (queue === null || this.#flights.bytes + bytes >= MAX_FLIGHT_BYTES) return 0;
    const free = queue.settings.rateLimits.maxConcurrentDispatches - this.#flights.size - claimed;
    return Math.max(0, Math.min(this.capacity, free));
  }

  /** Whether a task due now can go out at once: nothing older waits, and there is room and a token. */
  #canLeaseAtBirth(spec: TaskSpec, nowUs: number): boolean {
    if (!this.#isDispatching || this.#firstAt() <= nowUs || spec.tag !== undefined) return false;
    return this.#room() > 0 && this.#pace.grantable(nowUs) > 0;
  }

  #launchAtBirth(place: Place, id: string, spec: TaskSpec, meta: EncodedMeta, nowUs: number): void {
    const bytes = spec.body?.byteLength ?? 0;
    this.#flights.add({
      ...place,
      attempt: 1,
      dispatchedUs: nowUs,
      taskId: id,
      name: spec.id ?? null,
      apart: isApart(meta, spec.body ?? null),
      bytes,
      forcedUs: null,
      until: nowUs + LEASE_US,
      slot: null,
      lane: null,
    });
    this.capacity--;
    this.#pace.take(1, nowUs);
    // Nothing unleased lies before this row (see #canLeaseAtBirth), so scans may start after it.
    if (isAfter(place, this.#cursor)) this.#cursor = place;
    this.#orders.push({
      scheduleTimeUs: place.at,
      sequence: place.seq,
      attempt: 1,
      taskId: id,
      meta,
      ...(spec.body === undefined ? {} : { body: spec.body }),
    });
  }

  /** A row now waits at a place: scans must not start after it. */
  #noticeRow(place: Place): void {
    if (!isAfter(place, this.#cursor)) this.#cursor = { at: place.at, seq: place.seq - 1 };
    if (place.at < this.#nextAt) this.#nextAt = place.at;
  }

  /** Claims from one batch of rows; false when there is nothing more to claim now. */
  #claimRound(flights: Flight[], tokens: number, nowUs: number): boolean {
    let bytes = flights.reduce((sum, flight) => sum + flight.bytes, 0);
    const wanted = Math.min(tokens - flights.length, this.#room(flights.length, bytes));
    if (wanted <= 0) return false;
    const limit = Math.min(wanted + 1, TICK_ROWS);
    const rows = this.#store.tasksAfter(this.#cursor, limit);
    for (const row of rows) {
      this.#nextAt = row.at;
      if (row.at > nowUs || flights.length >= tokens) return false;
      // Looked at anew for every row: leases of an earlier life turn up on the way and take room.
      if (this.#room(flights.length, bytes) === 0) return false;
      this.#cursor = { at: row.at, seq: row.seq };
      if (!this.#isClaimable(row, nowUs)) continue;
      const order = this.#orderOf(row, this.#nextAttempt(row));
      const flight = this.#flightOf(row, order.body?.byteLength ?? 0, nowUs, null);
      bytes += flight.bytes;
      flights.push(flight);
      this.#orders.push(order);
      this.capacity--;
    }
    if (rows.length === limit) return true;
    this.#nextAt = Number.POSITIVE_INFINITY;
    return false;
  }

  /** Whether a due row is free; sees to rows that are expired or leased by an earlier life. */
  #isClaimable(row: TaskRow, nowUs: number): boolean {
    if (this.#flights.get(row) !== undefined) return false;
    if (this.#tasks.isHidden(row.seq, nowUs)) {
      this.#remove(row, row.name, row.meta === null, nowUs);
      return false;
    }
    if (row.lease === null || row.lease <= nowUs || this.#flights.lostAttempt(row) > 0) return true;
    this.#flights.add({
      ...this.#flightOf(row, 0, nowUs, null),
      attempt: 1,
      dispatchedUs: row.lease - LEASE_US,
      until: Math.min(row.lease, nowUs + LEASE_US),
    });
    return false;
  }

  /** The number of a row's next attempt: no number is ever given twice. */
  #nextAttempt(row: TaskRow): number {
    const running = this.#flights.get(row)?.attempt ?? 0;
    const inline = row.lease === null ? 0 : 1;
    return Math.max(row.attempts, running, this.#flights.lostAttempt(row), inline) + 1;
  }

  #flightOf(row: TaskRow, bytes: number, nowUs: number, forcedUs: number | null): Flight {
    return {
      at: row.at,
      seq: row.seq,
      attempt: this.#nextAttempt(row),
      dispatchedUs: nowUs,
      taskId: this.#tasks.idOfRow(row),
      name: row.name,
      apart: row.meta === null,
      bytes,
      forcedUs,
      until: nowUs + LEASE_US,
      slot: null,
      lane: null,
    };
  }

  #orderOf(row: TaskRow, attempt: number): AttemptOrder {
    const kept = this.#tasks.payloadOf(row);
    const history = readHistory(row);
    return {
      scheduleTimeUs: row.at,
      sequence: row.seq,
      attempt,
      taskId: this.#tasks.idOfRow(row),
      meta: kept.meta as EncodedMeta,
      ...(kept.body === null ? {} : { body: new Uint8Array(kept.body) }),
      ...(history === null ? {} : { history: attemptHistory(history) }),
    };
  }

  #record(row: TaskRow, withBody: boolean): TaskRecord {
    const kept = withBody
      ? this.#tasks.payloadOf(row)
      : { meta: this.#tasks.metaOf(row), body: null };
    const running = {
      flight: this.#flights.get(row),
      lost: Math.max(this.#flights.lostAttempt(row), row.lease === null ? 0 : 1),
    };
    return taskRecord(row, kept, this.#tasks.salt, running);
  }

  /** The flight whose lease a report names; null when the report is late. */
  #heldBy(place: Place, attempt: number, nowUs: number): Flight | null {
    const flight = this.#flights.get(place);
    if (flight !== undefined) return flight.attempt === attempt ? flight : null;
    // Not under way here: a lease that expired untaken, or one of an earlier life not yet met.
    const row = this.#store.taskAt(place.at, place.seq);
    if (row === undefined || this.#tasks.isHidden(row.seq, nowUs)) return null;
    if (this.#nextAttempt(row) !== attempt + 1 || attempt <= row.attempts) return null;
    return { ...this.#flightOf(row, 0, nowUs, null), attempt };
  }

  #complete(place: Place, flight: Flight, attempt: number, nowUs: number): Settlement | null {
    if (!this.#remove(place, flight.name, flight.apart, nowUs)) return null;
    return { taskId: flight.taskId, attempt, result: "completed", code: 0 };
  }

  #fail(row: TaskRow, flight: Flight, outcome: AttemptOutcome, nowUs: number): Settlement {
    const queue = this.#tasks.queue;
    assert(queue !== null, "an outcome for a queue that is not there");
    const meta = decodeMeta(this.#tasks.metaOf(row) as EncodedMeta);
    const { end } = outcome;
    if (isSlowingEnd(end, meta.target.kind)) this.#pace.slowDown(nowUs);
    const history = extendHistory(
      readHistory(row),
      bornAt(row),
      {
        scheduleUs: flight.forcedUs ?? row.at,
        dispatchUs: flight.dispatchedUs,
        responseUs: nowUs,
      },
      end,
    );
    const retryConfig = meta.retryConfig ?? queue.settings.retryConfig;
    const settlement = {
      taskId: this.#tasks.idOfRow(row),
      attempt: outcome.attempt,
      code: attemptStatus(end).code,
    };
    if (isExhausted(outcome.attempt, nowUs - history.firstDispatchUs, retryConfig)) {
      this.#remove(row, row.name, row.meta === null, nowUs);
      return { ...settlement, result: "exhausted" };
    }
    const backoff = backoffUs(outcome.attempt, retryConfig);
    const wait = outcome.retryAfterUs ?? 0;
    // The backoff counts from RunTask's call (discovery v2 tasks.run), Retry-After from the response.
    const at = Math.round(wait > backoff ? nowUs + wait : (flight.forcedUs ?? nowUs) + backoff);
    this.#flights.remove(row);
    // Another place than before, always: what a claim row says of the old one must not fit the new.
    const place = { at: at === row.at ? at + 1 : at, seq: row.seq };
    const text = JSON.stringify(history);
    while (!this.#store.rescheduleTask(row, place.at, outcome.attempt, text)) place.at++;
    this.#noticeRow(place);
    this.waiters.notice(row.tag);
    return { ...settlement, result: "retried" };
  }

  /** Takes a task away for good, and its running attempt with it. */
  #remove(place: Place, name: string | null, apart: boolean, nowUs: number): boolean {
    this.#flights.remove(place);
    return this.#tasks.remove(place, name, apart, nowUs);
  }

  #sweepAtUs(nowUs: number): number {
    return this.#tasks.queue?.purging === true ? nowUs : this.#sweeper.wakeAtUs(nowUs);
  }

  /** Schedule time of the first row that may be unleased, read from the table once after a start. */
  #firstAt(): number {
    if (this.#nextAt === Number.NEGATIVE_INFINITY) {
      this.#nextAt = this.#store.scheduleAfter(this.#cursor) ?? Number.POSITIVE_INFINITY;
    }
    return this.#nextAt;
  }

  /** Whether tasks leave by themselves: the queue runs, and pushes. */
  get #isDispatching(): boolean {
    const queue = this.#tasks.queue;
    return queue !== null && queue.state === "RUNNING" && queue.settings.type === "PUSH";
  }

  /** Nothing is known of where the rows stand: the next tick begins at the first. */
  #forgetCursor(): void {
    this.#cursor = START;
    this.#nextAt = Number.NEGATIVE_INFINITY;
  }

  /** When expired tasks of a queue that dispatches nothing are next removed: no reader sees them. */
  #expiryWhilePausedUs(): number {
    const first = this.#store.placesAfter(START, 1)[0];
    if (first === undefined || this.#tasks.queue === null) return Number.POSITIVE_INFINITY;
    const hiddenUs = first.seq + this.#tasks.queue.settings.taskTtlUs + 1;
    return Math.max(hiddenUs, this.#sweeper.restsUntilUs);
  }
}

function recordOf({ purging: _, ...record }: StoredQueue): QueueRecord {
  return record;
}

function placeOf(key: AttemptKey): Place {
  return { at: key.scheduleTimeUs, seq: key.sequence };
}

function isAfter(place: Place, other: Place): boolean {
  return place.at > other.at || (place.at === other.at && place.seq > other.seq);
}

function operationOf(row: { number: number; kind: string; body: string }): OperationRecord {
  return {
    number: row.number,
    kind: row.kind as OperationRecord["kind"],
    createTimeUs: row.number,
    body: row.body,
  };
}
