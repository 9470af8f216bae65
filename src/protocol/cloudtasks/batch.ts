/**
 * tasks:batchCreate, tasks:batchDelete and the operations they leave. A batch is not atomic: each
 * of its requests succeeds or fails for itself, and the operation tells by index what failed. The
 * work is done before the answer, so every operation is done.
 */
import type { CreatedTask, OperationRecord, TaskTarget } from "../../core/model.ts";
import {
  isTaskId,
  locationPath,
  operationPath,
  parseOperationId,
  queuePath,
  splitTaskPath,
} from "../../core/names.ts";
import { ERROR_CODES, fail, ok, type Result } from "../../core/result.ts";
import { queueStub, registryStub } from "../../stubs.ts";
import {
  echo,
  invalidField,
  malformedTaskId,
  malformedTaskName,
  notFound,
  type RpcStatus,
  rpcStatus,
} from "../errors.ts";
import { readJson } from "../json-body.ts";
import { readMessage } from "../message.ts";
import { readPageSize } from "../query.ts";
import { writeEnum, writeTimestamp } from "../wire.ts";
import { type Answer, type Call, checkToken, checkView, styleOf } from "./call.ts";
import type { CreateTaskInput, TaskShown, View } from "./dialect.ts";
import { type ListIdentity, readPageToken, writePageToken } from "./page-token.ts";
import { batchDeleteSchema } from "./requests.ts";
import { draftTask, explainMismatch, type TaskDraft } from "./task-draft.ts";
import { createdTask, draftContext, tokenOf } from "./tasks.ts";
import { createAllInTransaction } from "./transactional.ts";

/** Requests in a batch, at most (limits.md §4). */
const MAX_CREATES = 100;
const MAX_DELETES = 1000;
/** Longest request id: it is documented as a UUID, but any short text will do. */
const MAX_REQUEST_ID = 128;
/** Longest record of an operation, in characters, that is sure to fit a row of storage. */
const MAX_RECORD = 400_000;

// ---- Creating --------------------------------------------------------------------------------

export async function batchCreateTasks(call: Call): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const input = call.dialect.readBatchCreate(json.value);
  if (!input.ok) return input;
  const { parent, requests, requestId } = input.value;
  const key = requestKey("batchCreate", requestId, call.transaction?.id);
  const problem =
    checkBatch(requests.length, MAX_CREATES, "requests", requestId) ??
    checkParents([parent, ...requests.map((request) => request.parent)], call);
  if (problem !== undefined) return problem;
  const isFull = requests.some(({ view }) => view === "FULL");
  const refused = await checkView(call, isFull ? "FULL" : "BASIC");
  if (refused !== undefined) return refused;
  const earlier = await earlierOperation(call, key);
  if (earlier !== undefined) return earlier;

  const drafts = await checkTokens(
    call,
    requests.map(({ task }, index) =>
      draftTask(task, draftContext(call, `requests[${index}].task`)),
    ),
  );
  const results =
    call.transaction === undefined
      ? await queueStub(call.env, call.resource).createTasks(
          drafts.flatMap((draft) => (draft.ok ? [draft.value.spec] : [])),
        )
      : await createAllInTransaction(call, call.transaction, drafts);
  if (!results.ok) return results;
  return finish(call, key, creationOf(drafts, results.value, requests));
}

/** A request with a token that the caller may not use fails for itself, as others do. */
async function checkTokens(
  call: Call,
  drafts: readonly Result<TaskDraft>[],
): Promise<readonly Result<TaskDraft>[]> {
  if (call.access.isTrusted) return drafts;
  return Promise.all(
    drafts.map(async (draft) =>
      draft.ok ? ((await checkToken(call, tokenOf(draft.value))) ?? draft) : draft,
    ),
  );
}

/** What a batch came to: failures by index, and what was created. */
interface Outcome {
  readonly kind: OperationRecord["kind"];
  readonly size: number;
  readonly failed: Readonly<Record<string, RpcStatus>>;
  readonly created: readonly { readonly task: TaskShown; readonly view: View }[];
}

