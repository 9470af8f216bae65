/**
 * The object of one transaction: it decides, tells the queues that have tasks of it, and answers
 * those that ask.
 *
 *   (nothing) ── begin ──► OPEN ── commit, or confirmUrl says so ──────► COMMITTED ──┐
 *                           └── rollback, expiry, or confirmUrl says so ► ROLLED_BACK ┤
 *   (nothing) ◄── a day after all queues have followed ◄─────────────────────────────┘
 *
 * The one write of the new state is the decision: what comes before it never happened, what comes
 * after it follows by itself. A queue is written down here before tasks are put there (enlist), so
 * nobody who has tasks can be left out. Queues are told until each has answered; one more time
 * before the decision is forgotten, for tasks that reached their queue after it had been told.
 */
import { DurableObject } from "cloudflare:workers";
import { readConfig } from "../core/config.ts";
import {
  CONFIRM_LIMIT_US,
  CONFIRM_RETRY_US,
  CONFIRM_TIMEOUT_MS,
  MAX_TRANSACTION_QUEUES,
  TRANSACTION_KEPT_US,
  TRANSACTION_PATIENCE_MS,
  TRANSACTION_RETRY_US,
  TRANSACTION_TELL_MS,
} from "../core/limits.ts";
import type { QueueName } from "../core/model.ts";
import { transactionPath } from "../core/names.ts";
import type { DomainError, Result } from "../core/result.ts";
import { fail, ok, refuse } from "../core/result.ts";
import type { Env } from "../env.ts";
import type { ParticipantService, TransactionOutcome } from "../queue/service.ts";
import { queueStub } from "../stubs.ts";
import type { Send } from "./confirmation.ts";
import { askOutcome } from "./confirmation.ts";
import type {
  CoordinatorService,
  TransactionName,
  TransactionRecord,
  TransactionService,
} from "./service.ts";
import type { StoredTransaction } from "./store.ts";
import { Store } from "./store.ts";

/** An alarm that does not reach its end comes again after this. */
const WATCHDOG_US = 30e6;

