/** Transactions: tasks of any queues of a project and location, added all or none. */
import { addTasks, checkTransactionalSize } from "./additions.ts";
import type { CallOptions, Connection } from "./connection.ts";
import {
  BadTransactionStateError,
  DatastoreError,
  TaskQueueError,
  TooManyTasksError,
} from "./errors.ts";
import { MAX_TASKS_PER_ADD } from "./limits.ts";
import { Queue } from "./queue.ts";
import type { Task } from "./task.ts";
import { STATE } from "./task-state.ts";

export interface TransactionOptions extends CallOptions {
  /** Seconds after which a transaction that is still open is rolled back by itself; 60. */
  readonly lifetime?: number | undefined;
  /**
   * A URL that the server asks how the transaction ended, where nobody told it within the lifetime.
   */
  readonly confirmUrl?: string | undefined;
}

/** How tasks are added. */
export type AddOptions = CallOptions &
  (
    | {
        /** Adds them with this transaction. */
        readonly transaction: Transaction;
        readonly transactional?: true | undefined;
      }
    | {
        /** Adds them with the transaction that the queue belongs to (Transaction.queue). */
        readonly transactional?: boolean | undefined;
        readonly transaction?: undefined;
      }
  );

/**
 * A transaction that is under way; see Connection.transaction. BadTransactionStateError when it is
 * used after its end.
 *
 * @example
 * await connection.transaction(async (tx) => {
 *   const mail = tx.queue("mail");
 *   await mail.add(new Task({ url: "/welcome" }), { transactional: true });
 * });
 */
export class Transaction {
  /** `projects/P/locations/L/transactions/ID` */
  readonly name: string;
  readonly #connection: Connection;
  readonly #home: Queue | undefined;
  readonly #options: CallOptions;
  /** Tasks that were added. */
  readonly #added: Task[] = [];
  /** Adds under way. */
  readonly #adding = new Set<Promise<void>>();
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(connection: Connection, name: string, home: Queue | undefined, options: CallOptions) {
    this.#connection = connection;
    this.name = name;
    this.#home = home;
    this.#options = options;
  }

  /** A queue in which `{ transactional: true }` means this transaction. */
  queue(name?: string): Queue {
    return new Queue(name, this.#connection, this);
  }

  /** Adds tasks with this transaction; to the queue that began it where none is named. */
  async add<T extends Task | readonly Task[]>(tasks: T, queue?: Queue): Promise<T> {
    const target = queue ?? this.#home ?? this.queue();
    return target.add(tasks, { transaction: this });
  }

  /**
   * Adds tasks, for Queue. `isOneAdd`: as one add, whose bounds are checked. A task that cannot be
   * added fails the transaction.
   */
  async addTo(
    queue: Queue,
    tasks: readonly Task[],
    options: CallOptions,
    isOneAdd: boolean,
  ): Promise<void> {
    if (this.#isOver) throw new BadTransactionStateError("The transaction is over.");
    const adding = this.#addTo(queue, tasks, options, isOneAdd);
    this.#adding.add(adding);
    try {
      await adding;
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    } finally {
      this.#adding.delete(adding);
    }
  }

  async #addTo(
    { name: queueName, connection: { project, location } }: Queue,
    tasks: readonly Task[],
    { signal, deadline }: CallOptions,
    isOneAdd: boolean,
  ): Promise<void> {
    const connection = this.#connection;
    if (project !== connection.project || location !== connection.location) {
      throw new BadTransactionStateError("The queue is of another project or location.");
    }
    if (isOneAdd) checkTransactionalSize(tasks);
    const fresh = tasks.filter(({ wasEnqueued }) => !wasEnqueued);
    const { name: transaction } = this;
    try {
      await addTasks({ connection, queueName, tasks, transaction, signal, deadline });
    } finally {
      for (const task of fresh) if (task.wasEnqueued) this.#added.push(task);
    }
  }

  /**
   * Commits, or rolls back and throws where a task could not be added; for runTransaction. Nothing
   * where it was rolled back already.
   */
  async finish(): Promise<void> {
    await Promise.allSettled(this.#adding);
    if (this.#isOver) return;
    if (this.#failure !== undefined) {
      await this.rollback();
      throw this.#failure.error;
    }
    this.#isOver = true;
    try {
      await this.#end("commit");
    } catch (error) {
      if (!isDecided(error)) throw error;
      this.#release();
      throw new DatastoreError(error.message, { cause: error });
    }
  }

  /**
   * Takes back what was added; the tasks can be added again. The function need not throw for it.
   * Where the server cannot be told it happens by itself, in time.
   *
   * @example
   * await connection.transaction(async (tx) => {
   *   await tx.add(new Task({ url: "/charge" }));
   *   await tx.rollback();
   * });
   */
  async rollback(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await Promise.allSettled(this.#adding);
    this.#release();
    await this.#end("rollback").catch(() => undefined);
  }

  /** The tasks are in no queue: they can be added again. */
  #release(): void {
    for (const task of this.#added) {
      const state = task[STATE];
      state.wasEnqueued = false;
      delete state.name;
      delete state.queueName;
    }
  }

  /** Repeated it has the same answer, so it may be. */
  #end(verb: "commit" | "rollback"): Promise<unknown> {
    const id = this.name.slice(this.name.lastIndexOf("/") + 1);
    const { deadline } = this.#options;
    return this.#connection.call(`transactions/${id}:${verb}`, { idempotent: true, deadline });
  }
}

/** Whether a commit was refused for good: the transaction is not there, or was rolled back. */
function isDecided(error: unknown): error is TaskQueueError {
  const codes = ["FAILED_PRECONDITION", "NOT_FOUND"];
  return error instanceof TaskQueueError && codes.includes(error.code);
}

/** Begins a transaction, runs the work in it, and ends it. */
export async function runTransaction<T>(
  connection: Connection,
  home: Queue | undefined,
  work: (transaction: Transaction) => Promise<T> | T,
  { lifetime = 60, confirmUrl, signal, deadline }: TransactionOptions,
): Promise<T> {
  const { name } = await connection.call<{ readonly name: string }>("transactions", {
    body: { lifetime: `${lifetime}s`, ...(confirmUrl === undefined ? {} : { confirmUrl }) },
    // A transaction that nobody knows of ends by itself.
    idempotent: true,
    signal,
    deadline,
  });
  const transaction = new Transaction(connection, name, home, { deadline });
  let result: T;
  try {
    result = await work(transaction);
    signal?.throwIfAborted();
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
  await transaction.finish();
  return result;
}

/** TooManyTasksError for more tasks than one add takes. */
export function checkCount(tasks: readonly Task[]): void {
  if (tasks.length <= MAX_TASKS_PER_ADD) return;
  throw new TooManyTasksError(
    `An add takes at most ${MAX_TASKS_PER_ADD} tasks; addAll takes any number.`,
  );
}
