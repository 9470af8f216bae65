/**
 * The methods of a transaction's object, which decides for all queues that have tasks of it. One
 * object a transaction; plain data in and out.
 */
import type { QueueName } from "../core/model.ts";
import type { Result } from "../core/result.ts";
import type { TransactionOutcome } from "../queue/service.ts";

/**
 * Names a transaction. The id is a positive whole number below 2^63 in decimal digits, so that it
 * fits the handle of an App Engine transaction (rpc.md §4, fixed64).
 */
export interface TransactionName {
  readonly project: string;
  readonly location: string;
  readonly id: string;
}

export type TransactionState = "OPEN" | TransactionOutcome;

/** A transaction as it is shown. */
export interface TransactionRecord {
  readonly name: TransactionName;
  readonly state: TransactionState;
  readonly createTimeUs: number;
  /** When an open transaction is rolled back, or its confirmUrl is asked, by itself. */
  readonly expireTimeUs: number;
  readonly confirmUrl?: string;
  /** Queues that have tasks of it. */
  readonly queues: readonly QueueName[];
}

/** What faces may ask of a transaction. */
export interface TransactionService {
  /** Begins it. Called once, with a name that nobody used before. */
  begin(request: {
    readonly name: TransactionName;
    readonly lifetimeUs: number;
    readonly confirmUrl?: string;
  }): Promise<Result<TransactionRecord>>;
  /** NOT_FOUND: there never was such a transaction, or it is forgotten. */
  get(): Promise<Result<TransactionRecord>>;
  /**
   * Makes a queue take part, before tasks are put there. FAILED_PRECONDITION (cause
   * TRANSACTION_OVER) once it is decided or has expired; NOT_FOUND (cause NO_TRANSACTION).
   */
  enlist(queue: QueueName): Promise<Result<TransactionRecord>>;
  /**
   * Decides for commit, durably, then tells the queues. Answers when all have applied it or after a
   * few seconds; what is not told yet is told later. Again: the same answer. FAILED_PRECONDITION
   * (TRANSACTION_OVER) where it was rolled back.
   */
  commit(): Promise<Result<TransactionRecord>>;
  /** As commit, the other way; FAILED_PRECONDITION where it was committed. */
  rollback(): Promise<Result<TransactionRecord>>;
}

/** What a queue that has tasks of a transaction asks its object. */
export interface CoordinatorService {
  /**
   * How it stands. OPEN means that the queue will be told the decision. NOT_FOUND: there is no such
   * transaction, or all queues have followed its decision long ago; tasks of it are to be dropped.
   */
  stateFor(queue: QueueName): Promise<Result<Pick<TransactionRecord, "state" | "expireTimeUs">>>;
}
