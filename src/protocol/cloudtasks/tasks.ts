/** The methods on tasks. */
import {
  type AuthorizationToken,
  type CreatedTask,
  decodeMeta,
  partsOf,
  type QueueRecord,
  type TaskRecord,
} from "../../core/model.ts";
import { queuePath, taskPath } from "../../core/names.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { urlOfOverride } from "../../core/target-override.ts";
import { queueStub } from "../../stubs.ts";
import { parseJson, readBody, readJson } from "../json-body.ts";
import { readMessage } from "../message.ts";
import { readPageSize, readQueryEnum } from "../query.ts";
import { type Answer, type Call, checkToken, checkView, styleOf } from "./call.ts";
import type { TaskShown, View } from "./dialect.ts";
import { type ListIdentity, readPageToken, writePageToken } from "./page-token.ts";
import { bufferSchema } from "./requests.ts";
import {
  type DraftContext,
  draftTask,
  explainMismatch,
  type TaskDraft,
  type TaskInput,
} from "./task-draft.ts";
import { createInTransaction } from "./transactional.ts";

/** Tasks in a page, at most and by default (limits.md §4). */
const MAX_TASKS_PER_PAGE = 1000;

export async function createTask(call: Call): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const input = call.dialect.readCreateTask(json.value);
  if (!input.ok) return input;
  const draft = draftTask(input.value.task, draftContext(call, "task"));
  if (!draft.ok) return draft;
  const { view } = input.value;
  const token = tokenOf(draft.value);
  // Most creates ask for neither, and go on without waiting.
  if (view === "FULL" || token !== undefined) {
    const refused = (await checkView(call, view)) ?? (await checkToken(call, token));
    if (refused !== undefined) return refused;
  }
  return store(call, draft.value, view);
}

/** The token that a task's attempts are to carry. */
export function tokenOf({ meta: { target } }: TaskDraft): AuthorizationToken | undefined {
  return target.kind === "http" ? target.token : undefined;
}

async function store(call: Call, draft: TaskDraft, view: View): Answer {
  const stored =
    call.transaction === undefined
      ? await queueStub(call.env, call.resource).createTask(...partsOf(draft.spec))
      : await createInTransaction(call, call.transaction, draft);
  const created = explainMismatch(stored, draft, "task");
  if (!created.ok) return created;
  const task = createdTask(created.value, draft);
  return ok(call.dialect.writeTask(call.resource, task, view, styleOf(call)));
}

/** A task as its creation's answer shows it. */
export function createdTask(created: CreatedTask, { spec, meta }: TaskDraft): TaskShown {
  return {
    id: created.id,
    scheduleTimeUs: created.scheduleTimeUs,
    createTimeUs: created.createTimeUs,
    // The queue tells the settled part only where its own settings changed it.
    meta: created.meta === undefined ? meta : decodeMeta(created.meta),
    ...(spec.body === undefined ? {} : { body: spec.body }),
    ...(spec.tag === undefined ? {} : { tag: spec.tag }),
  };
}

export function draftContext(call: Call, root: string): DraftContext {
  const { resource, nowUs, config, ownHost, dialect } = call;
  return { words: dialect.taskWords, queue: resource, nowUs, config, ownHost, root };
}

export async function getTask(call: Call): Answer {
  const view = readQueryView(call);
  if (!view.ok) return view;
  const refused = await checkView(call, view.value);
  if (refused !== undefined) return refused;
  const { env, resource } = call;
  const task = await queueStub(env, resource).getTask(resource.id, view.value === "FULL");
  return shown(call, task, view.value);
}

export async function listTasks(call: Call): Answer {
  const { env, resource, query, dialect, nowUs } = call;
  const view = readQueryView(call);
  if (!view.ok) return view;
  const refused = await checkView(call, view.value);
  if (refused !== undefined) return refused;
  const pageSize = readPageSize(query, MAX_TASKS_PER_PAGE);
  if (!pageSize.ok) return pageSize;
  const list: ListIdentity = ["tasks", queuePath(resource), ""];
  const shape = ["number", "number"] as const;
  const cursor = readPageToken(query.values.get("pageToken"), list, shape, nowUs);
  if (!cursor.ok) return cursor;

  const [scheduleTimeUs, sequence] = cursor.value ?? [];
  const page = await queueStub(env, resource).listTasks({
    pageSize: pageSize.value,
    withBody: view.value === "FULL",
    ...(cursor.value === undefined
      ? {}
      : { cursor: { scheduleTimeUs: Number(scheduleTimeUs), sequence: Number(sequence) } }),
  });
  if (!page.ok) return page;
  const { tasks, next } = page.value;
  const style = styleOf(call);
  const written = tasks.map((task) =>
    dialect.writeTask(resource, recordShown(task), view.value, style),
  );
  return ok({
    ...(written.length === 0 ? {} : { tasks: written }),
    ...(next === undefined
      ? {}
      : { nextPageToken: writePageToken(list, [next.scheduleTimeUs, next.sequence], nowUs) }),
  });
}

