/**
 * The tasks of a queue as rows: finding them by id, putting them in, taking them away. What is common
 * to tasks that are pushed and tasks that are pulled.
 */
import type { EncodedMeta, TaskSpec } from "../core/model.ts";
import { queueObjectName } from "../core/names.ts";
import type { DomainError, Result } from "../core/result.ts";
import { assert, ok, refuse } from "../core/result.ts";
import { decodeTaskId, encodeTaskId, idSalt } from "../core/task-id.ts";
import { LeaseBatches } from "./lease-batches.ts";
import type { TaskRow } from "./schema.ts";
import type { NewTask, Place, Store, StoredQueue } from "./store.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Tally } from "./tally.ts";
import { taskId } from "./task-record.ts";

const NO_QUEUE =
  "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.";
const NO_ENTITY = "Requested entity was not found.";
const TASK_GONE =
  "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.";

/** The answer of an object that holds no queue. */
export function missingQueue(): { readonly ok: false; readonly error: DomainError } {
  return refuse("NOT_FOUND", "NO_QUEUE", NO_QUEUE);
}

/** The answer for something that never was. */
export function missingEntity(): { readonly ok: false; readonly error: DomainError } {
  return refuse("NOT_FOUND", "NO_TASK", NO_ENTITY);
}

export class TaskTable {
  readonly #store: Store;
  readonly #sweeper: Sweeper;
  readonly #tally: Tally;
  /** Whether a sequence number belongs to a task that no reader sees yet. */
  isPending: (sequence: number) => boolean = () => false;
  /** Batches of leases, through which some moved rows are found. */
  readonly batches: LeaseBatches;
  #queue: StoredQueue | null = null;
  #salt = 0;
  #lastSequence = 0;

  constructor(store: Store, queue: StoredQueue | null, sweeper: Sweeper, tally: Tally) {
    this.#store = store;
    this.#sweeper = sweeper;
    this.#tally = tally;
    this.batches = new LeaseBatches(store);
    if (queue === null) return;
    this.#accept(queue);
    // Numbers must rise also where the clock stepped back between two lives.
    const stored = Math.max(store.highestSequence(), this.batches.highestSequence);
    this.#lastSequence = Math.max(this.#lastSequence, stored);
  }

  /** The queue the tasks are in; null while it does not exist. */
  get queue(): StoredQueue | null {
    return this.#queue;
  }

  /** Stores the queue's own row. */
  writeQueue(queue: StoredQueue): void {
    this.#store.writeQueue(queue);
    this.#accept(queue);
  }

