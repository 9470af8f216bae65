/**
 * The methods a queue's object answers, and all that faces, registry and dispatcher know of it.
 * Each takes and returns plain data; a refusal is a Result, a thrown error is the platform's.
 */
import type { AttemptOrder, AttemptOutcome } from "../core/attempt.ts";
import type {
  CreatedTask,
  ListCursor,
  OperationRecord,
  QueueRecord,
  QueueSettings,
  TaskParts,
  TaskRecord,
  TaskSpec,
} from "../core/model.ts";
import type { Result } from "../core/result.ts";

/** What faces may ask of a queue. */
export interface QueueService {
  /** The queue as it is. NOT_FOUND when it does not exist. */
  getQueue(): Promise<Result<QueueRecord>>;

  /** Stores one task durably. NOT_FOUND (no queue), ALREADY_EXISTS (live or tombstoned name). */
  createTask(...parts: TaskParts): Promise<Result<CreatedTask>>;
  /** Stores many in one commit, not atomic: one result for each, in order. The outer failure: no queue. */
  createTasks(specs: readonly TaskSpec[]): Promise<Result<readonly Result<CreatedTask>[]>>;

  /** NOT_FOUND, with its own text when the task finished or was deleted recently. */
  getTask(id: string, withBody: boolean): Promise<Result<TaskRecord>>;
  /** A page in schedule order from after `cursor`; fewer than `pageSize` when bodies would pass about 8 MB. */
  listTasks(request: {
    readonly pageSize: number;
    readonly cursor?: ListCursor;
    readonly withBody: boolean;
  }): Promise<Result<{ readonly tasks: readonly TaskRecord[]; readonly next?: ListCursor }>>;

  /** Deletes a scheduled or dispatched task. NOT_FOUND as getTask. */
  deleteTask(id: string): Promise<Result<null>>;
  /** Deletes many in one commit; one result for each, in order. */
  deleteTasks(ids: readonly string[]): Promise<Result<readonly Result<null>[]>>;
  /** Dispatches now, whatever pause, rate and a running attempt say; the task as it is after dispatch. */
  runTask(id: string, withBody: boolean): Promise<Result<TaskRecord>>;

  /** The operation stored under a request id, if one is. */
  findOperation(requestId: string): Promise<Result<OperationRecord | null>>;
  /** Keeps a finished operation; with a request id that is already there, that older one is the answer. */
  keepOperation(
    kind: OperationRecord["kind"],
    body: string,
    requestId?: string,
  ): Promise<Result<OperationRecord>>;
  /** NOT_FOUND when it never was or is forgotten. */
  getOperation(number: number): Promise<Result<OperationRecord>>;
  /** The queue's figures. No scan of the backlog. */
  getStats(): Promise<Result<QueueStats>>;
  /** Operations with numbers above `after`, ascending. */
  listOperations(after: number, limit: number): Promise<Result<readonly OperationRecord[]>>;
}

/** Which tasks of a pull queue a lease is for. */
export type LeaseSelection =
  | { readonly kind: "any" }
  /** Tasks with exactly this tag; "" is a tag of its own, not the absence of one. */
  | { readonly kind: "tag"; readonly tag: string }
  /** Tasks with the tag (or the absence of one) of the task that became available first. */
  | { readonly kind: "oldestTag" };

/** Names a lease: the task and the schedule time that the leasing call answered. */
export interface LeaseKey {
  readonly id: string;
  readonly scheduleTimeUs: number;
}

/** Figures of a queue, true at the moment they are read. */
export interface QueueStats {
  readonly tasksCount: number;
  /** Earliest schedule time (or lease expiry) of any task; absent in an empty queue. */
  readonly oldestScheduleTimeUs?: number;
  /** Attempts of push tasks that ended in the last 60 s. */
  readonly executedLastMinute: number;
  /** Likewise in the last hour, to 10 s. */
  readonly executedLastHour: number;
  readonly concurrentDispatches: number;
  /** Tasks a second that may be dispatched now, throttling included. */
  readonly effectiveRate: number;
  /** Leases given to pull workers. */
  readonly leasedLastMinute: number;
  readonly leasedLastHour: number;
}

