/** The methods that add tasks: BulkAdd and Add. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CreatedTask, QueueName, TaskSpec } from "../../core/model.ts";
import { queueObjectName } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import type { Call } from "./call.ts";
import { askQueue } from "./current-queue.ts";
import { answer, Code, codeOf, type Reply, refuse } from "./errors.ts";
import type {
  TaskQueueAddRequest,
  TaskQueueAddResponseSchema,
  TaskQueueBulkAddRequest,
  TaskQueueBulkAddResponseSchema,
} from "./gen/taskqueue_service_pb.js";
import { chosenName, draftTask, type TaskDraft } from "./task-draft.ts";
import { bytesOf } from "./text.ts";
import {
  addInTransaction,
  endTransaction,
  isTransactional,
  transactionOf,
} from "./transactions.ts";

/** Tasks in a call (limits.md §4). */
const MAX_TASKS = 100;
/** A transactional call, in bytes (limits.md §1). */
const MAX_TRANSACTIONAL_SIZE = 1_048_576;
/** Bytes of body that travel to a queue at once: a call between objects holds 32 MiB. */
const MAX_PART_BYTES = 8e6;

type Answer<S extends typeof TaskQueueBulkAddResponseSchema | typeof TaskQueueAddResponseSchema> =
  Promise<Reply<MessageInitShape<S>>>;

/**
 * Adds tasks. All are checked first: where one is wrong nothing is added, and those that are right
 * are SKIPPED. After that each has its own result, in the order of the requests.
 */
export async function bulkAdd(
  call: Call,
  { addRequest }: TaskQueueBulkAddRequest,
): Answer<typeof TaskQueueBulkAddResponseSchema> {
  const results = await addAll(call, addRequest);
  return results.ok ? answer({ taskresult: [...results.value] }) : results;
}

/** Adds one task: what is a result in BulkAdd is the call's own error here. */
export async function add(
  call: Call,
  request: TaskQueueAddRequest,
): Answer<typeof TaskQueueAddResponseSchema> {
  const results = await addAll(call, [request]);
  if (!results.ok) return results;
  const [added] = results.value;
  if (added === undefined || added.result !== Code.OK) {
    return refuse(added?.result ?? Code.INTERNAL_ERROR, added?.detail ?? "");
  }
  return answer(pick(added));
}

function pick({ chosenTaskName }: TaskResult) {
  return chosenTaskName === undefined ? {} : { chosenTaskName };
}

interface TaskResult {
  readonly result: Code;
  readonly chosenTaskName?: Uint8Array;
  /** Of a refusal; BulkAdd has no place for it. */
  readonly detail?: string;
}

async function addAll(
  call: Call,
  requests: readonly TaskQueueAddRequest[],
): Promise<Reply<readonly TaskResult[]>> {
  if (requests.length > MAX_TASKS) {
    return refuse(Code.TOO_MANY_TASKS, `A call can add no more than ${MAX_TASKS} tasks.`);
  }
  if (requests[0]?.queueName.length === 0) {
    return refuse(Code.UNKNOWN_QUEUE, "The first task names no queue.");
  }
  const drafts = withoutDuplicates(requests.map((request) => draftTask(request, call)));
  const valid = drafts.flatMap((draft) => (draft.ok ? [draft.value] : []));
  if (valid.length < drafts.length) return answer(drafts.map(refusalOf));
  const groups = groupsOf(valid);
  if (groups.some(isMixed)) return wrongMode();
  const isUnderTransaction = requests.some(isTransactional);
  if (groups.length > 1 || isUnderTransaction) {
    const problems = await queueProblems(call, groups);
    if (!problems.ok) return problems;
    if (problems.value.size > 0) {
      return answer(
        valid.map(({ queue }) => problems.value.get(queueObjectName(queue)) ?? SKIPPED),
      );
    }
  }
  return isUnderTransaction
    ? addUnderTransaction(call, requests, groups)
    : addNow(call, requests, groups);
}

const SKIPPED: TaskResult = { result: Code.SKIPPED };

function refusalOf(draft: Reply<TaskDraft>): TaskResult {
  return draft.ok ? SKIPPED : { result: draft.error.code, detail: draft.error.detail };
}

/** A name given twice is wrong the second time. */
function withoutDuplicates(drafts: readonly Reply<TaskDraft>[]): readonly Reply<TaskDraft>[] {
  const seen = new Set<string>();
  return drafts.map((draft) => {
    if (!draft.ok || draft.value.spec.id === undefined) return draft;
    const key = `${queueObjectName(draft.value.queue)}/${draft.value.spec.id}`;
    if (seen.has(key)) {
      return refuse(Code.DUPLICATE_TASK_NAME, "The call has two tasks of this name.");
    }
    seen.add(key);
    return draft;
  });
}

// ---- Tasks by queue --------------------------------------------------------------------------

/** The tasks of one queue, and where in the call they are. */
interface Group {
  readonly queue: QueueName;
  readonly specs: TaskSpec[];
  readonly indexes: number[];
}

