/** The calls of workers, each answer by its task: what Queue throws, and the pull worker sorts. */
import type { CallOptions, Connection } from "./connection.ts";
import { errorOf, type TaskQueueError, type WireError } from "./errors.ts";
import { MAX_NAMES_PER_REQUEST } from "./limits.ts";
import { restoreTask, type Task } from "./task.ts";
import { STATE } from "./task-state.ts";
import { readTask, type WireTask } from "./wire.ts";

export interface LeaseRequest extends CallOptions {
  readonly leaseSeconds: number;
  readonly maxTasks: number;
  readonly groupByTag?: boolean;
  readonly tag?: string | undefined;
  /** Seconds to wait for tasks where there are none. */
  readonly wait?: number | undefined;
}

export interface Leased {
  readonly tasks: Task[];
  /** When the request came, and was answered, by the server's clock: microseconds. */
  readonly requestTimeUs?: number;
  readonly answerTimeUs?: number;
}

interface WireResult {
  readonly error?: WireError;
}

/** A call to a queue, `verb` behind its name. */
function call<T>(
  connection: Connection,
  queueName: string,
  verb: string,
  request: Parameters<Connection["call"]>[1],
): Promise<T> {
  return connection.call<T>(`queues/${queueName}${verb}`, request);
}

/** Leases tasks. Not repeated: what a lost answer leased would be out of reach till it lapses. */
export async function leaseTasks(
  connection: Connection,
  queueName: string,
  { leaseSeconds, maxTasks, groupByTag, tag, wait, signal, deadline }: LeaseRequest,
): Promise<Leased> {
  const body = {
    leaseDurationUs: String(Math.round(leaseSeconds * 1e6)),
    maxTasks,
    ...(groupByTag === true ? { groupByTag } : {}),
    ...(tag === undefined ? {} : { tag }),
  };
  const answer = await call<{
    readonly tasks?: readonly WireTask[];
    readonly requestTimeUs?: string;
    readonly answerTimeUs?: string;
  }>(connection, queueName, "/tasks:lease", { body, idempotent: false, wait, signal, deadline });
  const { tasks = [], requestTimeUs, answerTimeUs } = answer;
  return {
    tasks: tasks.map((task) => restoreTask(readTask(task, queueName))),
    ...(requestTimeUs === undefined ? {} : { requestTimeUs: Number(requestTimeUs) }),
    ...(answerTimeUs === undefined ? {} : { answerTimeUs: Number(answerTimeUs) }),
  };
}

/** Sets what the tasks' leases have left; the error of each, or undefined where it was done. */
export function modifyLeases(
  connection: Connection,
  queueName: string,
  tasks: readonly Task[],
  leaseSeconds: number,
  options: CallOptions,
): Promise<(TaskQueueError | undefined)[]> {
  return inBatches(tasks, async (batch) => {
    const body = {
      leaseDurationUs: String(Math.round(leaseSeconds * 1e6)),
      leases: batch.map(leaseOf),
    };
    // Not repeated: a renewal that was made changes the expiry that names the lease.
    const { results } = await call<{
      readonly results: readonly (WireResult & { readonly scheduleTimeUs?: string })[];
    }>(connection, queueName, "/tasks:modifyLease", { ...options, body, idempotent: false });
    return results.map(({ error, scheduleTimeUs }, index) => {
      const task = batch[index];
      if (task !== undefined && scheduleTimeUs !== undefined) {
        task[STATE].etaUs = Number(scheduleTimeUs);
      }
      return error === undefined ? undefined : errorOf(error);
    });
  });
}

/**
 * Deletes tasks by their leases; the error of each. A task that is gone is no error: it may be this
 * very call, repeated, that deleted it.
 */
export function acknowledgeLeases(
  connection: Connection,
  queueName: string,
  tasks: readonly Task[],
  options: CallOptions,
): Promise<(TaskQueueError | undefined)[]> {
  return inBatches(tasks, async (batch) => {
    const { results } = await call<{ readonly results: readonly WireResult[] }>(
      connection,
      queueName,
      "/tasks:acknowledge",
      { ...options, body: { leases: batch.map(leaseOf) }, idempotent: true },
    );
    return results.map((result, index) => settleDeletion(result, batch[index]));
  });
}

/** Marks a task as deleted where it was; the error where that is not known. */
export function settleDeletion(
  { error }: WireResult,
  task: Task | undefined,
): TaskQueueError | undefined {
  if (error === undefined) {
    if (task !== undefined) task[STATE].wasDeleted = true;
    return undefined;
  }
  const refusal = errorOf(error);
  const isGone = refusal.reason === "UNKNOWN_TASK" || refusal.reason === "TOMBSTONED_TASK";
  return isGone ? undefined : refusal;
}

function leaseOf(task: Task): object {
  const { name, etaUs } = task[STATE];
  return { name, scheduleTimeUs: String(etaUs) };
}

/** As many calls as the bound of one needs, one after the other. */
export async function inBatches<T, R>(
  items: readonly T[],
  send: (batch: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += MAX_NAMES_PER_REQUEST) {
    results.push(...(await send(items.slice(start, start + MAX_NAMES_PER_REQUEST))));
  }
  return results;
}