export async function deleteTask({ env, resource }: Call): Answer {
  const deleted = await queueStub(env, resource).deleteTask(resource.id);
  return deleted.ok ? ok({}) : deleted;
}

export async function runTask(call: Call): Answer {
  const { env, resource, dialect } = call;
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const view = dialect.readRunTask(json.value);
  if (!view.ok) return view;
  const refused = await checkView(call, view.value);
  if (refused !== undefined) return refused;
  const task = await queueStub(env, resource).runTask(resource.id, view.value === "FULL");
  return shown(call, task, view.value);
}

function readQueryView({ query, dialect }: Call): Result<View> {
  const view = readQueryEnum(query, "responseView", `${dialect.package}.Task.View`, [
    "VIEW_UNSPECIFIED",
    "BASIC",
    "FULL",
  ]);
  return view.ok ? ok(view.value === "FULL" ? "FULL" : "BASIC") : view;
}

function shown(call: Call, task: Result<TaskRecord>, view: View): Result<object> {
  return task.ok
    ? ok(call.dialect.writeTask(call.resource, recordShown(task.value), view, styleOf(call)))
    : task;
}

/** A stored task, its settled part decoded. */
export function recordShown(record: TaskRecord): TaskShown {
  return { ...record, meta: decodeMeta(record.meta) };
}

// ---- Buffering -------------------------------------------------------------------------------

/**
 * Makes a task of the request's body, for the target that the queue's httpTarget describes. The
 * queue must have one with a host (discovery v2 BufferTask). A task id in the path is taken;
 * without one the queue gives one.
 */
export async function bufferTask(call: Call): Answer {
  const { env, resource } = call;
  const body = await readBuffered(call.request);
  if (!body.ok) return body;
  const queue = await queueStub(env, resource).getQueue();
  if (!queue.ok) return queue;
  const input = bufferedTask(queue.value, call, body.value);
  if (!input.ok) return input;
  const draft = draftTask(input.value, draftContext(call, "task"));
  if (!draft.ok) return draft;
  const task = await store(call, draft.value, "BASIC");
  return task.ok ? ok({ task: task.value }) : task;
}

interface HttpBody {
  readonly contentType?: string | undefined;
  readonly data: Uint8Array;
}

/**
 * A request's body is an HttpBody: its bytes are the task's body, and its Content-Type the task's.
 * The discovery document wraps it as `{"body": {"contentType", "data"}}`, which generated clients
 * send; so JSON of exactly this form is unwrapped, and everything else is taken as it is.
 */
async function readBuffered(request: Request): Promise<Result<HttpBody>> {
  const raw = await readBody(request);
  if (!raw.ok) return raw;
  const contentType = request.headers.get("content-type") ?? undefined;
  if (contentType === undefined || /^application\/json\b/i.test(contentType)) {
    const wrapped = unwrap(raw.value);
    if (wrapped !== undefined) return ok(wrapped);
  }
  return ok({ contentType, data: raw.value });
}

function unwrap(raw: Uint8Array): HttpBody | undefined {
  // Cheaper than parsing what cannot be of that form: the first byte is an opening brace.
  if (raw[0] !== 0x7b) return undefined;
  const json = parseJson(new TextDecoder().decode(raw));
  if (!json.ok) return undefined;
  const message = readMessage(bufferSchema, json.value, "");
  if (!message.ok || !message.value.body) return undefined;
  const { contentType, data } = message.value.body;
  return { contentType: contentType || undefined, data: data ?? new Uint8Array() };
}

function bufferedTask(queue: QueueRecord, call: Call, body: HttpBody): Result<TaskInput> {
  const { httpTarget } = queue.settings;
  if (httpTarget === undefined) {
    return fail("FAILED_PRECONDITION", "The queue must have an HTTP target to buffer tasks.");
  }
  const url = urlOfOverride(httpTarget.uriOverride);
  if (url === null) {
    return fail(
      "FAILED_PRECONDITION",
      "The queue's HTTP target must have a UriOverride.host to buffer tasks.",
    );
  }
  if (!url.ok) return url;
  const method = httpTarget.method ?? "POST";
  // "If the value is set to GET the task's body is ignored" (discovery v2 HttpTarget.httpMethod).
  const isSent = method === "POST" || method === "PUT" || method === "PATCH";
  return ok({
    ...(call.resource.kind === "task" ? { name: taskPath(call.resource, call.resource.id) } : {}),
    httpRequest: {
      url: url.value.href,
      httpMethod: method,
      ...(isSent ? { body: body.data } : {}),
      ...(isSent && body.contentType ? { headers: { "Content-Type": body.contentType } } : {}),
    },
  });
}