function creationOf(
  drafts: readonly Result<TaskDraft>[],
  results: readonly Result<CreatedTask>[],
  requests: readonly CreateTaskInput[],
): Outcome {
  const failed: Record<string, RpcStatus> = {};
  const created: { task: TaskShown; view: View }[] = [];
  let next = 0;
  for (const [index, draft] of drafts.entries()) {
    const stored = draft.ok ? results[next++] : draft;
    const result =
      draft.ok && stored !== undefined
        ? explainMismatch(stored, draft.value, `requests[${index}].task`)
        : stored;
    if (draft.ok && result?.ok === true) {
      const task = createdTask(result.value as CreatedTask, draft.value);
      created.push({ task, view: requests[index]?.view ?? "BASIC" });
    } else if (result?.ok === false) {
      failed[index] = rpcStatus(result.error);
    }
  }
  return { kind: "batchCreate", size: drafts.length, failed, created };
}

// ---- Deleting --------------------------------------------------------------------------------

export async function batchDeleteTasks(call: Call): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(batchDeleteSchema, json.value, "");
  if (!message.ok) return message;
  const { parent = "", requestId = "" } = message.value;
  const key = requestKey("batchDelete", requestId);
  const names = (message.value.names ?? []).map((name) => name ?? "");
  const problem =
    checkBatch(names.length, MAX_DELETES, "names", requestId) ?? checkParents([parent], call);
  if (problem !== undefined) return problem;
  const earlier = await earlierOperation(call, key);
  if (earlier !== undefined) return earlier;

  const ids = names.map((name, index) =>
    readName(name, `names[${index}]`, queuePath(call.resource)),
  );
  const valid = ids.flatMap((id) => (id.ok ? [id.value] : []));
  const results = await queueStub(call.env, call.resource).deleteTasks(valid);
  if (!results.ok) return results;
  return finish(call, key, deletionOf(ids, results.value));
}

/** The id in a name of a batch: `field` is where it stands, `queue` what it must belong to. */
export function readName(name: string, field: string, queue: string): Result<string> {
  const parts = splitTaskPath(name);
  if (parts === null) return malformedTaskName();
  if (parts.queuePath !== queue) {
    return invalidField(
      field,
      `The queue name from request ('${queue}') must be the same as the queue name in the named ` +
        `task ('${echo(parts.queuePath)}').`,
    );
  }
  return isTaskId(parts.id) ? ok(parts.id) : malformedTaskId(parts.id);
}

function deletionOf(ids: readonly Result<string>[], results: readonly Result<null>[]): Outcome {
  const failed: Record<string, RpcStatus> = {};
  let next = 0;
  for (const [index, id] of ids.entries()) {
    const result = id.ok ? results[next++] : id;
    if (result?.ok === false) failed[index] = rpcStatus(result.error);
  }
  return { kind: "batchDelete", size: ids.length, failed, created: [] };
}

// ---- Both ------------------------------------------------------------------------------------

/** The bounds of a batch. INVALID_ARGUMENT: empty, too many, a request id that is too long. */
export function checkBatch(
  size: number,
  max: number,
  field: string,
  requestId = "",
): Result<never> | undefined {
  if (size === 0) return invalidField(field, `The batch is empty: ${field} is required.`);
  if (size > max) {
    return invalidField(field, `The batch has ${size} ${field}; at most ${max} are allowed.`);
  }
  if (requestId.length > MAX_REQUEST_ID) {
    return invalidField(
      "request_id",
      `The request id must be no longer than ${MAX_REQUEST_ID} characters.`,
    );
  }
  return undefined;
}

/** "All tasks must be for the same queue": a parent may be left out, but not be another. */
export function checkParents(
  parents: readonly string[],
  { resource }: Call,
): Result<never> | undefined {
  const queue = queuePath(resource);
  const other = parents.find((parent) => parent !== "" && parent !== queue);
  if (other === undefined) return undefined;
  return invalidField(
    "parent",
    `All requests of a batch must have the parent '${queue}', not '${echo(other)}'.`,
  );
}

/**
 * What an operation is found by when its request is repeated. A request is one of a method: an id
 * that is used again with the other method is not a repeat, whose work would silently not be done.
 */
function requestKey(
  kind: OperationRecord["kind"],
  requestId: string,
  transaction?: string,
): string | undefined {
  if (requestId === "") return undefined;
  // What was added to one transaction is not there for another.
  return transaction === undefined
    ? `${kind}:${requestId}`
    : `${kind} in ${transaction}:${requestId}`;
}

