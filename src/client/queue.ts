/** A queue: adding, deleting, leasing tasks, and what else can be done with it. */
import { addTasks } from "./additions.ts";
import { type CallOptions, Connection, type ConnectionOptions } from "./connection.ts";
import {
  BadTaskStateError,
  BadTransactionStateError,
  DuplicateTaskNameError,
  InvalidLeaseTimeError,
  InvalidQueueNameError,
  InvalidTaskNameError,
  type TaskQueueError,
  type WireError,
} from "./errors.ts";
import {
  acknowledgeLeases,
  inBatches,
  leaseTasks,
  modifyLeases,
  settleDeletion,
} from "./lease-calls.ts";
import * as limits from "./limits.ts";
import {
  checkLease,
  checkLeaseSeconds,
  type LeaseOptions,
  type ListOptions,
  type QueueInfo,
} from "./queue-options.ts";
import { QueueStatistics, type WireStatistics } from "./statistics.ts";
import { restoreTask, type Task } from "./task.ts";
import { checkTag } from "./task-rules.ts";
import {
  type AddOptions,
  checkCount,
  runTransaction,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";
import { readTask, type WireTask } from "./wire.ts";

/**
 * A queue of a connection, by its name. `default` exists by itself; others are made through the Cloud
 * Tasks API or a queue.yaml. Several Queue objects may stand for one queue. InvalidQueueNameError.
 *
 * @example
 * const mail = new Queue("default", {
 *   baseUrl: "http://127.0.0.1:8787",
 *   project: "my-project",
 *   location: "us-central1",
 * });
 * await mail.add(new Task({ url: "/send", params: { to: "ada" } }));
 */
export class Queue {
  readonly name: string;
  readonly connection: Connection;
  readonly #transaction: Transaction | undefined;

  /** `transaction` is for Transaction.queue. */
  constructor(
    name: string | undefined,
    connection: Connection | ConnectionOptions,
    transaction?: Transaction,
  ) {
    const given = name ?? "default";
    if (typeof given !== "string" || !limits.QUEUE_NAME_PATTERN.test(given)) {
      throw new InvalidQueueNameError("A queue's name has 1 to 100 letters, digits or hyphens.");
    }
    this.name = given;
    this.connection = connection instanceof Connection ? connection : new Connection(connection);
    this.#transaction = transaction;
  }

  /**
   * Adds a task, or a list of at most 100, and answers what it was given. With a transaction all are
   * added or none; without one the first refusal is thrown, and others may have been added
   * (`wasEnqueued` tells). After TransientError or DeadlineExceededError nobody knows.
   *
   * BadTaskStateError for a task that was added before; TooManyTasksError; DuplicateTaskNameError;
   * InvalidTaskError for push and pull tasks together; BadTransactionStateError for `transactional`
   * without a transaction; TaskAlreadyExistsError and TombstonedTaskError for names that are taken;
   * UnknownQueueError; InvalidQueueModeError.
   *
   * @example
   * const task = await queue.add(new Task({ method: "PULL", payload: "hello" }));
   * const more = ["a", "b"].map((tag) => new Task({ method: "PULL", payload: "hi", tag }));
   * await queue.add(more);
   * console.log(task.name, task.queueName, task.wasEnqueued);
   */
  async add<T extends Task | readonly Task[]>(task: T, options: AddOptions = {}): Promise<T> {
    const tasks = listOf(task);
    const transaction = this.#transactionOf(options);
    checkCount(tasks);
    if (tasks.length > 0) await this.#add(tasks, options, transaction, true);
    return task;
  }

  /**
   * Adds any number of tasks, in as many adds as it takes; all or none where `atomic` asks for it,
   * by a transaction. Without it, tasks before the first add that is refused have been added.
   *
   * @example
   * const tasks = Array.from({ length: 250 }, (_, n) => new Task({ method: "PULL", payload: { n } }));
   * await queue.addAll(tasks);
   */
  async addAll(
    tasks: Iterable<Task>,
    options: AddOptions & { readonly atomic?: boolean | undefined } = {},
  ): Promise<Task[]> {
    const list = [...tasks];
    const transaction = this.#transactionOf(options);
    if (list.length === 0) return list;
    if (options.atomic !== true || transaction !== undefined) {
      await this.#add(list, options, transaction, false);
      return list;
    }
    await this.transaction((own) => own.addTo(this, list, options, false), options);
    return list;
  }

  #transactionOf({ transaction, transactional }: AddOptions): Transaction | undefined {
    if (transaction !== undefined) return transaction;
    if (transactional !== true) return undefined;
    if (this.#transaction !== undefined) return this.#transaction;
    throw new BadTransactionStateError(
      "transactional needs a transaction: name it, or use a queue of one (Transaction.queue).",
    );
  }

  #add(
    tasks: readonly Task[],
    { signal, deadline }: AddOptions,
    transaction: Transaction | undefined,
    isOneAdd: boolean,
  ): Promise<void> {
    if (transaction !== undefined) {
      return transaction.addTo(this, tasks, { signal, deadline }, isOneAdd);
    }
    const { connection, name: queueName } = this;
    return addTasks({ connection, queueName, tasks, signal, deadline });
  }

  /**
   * Deletes a task or a list of tasks, by their names alone, and answers what it was given. A task
   * that is not there (any more) is no error; its `wasDeleted` stays false.
   *
   * BadTaskStateError at once where any task has no name or was deleted before;
   * DuplicateTaskNameError.
   *
   * @example
   * const task = await queue.add(new Task({ method: "PULL", payload: "hello" }));
   * await queue.deleteTasks(task);
   * console.log(task.wasDeleted); // true
   */
  async deleteTasks<T extends Task | readonly Task[]>(
    task: T,
    options: CallOptions = {},
  ): Promise<T> {
    const tasks = listOf(task);
    for (const { name, wasDeleted } of tasks) {
      if (wasDeleted) throw new BadTaskStateError(`The task "${name}" has already been deleted.`);
      if (name === undefined)
        throw new BadTaskStateError("A task without a name cannot be deleted.");
    }
    const names = tasks.map(({ name }) => name ?? "");
    const results = await this.#delete(names, options);
    throwFirst(results.map((result, index) => settleDeletion(result, tasks[index])));
    return task;
  }

  /**
   * Deletes tasks by name. Names that no task has are no error. InvalidTaskNameError;
   * DuplicateTaskNameError.
   *
   * @example
   * await queue.deleteTasksByName(["report-1", "report-2"]);
   */
  async deleteTasksByName(
    names: string | readonly string[],
    options: CallOptions = {},
  ): Promise<void> {
    const list = typeof names === "string" ? [names] : names;
    for (const name of list) {
      if (typeof name === "string" && limits.TASK_NAME_PATTERN.test(name)) continue;
      throw new InvalidTaskNameError("A name has 1 to 500 characters of A-Z a-z 0-9 _ -.");
    }
    const results = await this.#delete(list, options);
    throwFirst(results.map((result) => settleDeletion(result, undefined)));
  }

  #delete(
    names: readonly string[],
    options: CallOptions,
  ): Promise<{ readonly error?: WireError }[]> {
    const seen = new Set<string>();
    const twice = names.find((name) => seen.size === seen.add(name).size);
    if (twice !== undefined) throw new DuplicateTaskNameError(`"${twice}" is named twice.`);
    return inBatches(names, async (batch) => {
      const { results } = await this.#call<{ results: { readonly error?: WireError }[] }>(
        "/tasks:delete",
        { ...options, body: { names: batch }, idempotent: true },
      );
      return results;
    });
  }

  /**
   * Leases up to `maxTasks` tasks of a pull queue for `leaseSeconds`, a whole number up to a week;
   * those that became available first. With `wait` it waits where there are none.
   *
   * InvalidLeaseTimeError, InvalidMaxTasksError (TypeError for what are no numbers);
   * InvalidQueueModeError on a push queue; QueuePausedError.
   *
   * @example
   * for (const task of await queue.leaseTasks(60, 10, { wait: 20 })) {
   *   console.log(task.text());
   *   await queue.acknowledge(task);
   * }
   */
  async leaseTasks(
    leaseSeconds: number,
    maxTasks: number,
    options: LeaseOptions = {},
  ): Promise<Task[]> {
    if (typeof leaseSeconds !== "number" || typeof maxTasks !== "number") {
      throw new TypeError("leaseSeconds and maxTasks must be numbers.");
    }
    if (!Number.isInteger(leaseSeconds) || leaseSeconds === 0) {
      throw new InvalidLeaseTimeError("leaseSeconds must be a positive whole number.");
    }
    checkLease(leaseSeconds, maxTasks);
    const lease = { ...options, leaseSeconds, maxTasks };
    return (await leaseTasks(this.connection, this.name, lease)).tasks;
  }

  /**
   * As leaseTasks, tasks of one tag; without a tag, of the tag that the oldest task has. Fractions of
   * seconds are taken.
   *
   * InvalidLeaseTimeError and InvalidMaxTasksError also for what are no numbers; InvalidTagError.
   *
   * @example
   * const images = await queue.leaseTasksByTag(60, 10, "images");
   * const oldest = await queue.leaseTasksByTag(60, 10);
   * console.log(images.length, oldest[0]?.tag);
   */
  async leaseTasksByTag(
    leaseSeconds: number,
    maxTasks: number,
    tag?: string,
    options: LeaseOptions = {},
  ): Promise<Task[]> {
    checkLease(leaseSeconds, maxTasks);
    if (tag !== undefined) checkTag(tag);
    const lease = { ...options, leaseSeconds, maxTasks, groupByTag: true, tag };
    return (await leaseTasks(this.connection, this.name, lease)).tasks;
  }

  /**
   * Has a task's lease end `leaseSeconds` from now; 0 makes the task available at once. Its `eta` is
   * the new end.
   *
   * TypeError for what is no number, InvalidLeaseTimeError; TaskLeaseExpiredError where the lease
   * has run out or is another's; QueuePausedError.
   *
   * @example
   * const [task] = await queue.leaseTasks(60, 1);
   * if (task) await queue.modifyTaskLease(task, 300);
   */
  async modifyTaskLease(
    task: Task,
    leaseSeconds: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.renewLeases([task], leaseSeconds, options);
  }

  /**
   * As modifyTaskLease, of many tasks. The first error is thrown when all that could be renewed are.
   *
   * @example
   * const tasks = await queue.leaseTasks(60, 100);
   * await queue.renewLeases(tasks, 300);
   */
  async renewLeases(
    tasks: readonly Task[],
    leaseSeconds: number,
    options: CallOptions = {},
  ): Promise<void> {
    if (typeof leaseSeconds !== "number" || Number.isNaN(leaseSeconds)) {
      throw new TypeError("leaseSeconds must be a number.");
    }
    checkLeaseSeconds(leaseSeconds);
    this.#checkLeased(tasks);
    throwFirst(await modifyLeases(this.connection, this.name, tasks, leaseSeconds, options));
  }

  /**
   * Deletes tasks that are done, each only while its lease is this worker's, unlike deleteTasks, and
   * answers what it was given. A task that is gone is no error. TaskLeaseExpiredError for the first
   * whose lease is another's, when all others are done.
   *
   * @example
   * const tasks = await queue.leaseTasks(60, 100);
   * await queue.acknowledge(tasks);
   */
  async acknowledge<T extends Task | readonly Task[]>(
    task: T,
    options: CallOptions = {},
  ): Promise<T> {
    const tasks = listOf(task);
    this.#checkLeased(tasks);
    throwFirst(await acknowledgeLeases(this.connection, this.name, tasks, options));
    return task;
  }

  #checkLeased(tasks: readonly Task[]): void {
    for (const { name, queueName, wasDeleted } of tasks) {
      if (name === undefined || queueName !== this.name) {
        throw new BadTaskStateError(`The task is not one that was leased from "${this.name}".`);
      }
      if (wasDeleted) throw new BadTaskStateError(`The task "${name}" has been deleted.`);
    }
  }

  /**
   * Deletes all tasks that are in the queue now; the ones that run meanwhile run to their end.
   *
   * @example
   * await queue.purge();
   */
  async purge(options: CallOptions = {}): Promise<void> {
    // Not repeated: it would take along what was added since.
    await this.#call(":purge", { ...options, idempotent: false });
  }

  /**
   * Stops sending and leasing; tasks can still be added.
   *
   * @example
   * await queue.pause();
   * await queue.resume();
   */
  async pause(options: CallOptions = {}): Promise<void> {
    await this.#call(":pause", { ...options, idempotent: true });
  }

  /** Ends a pause. */
  async resume(options: CallOptions = {}): Promise<void> {
    await this.#call(":resume", { ...options, idempotent: true });
  }

  /**
   * The queue as it is.
   *
   * @example
   * const { mode, state } = await queue.get();
   * console.log(mode, state); // pull RUNNING
   */
  get(options: CallOptions = {}): Promise<QueueInfo> {
    return this.#call<QueueInfo>("", { ...options, method: "GET", idempotent: true });
  }

  /**
   * The queue's figures.
   *
   * @example
   * const { tasks, oldestEta } = await queue.fetchStatistics();
   * console.log(tasks, oldestEta);
   */
  async fetchStatistics(options: CallOptions = {}): Promise<QueueStatistics> {
    const figures = await this.#call<WireStatistics>(":stats", { ...options, idempotent: true });
    return new QueueStatistics(this, figures);
  }

  /**
   * Goes through the tasks in the order of their times, leased ones and running ones included. What
   * is added or deleted meanwhile may be seen or not.
   *
   * @example
   * for await (const task of queue.list({ withPayload: true })) {
   *   console.log(task.name, task.eta, task.tag, task.text());
   * }
   */
  async *list(options: ListOptions = {}): AsyncGenerator<Task, void, undefined> {
    const { pageSize, withPayload, signal, deadline } = options;
    let pageToken: string | undefined;
    do {
      const page: { tasks: WireTask[]; nextPageToken?: string } = await this.#call("/tasks:list", {
        body: { pageSize, withPayload, pageToken },
        idempotent: true,
        signal,
        deadline,
      });
      for (const task of page.tasks) yield restoreTask(readTask(task, this.name));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }

  /**
   * As Connection.transaction; Transaction.add without a queue means this one.
   *
   * @example
   * await connection.queue().transaction(async (tx) => {
   *   await tx.add([new Task({ url: "/charge" }), new Task({ url: "/ship" })]);
   * });
   */
  transaction<T>(
    work: (transaction: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<T> {
    return runTransaction(this.connection, this, work, options);
  }

  #call<T>(verb: string, request: Parameters<Connection["call"]>[1]): Promise<T> {
    return this.connection.call<T>(`queues/${this.name}${verb}`, request);
  }
}

function listOf(task: Task | readonly Task[]): readonly Task[] {
  return Array.isArray(task) ? task : [task as Task];
}

function throwFirst(errors: readonly (TaskQueueError | undefined)[]): void {
  const error = errors.find((one) => one !== undefined);
  if (error !== undefined) throw error;
}
