/** Adding tasks: what is checked before, how many go in a request, and what the answer says. */
import type { CallOptions, Connection } from "./connection.ts";
import {
  BadTaskStateError,
  DuplicateTaskNameError,
  errorOf,
  InvalidTaskError,
  InvalidTaskNameError,
  TaskAlreadyExistsError,
  type TaskQueueError,
  TombstonedTaskError,
  TransactionalRequestTooLargeError,
  type WireError,
} from "./errors.ts";
import * as limits from "./limits.ts";
import { Task } from "./task.ts";
import { STATE } from "./task-state.ts";
import { writeTask } from "./wire.ts";

/** Tasks on their way into a queue: they cannot be added once more meanwhile. */
const underWay = new WeakSet<Task>();

export interface Addition extends CallOptions {
  readonly connection: Connection;
  readonly queueName: string;
  readonly tasks: readonly Task[];
  /** The full name of a transaction. */
  readonly transaction?: string | undefined;
}

/**
 * Adds tasks, in as many requests as their sizes ask for. Throws the first error, after all tasks
 * that were added are marked as such; a name that is taken counts last (rpc.md §5).
 */
export async function addTasks(addition: Addition): Promise<void> {
  const { tasks, transaction, queueName } = addition;
  checkTasks(tasks, transaction !== undefined);
  const batches = split(tasks, queueName, transaction !== undefined);
  for (const task of tasks) underWay.add(task);
  try {
    // Not repeated: a second try of what was done would add the tasks twice.
    for (const batch of batches) await addBatch(addition, batch);
  } finally {
    for (const task of tasks) underWay.delete(task);
  }
}

function checkTasks(tasks: readonly Task[], isTransactional: boolean): void {
  const names = new Set<string>();
  const seen = new Set<Task>();
  for (const task of tasks) {
    if (!(task instanceof Task)) throw new TypeError("What is added must be a Task.");
    if (task.wasEnqueued || underWay.has(task) || seen.has(task)) {
      throw new BadTaskStateError("The task has already been added to a queue.");
    }
    seen.add(task);
    if ((task.method === "PULL") !== (tasks[0]?.method === "PULL")) {
      throw new InvalidTaskError("Push and pull tasks cannot be added together.");
    }
    const { name } = task;
    if (name === undefined) continue;
    if (isTransactional) {
      throw new InvalidTaskNameError("A task that is added in a transaction must not have a name.");
    }
    if (names.has(name)) throw new DuplicateTaskNameError(`Two tasks are named "${name}".`);
    names.add(name);
  }
}

interface Entry {
  readonly task: Task;
  readonly wire: object;
}

/** Requests of at most 100 tasks, none larger than it may be. */
function split(tasks: readonly Task[], queueName: string, isTransactional: boolean): Entry[][] {
  const max = isTransactional
    ? limits.MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES
    : limits.MAX_REQUEST_SIZE_BYTES;
  const batches: Entry[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const task of tasks) {
    const taskSize = task.size;
    const last = batches.at(-1);
    if (last === undefined || size + taskSize > max || last.length >= limits.MAX_TASKS_PER_ADD) {
      batches.push([]);
      size = 0;
    }
    size += taskSize;
    batches.at(-1)?.push({ task, wire: writeTask(task[STATE], queueName) });
  }
  return batches;
}

/** TransactionalRequestTooLargeError where the tasks of one add in a transaction pass 1 MiB. */
export function checkTransactionalSize(tasks: readonly Task[]): void {
  const size = tasks.reduce((sum, task) => sum + task.size, 0);
  if (size <= limits.MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES) return;
  throw new TransactionalRequestTooLargeError(
    `The tasks have ${size} bytes together; at most ` +
      `${limits.MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES} may be added in a transaction at a time.`,
  );
}

async function addBatch(addition: Addition, batch: readonly Entry[]): Promise<void> {
  const { connection, queueName, transaction, signal, deadline } = addition;
  const body = {
    tasks: batch.map(({ wire }) => wire),
    ...(transaction === undefined ? {} : { transaction }),
  };
  const { results } = await connection.call<{
    readonly results: readonly { readonly name?: string; readonly error?: WireError }[];
  }>(`queues/${queueName}/tasks:add`, { body, idempotent: false, signal, deadline });
  const errors: TaskQueueError[] = [];
  for (const [index, { name, error }] of results.entries()) {
    const state = batch[index]?.task[STATE];
    if (error !== undefined) errors.push(errorOf(error));
    else if (state !== undefined) {
      state.wasEnqueued = true;
      state.queueName = queueName;
      if (name !== undefined) state.name = name;
    }
  }
  if (errors.length === 0) return;
  throw errors.reduce((first, next) => (weightOf(next) > weightOf(first) ? next : first));
}

/** What counts: another refusal before a name that is taken, and a cause before its consequence. */
function weightOf(error: TaskQueueError): number {
  // A task that was not added because another of its transaction was refused.
  if (error.code === "ABORTED") return 0;
  return error instanceof TaskAlreadyExistsError || error instanceof TombstonedTaskError ? 1 : 2;
}
