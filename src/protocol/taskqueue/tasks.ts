/** The methods on tasks. */
import { type CreatedTask, partsOf, type TaskRecord, type TaskSpec } from "../../core/model.ts";
import { ok, type Result } from "../../core/result.ts";
import type { LeaseSelection } from "../../queue/service.ts";
import { queueStub } from "../../stubs.ts";
import { isBatchPart } from "../http-batch.ts";
import { LazyList } from "../lazy-list.ts";
import { addOneInTransaction } from "../transactions.ts";
import { clientOf } from "../waiting-client.ts";
import { leaseWithWait, readWait, waitApplied } from "../waiting-lease.ts";
import type { Answer, Call, Reply } from "./call.ts";
import { invalidField, invalidParameter } from "./errors.ts";
import { readBoolean, readInteger } from "./query.ts";
import { insertSchema, readTask, updateSchema } from "./schema.ts";
import { namesProblem, readInsert, tagProblem, writeTask } from "./task.ts";

/** Tasks in a list, at most: there are no pages (limits.md §4). */
const MAX_LISTED_TASKS = 100;
/** Tasks in a lease (limits.md §4). */
const MAX_LEASED_TASKS = 1000;
/** Longest lease, in seconds: a week (limits.md §3). */
const MAX_LEASE_S = 604_800;
/** Bytes of payload in an answer, so that its base64 stays below 32 MB. */
const MAX_LEASED_BYTES = 23_000_000;
/** The same in a part of a batch, of which several are answered at a time. */
const MAX_LEASED_BYTES_IN_BATCH = 2_000_000;

/** taskqueue.tasks.insert */
export async function insertTask(call: Call): Answer {
  const input = await readTask(call.request, insertSchema);
  if (!input.ok) return input;
  const spec = readInsert(input.value, call);
  if (!spec.ok) return spec;
  const created = await store(call, spec.value);
  if (!created.ok) return created;
  // The spec first: where it has no id, the queue gave one.
  return shown(call, { ...spec.value, ...created.value });
}

async function store(
  { env, queue, transaction }: Call,
  spec: TaskSpec,
): Promise<Result<CreatedTask>> {
  if (transaction === undefined) return queueStub(env, queue).createTask(...partsOf(spec));
  if (spec.id === undefined) return addOneInTransaction(env, transaction, queue, spec);
  return invalidField("id", "A task of a transaction cannot have an id given to it.");
}

/** taskqueue.tasks.get */
export async function getTask(call: Call): Answer {
  const task = await queueStub(call.env, call.queue).getTask(call.taskId, true);
  return task.ok ? shown(call, task.value) : task;
}

/** taskqueue.tasks.list: the first hundred in the order of their times, leased or not. */
export async function listTasks(call: Call): Answer {
  const page = await queueStub(call.env, call.queue).listTasks({
    pageSize: MAX_LISTED_TASKS,
    withBody: false,
  });
  return page.ok ? ok(listOf("taskqueues#tasks", call, page.value.tasks)) : page;
}

/** taskqueue.tasks.lease. `Prefer: wait=N` waits for tasks where there are none. */
export async function leaseTasks(call: Call): Answer {
  const { query, request } = call;
  const maxTasks = readInteger(query, "numTasks", 1, MAX_LEASED_TASKS);
  if (!maxTasks.ok) return maxTasks;
  const seconds = readInteger(query, "leaseSecs", 1, MAX_LEASE_S);
  if (!seconds.ok) return seconds;
  const selection = readSelection(call);
  if (!selection.ok) return selection;
  const leased = await leaseWithWait(
    queueStub(call.env, call.queue),
    {
      maxTasks: maxTasks.value,
      leaseDurationUs: seconds.value * 1e6,
      selection: selection.value,
      withBody: true,
      maxBytes: isBatchPart(request) ? MAX_LEASED_BYTES_IN_BATCH : MAX_LEASED_BYTES,
    },
    (readWait(request.headers) ?? 0) * 1000,
    call.clock,
    clientOf(request),
  );
  if (!leased.ok) return leased;
  const reply = listOf("taskqueue#tasks", call, leased.value);
  return ok({ ...reply, headers: waitApplied(request.headers) });
}

/** Which tasks: all, those of a tag, or those with the tag of the oldest. */
function readSelection({ query }: Call): Result<LeaseSelection> {
  const isGrouped = readBoolean(query, "groupByTag");
  if (!isGrouped.ok) return isGrouped;
  const tag = query.values.get("tag");
  if (tag === undefined) return ok({ kind: isGrouped.value ? "oldestTag" : "any" });
  if (!isGrouped.value) {
    return invalidParameter("tag", "The parameter tag may only be given with groupByTag=true.");
  }
  const problem = tagProblem(tag);
  if (problem !== undefined) return invalidParameter("tag", problem.error.message);
  return ok({ kind: "tag", tag });
}

/** taskqueue.tasks.update and taskqueue.tasks.patch: both set the time that a lease has left. */
export async function updateTask(call: Call): Answer {
  const seconds = readInteger(call.query, "newLeaseSeconds", 0, MAX_LEASE_S);
  if (!seconds.ok) return seconds;
  const input = await readTask(call.request, updateSchema);
  if (!input.ok) return input;
  const problem = namesProblem(input.value, call);
  if (problem !== undefined) return problem;
  const durationUs = seconds.value * 1e6;
  const task = await queueStub(call.env, call.queue).extendLease(call.taskId, durationUs, true);
  return task.ok ? shown(call, task.value) : task;
}

/** taskqueue.tasks.delete: whether the task is leased, by whom, or not any more. */
export async function deleteTask({ env, queue, taskId }: Call): Answer {
  const deleted = await queueStub(env, queue).deleteTask(taskId);
  return deleted.ok ? ok({}) : deleted;
}

function shown(call: Call, task: Parameters<typeof writeTask>[1]): Result<Reply> {
  return ok({ value: writeTask(call, task) });
}

/** An empty list has no items. */
function listOf(kind: string, call: Call, tasks: readonly TaskRecord[]): Reply {
  if (tasks.length === 0) return { value: { kind } };
  return { value: { kind }, items: new LazyList(tasks, (task) => writeTask(call, task)) };
}