function groupsOf(drafts: readonly TaskDraft[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const [index, { queue, spec }] of drafts.entries()) {
    const key = queueObjectName(queue);
    const group = groups.get(key) ?? { queue, specs: [], indexes: [] };
    group.specs.push(spec);
    group.indexes.push(index);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function isMixed({ specs }: Group): boolean {
  return specs.some(({ queueType }) => queueType !== specs[0]?.queueType);
}

function wrongMode(): Reply<never> {
  return refuse(Code.INVALID_QUEUE_MODE, "The tasks' mode is not the mode of their queue.");
}

/**
 * What is wrong with the queues of a call for several, by their names: looked at before, because
 * nothing may be added then. A single queue tells it by itself.
 */
async function queueProblems(
  call: Call,
  groups: readonly Group[],
): Promise<Reply<ReadonlyMap<string, TaskResult>>> {
  const queues = await Promise.all(
    groups.map(({ queue }) => askQueue(call, queue, (stub) => stub.getQueue())),
  );
  const problems = new Map<string, TaskResult>();
  for (const [index, { queue, specs }] of groups.entries()) {
    const found = queues[index];
    if (found === undefined) continue;
    if (!found.ok) {
      problems.set(queueObjectName(queue), {
        result: found.error.code,
        detail: found.error.detail,
      });
    } else if (found.value.settings.type !== specs[0]?.queueType) return wrongMode();
  }
  return answer(problems);
}

// ---- Adding ----------------------------------------------------------------------------------

async function addNow(
  call: Call,
  requests: readonly TaskQueueAddRequest[],
  groups: readonly Group[],
): Promise<Reply<readonly TaskResult[]>> {
  const results: TaskResult[] = [];
  const added = await Promise.all(groups.map((group) => addToQueue(call, group)));
  for (const [position, { indexes }] of groups.entries()) {
    const group = added[position];
    if (group === undefined) continue;
    if (!group.ok && group.error.code === Code.INVALID_QUEUE_MODE) return wrongMode();
    for (const [place, index] of indexes.entries()) {
      results[index] = group.ok
        ? resultOf(requests[index], group.value[place])
        : { result: group.error.code, detail: group.error.detail };
    }
  }
  return answer(results);
}

/** In parts that fit a call between objects. A refusal of the first part is the queue's. */
async function addToQueue(
  call: Call,
  { queue, specs }: Group,
): Promise<Reply<readonly Result<CreatedTask>[]>> {
  const results: Result<CreatedTask>[] = [];
  for (const part of partsOf(specs)) {
    const added = await askQueue(call, queue, (stub) => stub.createTasks(part));
    if (!added.ok) return added;
    for (const result of added.value) {
      if (!result.ok && result.error.cause === "WRONG_QUEUE_TYPE") return wrongMode();
      results.push(result);
    }
  }
  return answer(results);
}

function* partsOf(specs: readonly TaskSpec[]): Iterable<readonly TaskSpec[]> {
  let part: TaskSpec[] = [];
  let bytes = 0;
  for (const spec of specs) {
    const size = spec.meta.length + (spec.body?.length ?? 0);
    if (part.length > 0 && bytes + size > MAX_PART_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(spec);
    bytes += size;
  }
  if (part.length > 0) yield part;
}

/** The chosen name is told of tasks that came without one. */
function resultOf(
  request: TaskQueueAddRequest | undefined,
  created: Result<CreatedTask> | undefined,
): TaskResult {
  if (request === undefined || created === undefined) return { result: Code.INTERNAL_ERROR };
  if (!created.ok) return { result: codeOf(created.error), detail: created.error.message };
  const isChosen = chosenName(request) === undefined;
  return {
    result: Code.OK,
    ...(isChosen ? { chosenTaskName: bytesOf(created.value.id) } : {}),
  };
}

// ---- Adding in a transaction -----------------------------------------------------------------

/**
 * All of the call or nothing: where one queue refuses its tasks after others took theirs, those can
 * only be taken back with the whole transaction, which is rolled back then.
 */
async function addUnderTransaction(
  call: Call,
  requests: readonly TaskQueueAddRequest[],
  groups: readonly Group[],
): Promise<Reply<readonly TaskResult[]>> {
  if (call.size > MAX_TRANSACTIONAL_SIZE) {
    return refuse(
      Code.TRANSACTIONAL_REQUEST_TOO_LARGE,
      `A transactional call can have no more than ${MAX_TRANSACTIONAL_SIZE} bytes.`,
    );
  }
  const isNamed = (request: TaskQueueAddRequest) => chosenName(request) !== undefined;
  if (requests.some(isNamed)) {
    return answer(
      requests.map((request) =>
        isNamed(request)
          ? { result: Code.INVALID_TASK_NAME, detail: "A task in a transaction has no name." }
          : SKIPPED,
      ),
    );
  }
  const transaction = transactionOf(call, requests);
  if (!transaction.ok) return transaction;
  const results: TaskResult[] = requests.map(() => SKIPPED);
  // Whether a part of the call is in the transaction, or may be.
  let isHalf = false;
  try {
    for (const { queue, specs, indexes } of groups) {
      const wasHalf: boolean = isHalf;
      isHalf = groups.length > 1;
      const added = await addInTransaction(call, transaction.value, queue, specs);
      const isRefused = !added.ok || added.value.some((result) => !result.ok);
      if (isRefused) {
        isHalf = wasHalf;
        results.fill(SKIPPED);
      }
      if (!added.ok) return added;
      for (const [place, index] of indexes.entries()) {
        const result = added.value[place];
        const isSkipped = result?.ok === false && result.error.code === "ABORTED";
        if (!isSkipped) results[index] = resultOf(requests[index], result);
      }
      if (isRefused) return answer(results);
    }
    isHalf = false;
    return answer(results);
  } finally {
    if (isHalf) await endTransaction(call, transaction.value, "rollback");
  }
}