/** The operation that an earlier call of this request made, if there was one. */
async function earlierOperation(
  call: Call,
  key: string | undefined,
): Promise<Result<object> | undefined> {
  if (key === undefined) return undefined;
  const found = await queueStub(call.env, call.resource).findOperation(key);
  if (!found.ok) return found;
  return found.value === null
    ? undefined
    : ok(writeOperation(call, found.value, call.resource.queue));
}

/** An operation's record: neutral, so that every version can write it. */
interface KeptBatch {
  readonly startTimeUs: number;
  readonly size: number;
  readonly failed: Readonly<Record<string, RpcStatus>>;
  readonly tasks: readonly TaskShown[];
}

/**
 * Keeps the operation and answers it. Bodies are in this answer, where FULL views ask for them, but
 * are not kept.
 */
async function finish(call: Call, key: string | undefined, outcome: Outcome): Answer {
  const { kind, size, failed, created } = outcome;
  const record: KeptBatch = {
    startTimeUs: call.nowUs,
    size,
    failed,
    tasks: created.map(({ task: { body: _, ...kept } }) => kept),
  };
  const kept = await queueStub(call.env, call.resource).keepOperation(
    kind,
    encodeRecord(record),
    ...(key === undefined ? [] : [key]),
  );
  if (!kept.ok) return kept;
  return ok(writeOperation(call, kept.value, call.resource.queue, created));
}

/** Longest text of a failure in a shortened record, in characters. */
const MAX_KEPT_MESSAGE = 200;

/**
 * A record too long for its row keeps of each task where it goes and when, without headers, tokens
 * and routing, and of each failure its code and the beginning of its text.
 */
function encodeRecord(record: KeptBatch): string {
  const text = JSON.stringify(record);
  if (text.length <= MAX_RECORD) return text;
  const failed = Object.entries(record.failed).map(([index, { code, message }]) => [
    index,
    { code, message: message.slice(0, MAX_KEPT_MESSAGE) },
  ]);
  const tasks = record.tasks.map((task) => ({
    ...task,
    meta: { ...task.meta, target: withoutDetail(task.meta.target) },
  }));
  return JSON.stringify({ ...record, failed: Object.fromEntries(failed), tasks });
}

function withoutDetail(target: TaskTarget): TaskTarget {
  switch (target.kind) {
    case "http":
      return { kind: "http", url: target.url, method: target.method, headers: {} };
    case "appEngine": {
      const { relativeUri, method } = target;
      return { kind: "appEngine", relativeUri, method, headers: {} };
    }
    case "pull":
      return target;
  }
}

const CREATE_STATES = [
  "STATE_UNSPECIFIED",
  "RUNNING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "PARTIALLY_SUCCEEDED",
] as const;
const DELETE_STATES = [
  "STATE_UNSPECIFIED",
  "RUNNING",
  "SUCCEEDED",
  "PARTIALLY_SUCCEEDED",
  "FAILED",
] as const;

/**
 * google.longrunning.Operation. When nothing of a batch succeeded its result is the error ABORTED,
 * with the text that v2beta3 documents for it. `created` is what this call made just now.
 */
function writeOperation(
  call: Call,
  operation: OperationRecord,
  queue: string,
  created?: Outcome["created"],
): object {
  const { dialect, resource } = call;
  const style = styleOf(call);
  const name = { ...resource, queue };
  const record = JSON.parse(operation.body) as KeptBatch;
  const isCreate = operation.kind === "batchCreate";
  const type = `type.googleapis.com/${dialect.package}.Batch${isCreate ? "Create" : "Delete"}Tasks`;
  const failures = Object.keys(record.failed).length;
  const tasks = () =>
    (created ?? record.tasks.map((task) => ({ task, view: "BASIC" as const }))).map(
      ({ task, view }) => dialect.writeTask(name, task, view, style),
    );
  return {
    name: operationPath(name, operation.number),
    metadata: {
      "@type": `${type}Metadata`,
      startTime: writeTimestamp(record.startTimeUs),
      endTime: writeTimestamp(Math.max(operation.createTimeUs, record.startTimeUs)),
      state: writeEnum(
        isCreate ? CREATE_STATES : DELETE_STATES,
        failures === 0 ? "SUCCEEDED" : "PARTIALLY_SUCCEEDED",
        style.enumsAsInts,
      ),
      ...(failures === 0 ? {} : { failedRequests: record.failed }),
    },
    done: true,
    ...(failures === record.size
      ? { error: noneSucceeded(isCreate) }
      : {
          response: isCreate
            ? { "@type": `${type}Response`, tasks: tasks() }
            : { "@type": "type.googleapis.com/google.protobuf.Empty" },
        }),
  };
}

