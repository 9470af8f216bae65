/**
 * Tasks of open transactions: stored with their ids, and seen by nobody until the transaction is
 * committed.
 *
 *   (nothing) ── prepare ──► pending ── commit ──► a task like any other, at the place kept for it
 *                               └── rollback ──► gone
 *
 * The transaction's object decides and tells the queue. The queue asks besides, since a message may
 * be lost, or overtaken by the tasks that it is about:
 *  - some time after tasks were prepared, unless it has been told by then. The answer that the
 *    transaction is open, given after the tasks were stored, means that the decision will find them;
 *  - when the object starts: what it was told in its earlier life it may not have heard;
 *  - when the time that the transaction may be open is over.
 * A transaction that its object does not know is rolled back: it keeps every decision until no queue
 * is left with tasks of it (transaction/transaction-object.ts).
 */
import {
  MAX_OPEN_TRANSACTIONS,
  MAX_TRANSACTION_CALL_SIZE,
  MAX_TRANSACTION_SIZE,
  MAX_TRANSACTION_TASKS,
  TRANSACTION_ASK_US,
  TRANSACTION_ASKS,
  TRANSACTION_GRACE_US,
  TRANSACTION_OVERDUE_US,
} from "../core/limits.ts";
import type { CreatedTask, TaskSpec } from "../core/model.ts";
import type { DomainError, Result } from "../core/result.ts";
import { fail, ok, refuse } from "../core/result.ts";
import { firstDueUs, overrideMeta, wrongType } from "./admission.ts";
import type { PendingStore } from "./pending-store.ts";
import type { TransactionOutcome } from "./service.ts";
import type { Place, StoredQueue } from "./store.ts";
import type { TaskTable } from "./task-table.ts";
import { missingQueue } from "./task-table.ts";

/** Decisions that are remembered to refuse tasks which come too late; asking finds the others. */
const MAX_REMEMBERED = 1000;

/** A transaction with tasks here. */
interface Doubt {
  tasks: number;
  size: number;
  /** The range of its sequence numbers. */
  first: number;
  last: number;
  /** When to ask how it stands. */
  askAtUs: number;
}

/** A question to a transaction's object. */
export interface Question {
  readonly transaction: string;
  /** The last task that was here when it was asked. */
  readonly last: number;
}

export class Pending {
  readonly #store: PendingStore;
  readonly #tasks: TaskTable;
  readonly #placed: (place: Place, tag: string | null) => void;
  readonly #doubts = new Map<string, Doubt>();
  readonly #decided = new Set<string>();
  /** No doubt's time to ask is earlier; it may be that of one that is settled. */
  #askAtUs = Number.POSITIVE_INFINITY;
  #asked = 0;

  /** `placed` learns of every task that a commit puts into the schedule. */
  constructor(
    store: PendingStore,
    tasks: TaskTable,
    nowUs: number,
    placed: (place: Place, tag: string | null) => void,
  ) {
    this.#store = store;
    this.#tasks = tasks;
    this.#placed = placed;
    tasks.isPending = (sequence) => this.#holds(sequence);
    for (const { tx, tasks: count, size, first, last } of store.sums()) {
      this.#doubts.set(tx, { tasks: count, size, first, last, askAtUs: nowUs });
      this.#askAtUs = nowUs;
      tasks.skipSequences(last);
    }
  }

  // --- tasks ---------------------------------------------------------------------------------

