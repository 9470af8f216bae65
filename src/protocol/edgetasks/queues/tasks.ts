/** The methods on tasks: add, delete, list. */
import { queueResource } from "../../../auth/iam/resource.ts";
import {
  type CreatedTask,
  decodeMeta,
  type ListCursor,
  type TaskSpec,
} from "../../../core/model.ts";
import { isTaskId } from "../../../core/names.ts";
import type { DomainError, Result } from "../../../core/result.ts";
import { LazyList } from "../../lazy-list.ts";
import type { Answer, Call, Checked } from "./call.ts";
import { askQueue } from "./current-queue.ts";
import { echo, invalidField, type Refusal, writeError } from "./errors.ts";
import { addSchema, deleteSchema, listSchema, readBody, type TaskInput } from "./schema.ts";
import { readTaskSpec } from "./task-spec.ts";
import { writeTask } from "./task-view.ts";
import { addInTransaction } from "./transactional-add.ts";

/** Tasks of one call (limits.md §4). */
const MAX_ADDED_TASKS = 100;
/** Names of one call; as batchDelete (limits.md §4). */
const MAX_DELETED_TASKS = 1000;
/** Tasks in a page (limits.md §4). */
const MAX_PAGE_SIZE = 1000;

/**
 * Adds tasks, one result for each. All are checked before any is stored: where one is wrong nothing
 * is added (rpc.md §7). With a transaction they are stored all or none, and are there when it is
 * committed.
 */
export async function addTasks(call: Call): Answer {
  const body = await readBody(call.request, addSchema);
  if (!body.ok) return body;
  const { tasks, transaction } = body.value;
  const specs = readSpecs(tasks, call);
  if (!specs.ok) return specs;
  if (typeof transaction === "string") {
    const problem = transactionalProblem(tasks);
    if (problem !== undefined) return problem;
  }
  const refusal = await actAsRefusal(specs.value, call);
  if (refusal !== undefined) return { ok: false, error: refusal };
  const results = await askQueue(call, (queue) =>
    typeof transaction === "string"
      ? addInTransaction(call, transaction, specs.value)
      : queue.createTasks(specs.value),
  );
  return results.ok ? resultsOf(results.value, writeCreated) : results;
}

function readSpecs(tasks: readonly TaskInput[], call: Call): Checked<readonly TaskSpec[]> {
  if (tasks.length > MAX_ADDED_TASKS) {
    return invalidField("tasks", `A call adds at most ${MAX_ADDED_TASKS} tasks.`, "TOO_MANY_TASKS");
  }
  const specs: TaskSpec[] = [];
  const names = new Set<string>();
  for (const [index, task] of tasks.entries()) {
    const spec = readTaskSpec(task, `tasks[${index}]`, call);
    if (!spec.ok) return spec;
    specs.push(spec.value);
    const { id } = spec.value;
    if (id === undefined) continue;
    if (names.has(id)) {
      return invalidField(
        `tasks[${index}].name`,
        `Two tasks are named "${id}".`,
        "DUPLICATE_TASK_NAME",
      );
    }
    names.add(id);
  }
  return { ok: true, value: specs };
}

/** Whether the caller may have the tasks carry the tokens they ask for. */
async function actAsRefusal(
  specs: readonly TaskSpec[],
  { access, queue }: Call,
): Promise<DomainError | undefined> {
  if (access.isTrusted) return undefined;
  for (const { meta } of specs) {
    const { target } = decodeMeta(meta);
    const token = target.kind === "http" ? target.token : undefined;
    if (token === undefined) continue;
    const refusal = await access.requireActAs(queue, token.serviceAccountEmail);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** A task of a transaction gets its name from the queue (rpc.md §5). */
function transactionalProblem(tasks: readonly TaskInput[]): Refusal | undefined {
  const named = tasks.findIndex(({ name }) => name);
  if (named === -1) return undefined;
  return invalidField(
    `tasks[${named}].name`,
    "A task that is added in a transaction must not have a name.",
    "INVALID_TASK_NAME",
  );
}

function writeCreated({ id, scheduleTimeUs, createTimeUs }: CreatedTask): object {
  return {
    name: id,
    scheduleTimeUs: String(scheduleTimeUs),
    createTimeUs: String(createTimeUs),
  };
}

/** Deletes tasks by name, leased or not; one result for each. */
export async function deleteTasks(call: Call): Answer {
  const body = await readBody(call.request, deleteSchema);
  if (!body.ok) return body;
  const { names } = body.value;
  if (names.length > MAX_DELETED_TASKS) {
    return invalidField(
      "names",
      `A call deletes at most ${MAX_DELETED_TASKS} tasks.`,
      "TOO_MANY_TASKS",
    );
  }
  const wrong = names.findIndex((name) => !isTaskId(name));
  if (wrong !== -1) return invalidName(`names[${wrong}]`, names[wrong] ?? "");
  const results = await askQueue(call, (queue) => queue.deleteTasks(names));
  return results.ok ? resultsOf(results.value, () => ({})) : results;
}

export function invalidName(field: string, name: string): Refusal {
  return invalidField(field, `Invalid task name "${echo(name)}".`, "INVALID_TASK_NAME");
}

/** Many results in one answer, in the order of what was asked. */
export function resultsOf<T>(
  results: readonly Result<T>[],
  write: (value: T) => object,
): Awaited<Answer> {
  return {
    ok: true,
    value: {
      value: {
        results: results.map((result) =>
          result.ok ? write(result.value) : writeError(result.error),
        ),
      },
    },
  };
}

/** A page of the queue's tasks in the order of their times, leased or not. */
export async function listTasks(call: Call): Answer {
  const body = await readBody(call.request, listSchema);
  if (!body.ok) return body;
  const { withPayload, pageToken } = body.value;
  const pageSize = body.value.pageSize || MAX_PAGE_SIZE;
  if (!Number.isInteger(pageSize) || pageSize < 1) {
    return invalidField("pageSize", "pageSize must be a whole number, 1 or more.");
  }
  const cursor = readCursor(pageToken ?? "");
  if (cursor === null) return invalidField("pageToken", "The page token is not valid.");
  const refusal =
    withPayload === true && !call.access.isTrusted
      ? await call.access.require("cloudtasks.tasks.fullView", queueResource(call.queue))
      : undefined;
  if (refusal !== undefined) return { ok: false, error: refusal };
  const page = await askQueue(call, (queue) =>
    queue.listTasks({
      pageSize: Math.min(pageSize, MAX_PAGE_SIZE),
      withBody: withPayload === true,
      ...(cursor === undefined ? {} : { cursor }),
    }),
  );
  if (!page.ok) return page;
  const { tasks, next } = page.value;
  const value = next === undefined ? {} : { nextPageToken: writeCursor(next) };
  return { ok: true, value: { value, tasks: new LazyList(tasks, writeTask) } };
}

function writeCursor({ scheduleTimeUs, sequence }: ListCursor): string {
  return `${scheduleTimeUs}-${sequence}`;
}

/** Undefined: the first page. Null: no cursor. */
function readCursor(token: string): ListCursor | undefined | null {
  if (token === "") return undefined;
  const [, time, sequence] = /^(\d{1,16})-(\d{1,16})$/.exec(token) ?? [];
  if (time === undefined) return null;
  return { scheduleTimeUs: Number(time), sequence: Number(sequence) };
}