function noneSucceeded(isCreate: boolean): RpcStatus {
  const metadata = isCreate ? "BatchCreateTasksMetadata" : "BatchDeleteTasksMetadata";
  return {
    code: ERROR_CODES.indexOf("ABORTED"),
    message:
      `None of the requests succeeded, refer to ${metadata}.failed_requests ` +
      "for individual error details",
  };
}

// ---- Operations ------------------------------------------------------------------------------

export async function getOperation(call: Call): Answer {
  const { env, resource } = call;
  const id = parseOperationId(resource.id);
  if (id === null) return notFound();
  const name = { ...resource, queue: id.queue };
  const operation = await queueStub(env, name).getOperation(id.number);
  if (!operation.ok) return operation.error.code === "NOT_FOUND" ? notFound() : operation;
  return ok(writeOperation(call, operation.value, id.queue));
}

/** Operations in a page, and queues looked through for one: each is a call to an object. */
const MAX_OPERATIONS_PER_PAGE = 100;
const QUEUES_PER_PAGE = 20;

/** Goes through the location's queues a few at a time; a page may be empty and still lead on. */
export async function listOperations(call: Call): Answer {
  const { env, resource, query, nowUs } = call;
  if (query.values.get("filter")) {
    return fail("UNIMPLEMENTED", "Operations cannot be filtered by this service.");
  }
  const pageSize = readPageSize(query, MAX_OPERATIONS_PER_PAGE);
  if (!pageSize.ok) return pageSize;
  const list: ListIdentity = ["operations", locationPath(resource), ""];
  const shape = ["string", "number"] as const;
  const cursor = readPageToken(query.values.get("pageToken"), list, shape, nowUs);
  if (!cursor.ok) return cursor;

  // A cursor is a queue whose operations up to a number have been told; its own turn comes first.
  const [after, number] = [String(cursor.value?.[0] ?? ""), Number(cursor.value?.[1] ?? 0)];
  const page = await registryStub(env, resource).listQueues(after, QUEUES_PER_PAGE);
  const queues = page.queues.map(({ name }) => ({ queue: name.queue, after: 0 }));
  if (after !== "" && number >= 0) queues.unshift({ queue: after, after: number });
  const found = await Promise.all(
    queues.map(async ({ queue, after: from }) => ({
      queue,
      operations: await operationsOf(call, queue, from, pageSize.value + 1),
    })),
  );
  const { operations, next } = takePage(found, pageSize.value);
  const last = queues.at(-1)?.queue;
  const goOn = next ?? (page.more && last !== undefined ? ([last, -1] as const) : undefined);
  return ok({
    ...(operations.length === 0
      ? {}
      : {
          operations: operations.map(([queue, operation]) =>
            writeOperation(call, operation, queue),
          ),
        }),
    ...(goOn === undefined ? {} : { nextPageToken: writePageToken(list, goOn, nowUs) }),
  });
}

/** A queue that went away between the two calls has no operations. */
async function operationsOf(
  { env, resource }: Call,
  queue: string,
  after: number,
  limit: number,
): Promise<readonly OperationRecord[]> {
  const listed = await queueStub(env, { ...resource, queue }).listOperations(after, limit);
  return listed.ok ? listed.value : [];
}

type Found = readonly { readonly queue: string; readonly operations: readonly OperationRecord[] }[];

/** The first operations, and the place behind the last of them when there are more. */
function takePage(found: Found, size: number) {
  const all = found.flatMap(({ queue, operations }) =>
    operations.map((operation) => [queue, operation] as const),
  );
  const operations = all.slice(0, size);
  const last = operations.at(-1);
  const next =
    all.length > size && last !== undefined ? ([last[0], last[1].number] as const) : undefined;
  return { operations, next };
}