  /** See ParticipantService.prepareTasks. */
  prepare(
    transaction: string,
    specs: readonly TaskSpec[],
    nowUs: number,
  ): Result<readonly Result<CreatedTask>[]> {
    const { queue } = this.#tasks;
    if (queue === null) return missingQueue();
    if (this.#decided.has(transaction)) return transactionOver();
    const refusals = specs.map((spec) => refusalOf(spec, queue));
    if (refusals.some((refusal) => refusal !== undefined)) {
      return ok(refusals.map((refusal) => refusal ?? notAlone()));
    }
    const metas = specs.map(({ meta }) => overrideMeta(meta, queue.settings));
    const bodies = specs.reduce((sum, { body }) => sum + (body?.byteLength ?? 0), 0);
    const size = specs.reduce(
      (sum, { meta }, index) => sum + (metas[index] ?? meta).length,
      bodies,
    );
    const excess = this.#excess(transaction, specs.length, size, bodies);
    if (excess !== undefined) return excess;
    const created = specs.map((spec, index): CreatedTask => {
      const overridden = metas[index] ?? null;
      const dueUs = firstDueUs(spec, queue.settings, nowUs);
      const task = this.#keep(transaction, spec, overridden ?? spec.meta, dueUs, nowUs);
      return overridden === null ? task : { ...task, meta: overridden };
    });
    this.#note(transaction, created, size, nowUs);
    return ok(created.map(ok));
  }

  /** See ParticipantService.resolve. Answers how many tasks it was about. */
  resolve(transaction: string, outcome: TransactionOutcome, nowUs: number): Result<number> {
    if (this.#tasks.queue === null) return missingQueue();
    this.#remember(transaction);
    const doubt = this.#doubts.get(transaction);
    if (doubt === undefined) return ok(0);
    const placed: [Place, string | null][] = [];
    if (outcome === "COMMITTED") {
      for (const { seq, at, tag, meta, body } of this.#store.tasksOf(transaction)) {
        const task = { tag, meta, body: body === null ? null : new Uint8Array(body) };
        placed.push([this.#tasks.insertKept({ at, seq }, task, nowUs), tag]);
      }
    }
    this.#store.remove(transaction);
    // Only now, for storage may have refused any of it.
    this.#doubts.delete(transaction);
    this.#tasks.countAdded(placed.length, nowUs);
    for (const [place, tag] of placed) this.#placed(place, tag);
    return ok(doubt.tasks);
  }

  // --- doubts --------------------------------------------------------------------------------

  /** When there is something to ask; Infinity where no transaction has tasks here. */
  askAtUs(nowUs: number): number {
    if (this.#doubts.size === 0) return Number.POSITIVE_INFINITY;
    // With all questions asked the next comes with an answer, or when this object starts again.
    if (this.#asked >= TRANSACTION_ASKS) return Math.max(this.#askAtUs, nowUs + TRANSACTION_ASK_US);
    return this.#askAtUs;
  }

  /** What to ask now; each question is to be answered with `answered`. */
  takeQuestions(nowUs: number): Question[] {
    if (this.#askAtUs > nowUs || this.#asked >= TRANSACTION_ASKS) return [];
    const questions: Question[] = [];
    this.#askAtUs = Number.POSITIVE_INFINITY;
    for (const [transaction, doubt] of this.#doubts) {
      if (doubt.askAtUs <= nowUs && this.#asked < TRANSACTION_ASKS) {
        questions.push({ transaction, last: doubt.last });
        doubt.askAtUs = nowUs + TRANSACTION_ASK_US;
        this.#asked++;
      }
      this.#askAtUs = Math.min(this.#askAtUs, doubt.askAtUs);
    }
    return questions;
  }

  /**
   * A question came back: `openUntilUs` is how long the transaction may be open, and undefined where
   * that is not known. Where tasks came since it was asked, it is asked again as it would be for them.
   */
  answered({ transaction, last }: Question, openUntilUs?: number): void {
    this.#asked--;
    const doubt = this.#doubts.get(transaction);
    if (doubt === undefined || openUntilUs === undefined || doubt.last !== last) return;
    const endUs = openUntilUs + TRANSACTION_GRACE_US;
    // Open though its time is over: a confirmUrl gives no answer, maybe for long. The queue is told
    // when one comes, so it asks seldom.
    doubt.askAtUs = endUs > doubt.askAtUs ? endUs : doubt.askAtUs + TRANSACTION_OVERDUE_US;
  }

  // --- leaves --------------------------------------------------------------------------------

  #keep(
    tx: string,
    { tag, body }: TaskSpec,
    meta: string,
    dueUs: number,
    nowUs: number,
  ): CreatedTask {
    const place = this.#tasks.freePlace(dueUs, nowUs);
    this.#store.insert({ tx, ...place, tag: tag ?? null, meta, body: body ?? null });
    return { id: this.#tasks.idOf(place), scheduleTimeUs: place.at, createTimeUs: place.seq };
  }

  #note(transaction: string, created: readonly CreatedTask[], size: number, nowUs: number): void {
    const first = created[0]?.createTimeUs;
    const last = created.at(-1)?.createTimeUs;
    if (first === undefined || last === undefined) return;
    const askAtUs = nowUs + TRANSACTION_ASK_US;
    const doubt = this.#doubts.get(transaction) ?? { tasks: 0, size: 0, first, last, askAtUs };
    doubt.tasks += created.length;
    doubt.size += size;
    doubt.last = last;
    doubt.askAtUs = Math.min(doubt.askAtUs, askAtUs);
    this.#doubts.set(transaction, doubt);
    this.#askAtUs = Math.min(this.#askAtUs, doubt.askAtUs);
  }

  /** What is too much for the queue's object; undefined where it has room. */
  #excess(transaction: string, tasks: number, size: number, bodies: number) {
    if (bodies > MAX_TRANSACTION_CALL_SIZE) {
      return fail(
        "INVALID_ARGUMENT",
        `The tasks of one call in a transaction may hold ${MAX_TRANSACTION_CALL_SIZE} bytes of body, not ${bodies}.`,
      );
    }
    const doubt = this.#doubts.get(transaction);
    if ((doubt?.tasks ?? 0) + tasks > MAX_TRANSACTION_TASKS) {
      return exhausted(`at most ${MAX_TRANSACTION_TASKS} tasks in a queue`);
    }
    if ((doubt?.size ?? 0) + size > MAX_TRANSACTION_SIZE) {
      return exhausted(`at most ${MAX_TRANSACTION_SIZE} bytes of tasks in a queue`);
    }
    if (doubt === undefined && this.#doubts.size >= MAX_OPEN_TRANSACTIONS) {
      const text = `The queue already has tasks of ${MAX_OPEN_TRANSACTIONS} open transactions.`;
      return fail("RESOURCE_EXHAUSTED", text);
    }
    return undefined;
  }

  #holds(sequence: number): boolean {
    for (const [transaction, { first, last }] of this.#doubts) {
      if (sequence < first || sequence > last) continue;
      if (this.#store.has(transaction, sequence)) return true;
    }
    return false;
  }

  #remember(transaction: string): void {
    this.#decided.add(transaction);
    if (this.#decided.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#decided) {
      this.#decided.delete(oldest);
      return;
    }
  }
}

type Refusal = { readonly ok: false; readonly error: DomainError };

function refusalOf(spec: TaskSpec, queue: StoredQueue): Refusal | undefined {
  if (spec.id !== undefined) {
    return fail("INVALID_ARGUMENT", "A task of a transaction cannot have a name given to it.");
  }
  return wrongType(spec, queue.settings);
}

function notAlone(): Refusal {
  return fail("ABORTED", "The task was not added, since another one of the call was refused.");
}

function exhausted(text: string): Refusal {
  return fail("RESOURCE_EXHAUSTED", `A transaction may have ${text}.`);
}

function transactionOver(): Refusal {
  return refuse("FAILED_PRECONDITION", "TRANSACTION_OVER", "The transaction is over.");
}