  /** The id of an unnamed task by where it was first put. */
  idOf(place: Place): string {
    return encodeTaskId({ scheduleTimeUs: place.at, sequence: place.seq }, this.#salt);
  }

  /** The id of a row. */
  idOfRow(row: Parameters<typeof taskId>[0]): string {
    return taskId(row, this.#salt);
  }

  get salt(): number {
    return this.#salt;
  }

  /** Sequence numbers up to this one are taken, whatever the tables of tasks say. */
  skipSequences(through: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, through);
  }

  /** A number above all that were given: the time, or one more than the last. */
  nextSequence(nowUs: number): number {
    this.#lastSequence = Math.max(this.#lastSequence + 1, nowUs);
    return this.#lastSequence;
  }

  /** Tasks created before this moment are purged or expired, whether or not their rows are still there. */
  horizonUs(nowUs: number): number {
    const queue = this.queue;
    if (queue === null) return Number.POSITIVE_INFINITY;
    return Math.max(queue.purgeTimeUs ?? 0, nowUs - queue.settings.taskTtlUs);
  }

  /** Whether a task is beyond every reader's sight. */
  isHidden(sequence: number, nowUs: number): boolean {
    return sequence < this.horizonUs(nowUs);
  }

  /** Whether a name belongs to a task that lives, or to one that is gone only recently. */
  takenBy(id: string, nowUs: number): "TASK_EXISTS" | "TASK_GONE" | null {
    const until = this.#store.tombstoneUntil(id);
    if (until !== undefined && until > nowUs) return "TASK_GONE";
    const row = this.#store.taskNamed(id) ?? this.#findUnnamed(id);
    if (row === undefined) return this.#isPendingId(id) ? "TASK_EXISTS" : null;
    return this.isHidden(row.seq, nowUs) ? "TASK_GONE" : "TASK_EXISTS";
  }

  #findUnnamed(id: string): TaskRow | undefined {
    const born = decodeTaskId(id, this.#salt);
    if (born === null) return undefined;
    const row = this.#store.taskAt(born.scheduleTimeUs, born.sequence);
    if (row?.name === null) return row;
    return (
      this.#store
        .movedTasks(born.sequence)
        .find((moved) => moved.name === null && taskId(moved, this.#salt) === id) ??
      this.#findInBatches(id, born.sequence)
    );
  }

  #findInBatches(id: string, sequence: number): TaskRow | undefined {
    for (const at of this.batches.expiries) {
      const row = this.#store.taskAt(at, sequence);
      if (row?.name === null && taskId(row, this.#salt) === id) return row;
    }
    return undefined;
  }

  /** The visible row of a task, or the NOT_FOUND that fits what is known of the id. */
  find(id: string, nowUs: number): Result<TaskRow> {
    if (this.queue === null) return missingQueue();
    const row = this.#findUnnamed(id) ?? this.#store.taskNamed(id);
    if (row !== undefined && !this.isHidden(row.seq, nowUs)) return ok(row);
    const isUnknown = row === undefined && (this.#isPendingId(id) || !this.#existed(id, nowUs));
    if (isUnknown) return missingEntity();
    return refuse("NOT_FOUND", "TASK_GONE", TASK_GONE);
  }

  #isPendingId(id: string): boolean {
    const born = decodeTaskId(id, this.#salt);
    return born !== null && this.isPending(born.sequence);
  }

  #existed(id: string, nowUs: number): boolean {
    const until = this.#store.tombstoneUntil(id);
    if (until !== undefined && until > nowUs) return true;
    const born = decodeTaskId(id, this.#salt);
    return born !== null && born.sequence <= Math.max(nowUs, this.#lastSequence);
  }

  /** Inserts a task at a schedule time; answers its sequence number. */
  insert(
    spec: TaskSpec,
    meta: EncodedMeta,
    at: number,
    lease: number | null,
    nowUs: number,
  ): number {
    const seq = this.#insertNext(
      {
        at,
        lease,
        name: spec.id ?? null,
        tag: spec.tag ?? null,
        meta,
        body: spec.body ?? null,
      },
      nowUs,
    );
    this.#tally.added(nowUs);
    return seq;
  }

  #insertNext(task: Omit<NewTask, "seq">, nowUs: number): number {
    // Sequence numbers repeat only after a clock stepped back across a restart.
    for (let tries = 0; tries < 1000; tries++) {
      const seq = this.nextSequence(nowUs);
      if (this.#store.insertTask({ ...task, seq })) return seq;
    }
    throw new Error("edgetasks bug: no free sequence number");
  }

  /** A place for a task that is to come: its id is no other's. */
  freePlace(at: number, nowUs: number): Place {
    let seq = this.nextSequence(nowUs);
    // As above: the row of a task that stays may have the number.
    while (this.#store.taskAt(at, seq) !== undefined) seq = this.nextSequence(nowUs);
    return { at, seq };
  }

  /** Tasks were put in by insertKept. */
  countAdded(tasks: number, nowUs: number): void {
    for (let n = 0; n < tasks; n++) this.#tally.added(nowUs);
  }

  /**
   * Inserts a task at a place that was kept for it; answers where it is now. It keeps the id of the
   * kept place also where that does not do: where a purge or the end of a task's life came between
   * (a row so old would go with them), the row has a later place and the id for its name. To be
   * counted by the caller (countAdded).
   */
  insertKept(place: Place, task: Omit<NewTask, "at" | "seq" | "lease" | "name">, nowUs: number) {
    const kept = { ...task, ...place, lease: null, name: null };
    if (!this.isHidden(place.seq, nowUs) && this.#store.insertTask(kept)) return place;
    const name = this.idOf(place);
    return { at: place.at, seq: this.#insertNext({ ...kept, name }, nowUs) };
  }

  /** Meta and body, from wherever they are kept. */
  payloadOf(row: TaskRow): { meta: string; body: ArrayBuffer | null } {
    if (row.meta !== null) return { meta: row.meta, body: row.body };
    const payload = this.#store.payload(row.seq);
    assert(payload !== undefined, `task ${row.seq} has neither meta nor payload`);
    return payload;
  }

  /** The meta alone, without reading a body. */
  metaOf(row: TaskRow): string {
    const meta = row.meta ?? this.#store.payloadMeta(row.seq);
    assert(meta !== undefined, `task ${row.seq} has neither meta nor payload`);
    return meta;
  }

  /** Takes a task away for good; its name stays taken for the tombstone's time. */
  remove(place: Place, name: string | null, apart: boolean, nowUs: number): boolean {
    if (!this.#store.deleteTask(place.at, place.seq, apart)) return false;
    this.#tally.removed(place.seq, nowUs);
    if (name !== null) this.#bury(name, nowUs);
    return true;
  }

  #accept(queue: StoredQueue): void {
    this.#queue = queue;
    this.#salt = idSalt(queueObjectName(queue.name));
    // What is created after a purge must count as later, also on a clock that has stepped back.
    this.#lastSequence = Math.max(this.#lastSequence, queue.purgeTimeUs ?? 0);
  }

  #bury(name: string, nowUs: number): void {
    const ttlUs = this.queue?.settings.tombstoneTtlUs ?? 0;
    if (ttlUs === 0) return;
    this.#store.writeTombstone(name, nowUs + ttlUs);
    this.#sweeper.noticeTombstone(nowUs);
  }
}