/** What faces may ask of a pull queue. Every method: FAILED_PRECONDITION on a push queue. */
export interface PullService {
  /**
   * Leases up to `maxTasks` available tasks, those that became available first first; their schedule
   * time is then the lease's expiry. Fewer where bodies would pass `maxBytes`. FAILED_PRECONDITION
   * while the queue is paused. A task whose leases are used up (maxAttempts) is deleted instead.
   */
  leaseTasks(request: {
    readonly maxTasks: number;
    readonly leaseDurationUs: number;
    readonly selection: LeaseSelection;
    readonly withBody: boolean;
    readonly maxBytes: number;
    /**
     * The caller's place among those who wait, for a caller that waits or will. It gets nothing as long
     * as others that came before it wait for the same tasks and it was not called.
     */
    readonly place?: string;
  }): Promise<Result<readonly TaskRecord[]>>;
  /**
   * Waits until a task may be available to this caller, at most `waitMs`; first come, first served.
   * True: lease now (another may have been faster; then wait again with the same `place`, which
   * keeps the caller's turn). It takes no task, so a caller that is gone takes none with it; one that
   * was called and does not lease within a second loses its turn. While the queue is paused the wait
   * goes on. RESOURCE_EXHAUSTED when too many wait.
   */
  waitForTasks(request: {
    readonly selection: LeaseSelection;
    readonly waitMs: number;
    readonly place: string;
  }): Promise<Result<boolean>>;
  /** Gives up a place: for a caller whose client has gone away. */
  stopWaiting(place: string): Promise<void>;
  /** Ends a lease by deleting the task. FAILED_PRECONDITION when the key is not the current lease. */
  acknowledgeTask(key: LeaseKey): Promise<Result<null>>;
  acknowledgeTasks(keys: readonly LeaseKey[]): Promise<Result<readonly Result<null>[]>>;
  /** Sets the lease's expiry to now plus the duration; 0 releases the task at once. */
  renewLease(
    key: LeaseKey,
    leaseDurationUs: number,
    withBody: boolean,
  ): Promise<Result<TaskRecord>>;
  renewLeases(
    keys: readonly LeaseKey[],
    leaseDurationUs: number,
  ): Promise<Result<readonly Result<TaskRecord>[]>>;
  /** Makes a leased task available now. */
  cancelLease(key: LeaseKey, withBody: boolean): Promise<Result<TaskRecord>>;
  /** As renewLease, for faces whose clients know no schedule time: whoever's lease it is. */
  extendLease(id: string, leaseDurationUs: number, withBody?: boolean): Promise<Result<TaskRecord>>;
}

/** How a transaction ended. */
export type TransactionOutcome = "COMMITTED" | "ROLLED_BACK";

/** What is asked of a queue that takes part in a transaction; transactions go by their ids. */
export interface ParticipantService {
  /**
   * Stores tasks of a transaction, all or none: they have their ids, and are not there for anybody
   * until it is committed. The queue must have been enlisted before (TransactionService.enlist). One
   * result a task: where any is refused (a name of its own; as createTask), the others are ABORTED.
   * The outer failure: no queue, FAILED_PRECONDITION (TRANSACTION_OVER), RESOURCE_EXHAUSTED or
   * INVALID_ARGUMENT where they are too many or too big.
   */
  prepareTasks(
    transaction: string,
    specs: readonly TaskSpec[],
  ): Promise<Result<readonly Result<CreatedTask>[]>>;
  /**
   * Makes tasks of all that a transaction has here, in one commit, or drops it. Repeated it does
   * nothing. NOT_FOUND: no queue, and so nothing of the transaction.
   */
  resolve(transaction: string, outcome: TransactionOutcome): Promise<Result<null>>;
}

/** What only the registry asks of a queue: it decides which queues exist. */
export interface QueueAdmin extends QueueService {
  /**
   * Makes the queue exist with these settings; called again it replaces them. With `paused` it is
   * paused by the same commit: nothing ever leaves it in between.
   */
  configure(
    record: Pick<QueueRecord, "name" | "settings">,
    paused?: boolean,
  ): Promise<Result<QueueRecord>>;
  /** Replaces the settings; NOT_FOUND when the queue does not exist. */
  updateSettings(settings: QueueSettings): Promise<Result<QueueRecord>>;
  pause(): Promise<Result<QueueRecord>>;
  resume(): Promise<Result<QueueRecord>>;
  /** Deletes the tasks created before the call. */
  purge(): Promise<Result<QueueRecord>>;
  /** Removes the queue with everything in it. Succeeds also when nothing is there. */
  destroy(): Promise<void>;
}

/** What only the dispatcher asks of a queue. */
export interface QueueReports {
  /**
   * Takes outcomes and answers with further attempts for the lane, at most `free`. Settled in one
   * commit with whatever else arrives; waits while the lane still runs attempts and nothing is due.
   */
  report(report: LaneReport): Promise<readonly AttemptOrder[]>;
}

export interface LaneReport {
  readonly lane: number;
  /** Names the object's incarnation that opened the lane: a later one settles but gives no work. */
  readonly incarnation: string;
  readonly outcomes: readonly AttemptOutcome[];
  /** Attempts the lane could start now. */
  readonly free: number;
  /** Attempts the lane is still running. */
  readonly running: number;
}