export class TransactionObject
  extends DurableObject<Env>
  implements TransactionService, CoordinatorService
{
  /** Microseconds since the epoch; tests put another clock here. */
  clock: () => number = () => Date.now() * 1000;
  /** How long commit and rollback wait for the queues, milliseconds; tests have less patience. */
  patienceMs: number = TRANSACTION_PATIENCE_MS;
  /** How long a queue may take to answer, milliseconds. */
  tellMs: number = TRANSACTION_TELL_MS;
  /** How a confirmUrl is asked. */
  send: Send = (url, init) => fetch(url, init);

  readonly #store: Store;
  /** Null: it never began, or it is forgotten. */
  #transaction: StoredTransaction | null;
  /** When the alarm is set for, milliseconds; null: not set. */
  #alarmMs: number | null = null;
  /** Rounds of telling in which some queue did not answer, one after another. */
  #failures = 0;
  #telling: Promise<boolean> | null = null;
  /** When the confirmUrl is asked next; in the past until it has been asked in this life. */
  #confirmAtUs = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new Store(ctx.storage);
    this.#transaction = this.#store.read();
    ctx.blockConcurrencyWhile(() => this.#repairAlarm());
  }

  // --- TransactionService --------------------------------------------------------------------

  async begin({
    name,
    lifetimeUs,
    confirmUrl,
  }: Parameters<TransactionService["begin"]>[0]): Promise<Result<TransactionRecord>> {
    if (this.#transaction !== null) {
      return fail("ALREADY_EXISTS", "The transaction has begun already.");
    }
    const createTimeUs = this.clock();
    const transaction: StoredTransaction = {
      name: { project: name.project, location: name.location, id: name.id },
      state: "OPEN",
      createTimeUs,
      expireTimeUs: createTimeUs + lifetimeUs,
      ...(confirmUrl === undefined ? {} : { confirmUrl }),
      queues: [],
      untold: [],
    };
    this.#write(transaction);
    this.#setAlarm(transaction.expireTimeUs);
    return ok(recordOf(transaction));
  }

  async get(): Promise<Result<TransactionRecord>> {
    const transaction = this.#transaction;
    return transaction === null ? noTransaction() : ok(recordOf(transaction));
  }

  async enlist({ project, location, queue }: QueueName): Promise<Result<TransactionRecord>> {
    const transaction = this.#transaction;
    if (transaction === null) return noTransaction();
    if (transaction.state !== "OPEN") return over(transaction);
    if (this.clock() >= transaction.expireTimeUs) return expired(transaction);
    const { name, queues } = transaction;
    if (project !== name.project || location !== name.location) {
      const text = `Queues of the transaction ${transactionPath(name)} must be in its own project and location.`;
      return fail("INVALID_ARGUMENT", text);
    }
    if (!queues.includes(queue) && queues.length >= MAX_TRANSACTION_QUEUES) {
      const text = `A transaction may have tasks in at most ${MAX_TRANSACTION_QUEUES} queues.`;
      return fail("RESOURCE_EXHAUSTED", text);
    }
    return ok(recordOf(this.#enlist(transaction, queue)));
  }

  async commit(): Promise<Result<TransactionRecord>> {
    this.#expire();
    return this.#end("COMMITTED");
  }

  async rollback(): Promise<Result<TransactionRecord>> {
    return this.#end("ROLLED_BACK");
  }

  // --- CoordinatorService --------------------------------------------------------------------

  async stateFor({
    queue,
  }: QueueName): Promise<Result<Pick<TransactionRecord, "state" | "expireTimeUs">>> {
    this.#expire();
    const transaction = this.#transaction;
    if (transaction === null) return noTransaction();
    // OPEN promises that the queue will be told, so it must be written down here.
    if (transaction.state === "OPEN") this.#enlist(transaction, queue);
    return ok({ state: transaction.state, expireTimeUs: transaction.expireTimeUs });
  }

  // --- time ----------------------------------------------------------------------------------

  /**
   * Never throws: after six failed tries the platform would forget the alarm for good. A later one
   * is set before the work, so that a crash in the middle can't lose it either; forgetting, which
   * nobody waits for, is left to the platform's own repetitions.
   */
  override async alarm(): Promise<void> {
    this.#alarmMs = null;
    if (this.#transaction === null) return;
    if (this.#forgetAtUs() > this.clock()) this.#setAlarm(this.clock() + WATCHDOG_US);
    try {
      await this.#catchUp(this.#transaction);
      this.#arm();
    } catch (error) {
      this.warn("a transaction's alarm failed and is repeated", { error: String(error) });
      this.#setAlarm(this.clock() + WATCHDOG_US);
    }
  }

  /** Does what is due. */
  async #catchUp(transaction: StoredTransaction): Promise<void> {
    const nowUs = this.clock();
    if (transaction.state !== "OPEN") {
      const isDone = transaction.untold.length === 0 || (await this.#tell());
      if (isDone && this.#forgetAtUs() <= nowUs) await this.#forget();
      return;
    }
    if (nowUs < transaction.expireTimeUs) return;
    if (transaction.confirmUrl !== undefined) await this.#confirm(transaction);
    else this.#decide(transaction, "ROLLED_BACK");
    if (this.#transaction?.state !== "OPEN") await this.#tell();
  }

  /** Sets the alarm to when something is due next. */
  #arm(): void {
    const transaction = this.#transaction;
    if (transaction === null) return;
    const nowUs = this.clock();
    if (transaction.state === "OPEN") {
      const isExpired = nowUs >= transaction.expireTimeUs;
      this.#setAlarm(isExpired ? this.#confirmAtUs : transaction.expireTimeUs);
    } else if (transaction.untold.length > 0 || this.#failures > 0) {
      const { first, last } = TRANSACTION_RETRY_US;
      this.#setAlarm(nowUs + Math.min(last, first * 2 ** Math.max(0, this.#failures - 1)));
    } else {
      this.#setAlarm(this.#forgetAtUs());
    }
  }

  #forgetAtUs(): number {
    const settleTimeUs = this.#transaction?.settleTimeUs;
    return settleTimeUs === undefined
      ? Number.POSITIVE_INFINITY
      : settleTimeUs + TRANSACTION_KEPT_US;
  }

  /** An alarm that was lost, or whose time passed without it, is set again. */
  async #repairAlarm(): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (this.#transaction === null) return;
    this.#alarmMs = alarmMs;
    if (alarmMs === null || alarmMs * 1000 <= this.clock()) this.#arm();
  }

  /** Not awaited: it is committed together with what is written in the same turn. */
  #setAlarm(timeUs: number): void {
    const timeMs = Math.ceil(timeUs / 1000);
    if (timeMs === this.#alarmMs) return;
    this.#alarmMs = timeMs;
    void this.ctx.storage.setAlarm(timeMs);
  }

  // --- the decision --------------------------------------------------------------------------

  async #end(outcome: TransactionOutcome): Promise<Result<TransactionRecord>> {
    const transaction = this.#transaction;
    if (transaction === null) return noTransaction();
    if (transaction.state === "OPEN") this.#decide(transaction, outcome);
    else if (transaction.state !== outcome) return over(transaction);
    const decided = this.#transaction ?? transaction;
    if (decided.untold.length > 0) {
      const telling = this.#tell()
        .then(() => this.#arm())
        .catch((error: unknown) => this.warn("telling queues failed", { error: String(error) }));
      // Who is not told by then is told later, and the alarm sees to it.
      this.ctx.waitUntil(telling);
      await within(this.patienceMs, telling);
    }
    return ok(recordOf(decided));
  }

  /** Rolls back what is open past its time: the alarm was to do it, and may be late or lost. */
  #expire(): void {
    const transaction = this.#transaction;
    const isLate =
      transaction?.state === "OPEN" &&
      transaction.confirmUrl === undefined &&
      this.clock() >= transaction.expireTimeUs;
    if (isLate) this.#decide(transaction, "ROLLED_BACK");
  }

  /** The commit point. From here on an alarm goes on with it, whatever becomes of the caller. */
  #decide(transaction: StoredTransaction, state: TransactionOutcome): void {
    const untold = transaction.queues;
    const nowUs = this.clock();
    this.#write({
      ...transaction,
      state,
      untold,
      ...(untold.length === 0 ? { settleTimeUs: nowUs } : {}),
    });
    this.#failures = 0;
    this.#arm();
  }

  async #confirm(transaction: StoredTransaction): Promise<void> {
    const { name, confirmUrl = "", expireTimeUs } = transaction;
    const outcome = await askOutcome(confirmUrl, name, {
      config: readConfig(this.env),
      send: this.send,
      timeoutMs: CONFIRM_TIMEOUT_MS,
    });
    // While it was asked the caller may have said so itself, and further queues may have asked.
    const current = this.#transaction;
    if (current?.state !== "OPEN") return;
    const waitedUs = this.clock() - expireTimeUs;
    if (outcome !== undefined) this.#decide(current, outcome);
    else if (waitedUs >= CONFIRM_LIMIT_US) {
      this.warn("a confirmUrl gave no answer: its transaction is rolled back", {});
      this.#decide(current, "ROLLED_BACK");
    } else {
      // Waiting as long again as it has been waited doubles the pauses, and needs no counting.
      const { first, last } = CONFIRM_RETRY_US;
      this.#confirmAtUs = this.clock() + Math.min(last, Math.max(first, waitedUs));
    }
  }

  // --- telling the queues --------------------------------------------------------------------

  /** Tells the queues that have not followed; true when all have. One round at a time. */
  #tell(): Promise<boolean> {
    this.#telling ??= this.#tellRound().finally(() => {
      this.#telling = null;
    });
    return this.#telling;
  }

  async #tellRound(): Promise<boolean> {
    const told = this.#transaction;
    if (told === null) return true;
    const left = await this.#tellQueues(told, told.untold);
    const transaction = this.#transaction;
    if (transaction === null) return true;
    this.#failures = left.length === 0 ? 0 : this.#failures + 1;
    if (left.length < told.untold.length) {
      const settled = left.length === 0 ? { settleTimeUs: this.clock() } : {};
      this.#write({ ...transaction, untold: left, ...settled });
    }
    return left.length === 0;
  }

  /** Answers which of the queues did not follow. */
  async #tellQueues(
    { name, state }: StoredTransaction,
    queues: readonly string[],
  ): Promise<readonly string[]> {
    if (state === "OPEN") return queues;
    const { project, location, id } = name;
    const followed = await Promise.all(
      queues.map((queue) => this.#tellQueue({ project, location, queue }, id, state)),
    );
    return queues.filter((_, index) => !followed[index]);
  }

  async #tellQueue(queue: QueueName, id: string, outcome: TransactionOutcome): Promise<boolean> {
    try {
      const resolved = await within(this.tellMs, this.participant(queue).resolve(id, outcome));
      // A queue that is gone took its tasks with it.
      return resolved?.ok === true || resolved?.error.code === "NOT_FOUND";
    } catch {
      return false;
    }
  }

  /** Forgets it once every queue has followed again: tasks may have come after it was told. */
  async #forget(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null) return;
    const left = await this.#tellQueues(transaction, transaction.queues);
    this.#failures = left.length === 0 ? 0 : this.#failures + 1;
    if (left.length > 0) return;
    this.#transaction = null;
    this.#alarmMs = null;
    await this.#store.clear();
  }

  // --- leaves --------------------------------------------------------------------------------

  #enlist(transaction: StoredTransaction, queue: string): StoredTransaction {
    if (transaction.queues.includes(queue)) return transaction;
    const enlisted = { ...transaction, queues: [...transaction.queues, queue] };
    this.#write(enlisted);
    return enlisted;
  }

  #write(transaction: StoredTransaction): void {
    this.#store.write(transaction);
    this.#transaction = transaction;
  }

  /** The queue's object, as far as a transaction needs it. */
  protected participant(name: QueueName): ParticipantService {
    return queueStub(this.env, name);
  }

  protected warn(message: string, details: Readonly<Record<string, unknown>>): void {
    const name = this.#transaction?.name;
    const transaction = name === undefined ? undefined : transactionPath(name);
    console.warn(JSON.stringify({ message, transaction, ...details }));
  }
}

function recordOf({ untold: _, settleTimeUs: __, ...shown }: StoredTransaction): TransactionRecord {
  const { project, location } = shown.name;
  return { ...shown, queues: shown.queues.map((queue) => ({ project, location, queue })) };
}

type Refusal = { readonly ok: false; readonly error: DomainError };

function noTransaction(): Refusal {
  const text = "The transaction does not exist, or it was over long ago.";
  return refuse("NOT_FOUND", "NO_TRANSACTION", text);
}

function over({ name, state }: StoredTransaction): Refusal {
  const how = state === "COMMITTED" ? "committed" : "rolled back";
  return endedBecause(name, `has been ${how}`);
}

function expired({ name }: StoredTransaction): Refusal {
  return endedBecause(name, "has expired");
}

function endedBecause(name: TransactionName, what: string): Refusal {
  const text = `The transaction ${transactionPath(name)} ${what}.`;
  return refuse("FAILED_PRECONDITION", "TRANSACTION_OVER", text);
}

/** Waits for the work, but no longer than this: then undefined, and the work goes on. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const end = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
