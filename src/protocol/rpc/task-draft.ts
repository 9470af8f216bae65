/** From a TaskQueueAddRequest to the task that is stored: every rule, and the code of its refusal. */
import { isFieldSet } from "@bufbuild/protobuf";
import { appEngineHost } from "../../core/app-engine-host.ts";
import { isNamespaceHeader, isServiceHeader } from "../../core/header-rules.ts";
import { MAX_HEADERS_SIZE, MAX_TAG_LENGTH, MAX_URL_LENGTH } from "../../core/limits.ts";
import {
  encodeMeta,
  type HttpMethod,
  type QueueName,
  type TaskMeta,
  type TaskSpec,
  type TaskTarget,
} from "../../core/model.ts";
import { isTaskId, tagFault } from "../../core/names.ts";
import { sendsBody } from "../../core/target-override.ts";
import type { Call } from "./call.ts";
import { queueOf } from "./current-queue.ts";
import { answer, Code, echo, type Reply, refuse } from "./errors.ts";
import {
  TaskQueueAddRequest_RequestMethod as RequestMethod,
  TaskQueueAddRequestSchema as Schema,
  type TaskQueueAddRequest,
  TaskQueueMode_Mode,
} from "./gen/taskqueue_service_pb.js";
import { routingOfHost } from "./host.ts";
import { readTaskRetry } from "./retry.ts";
import { headerTextOf, textOf } from "./text.ts";

/** Largest tasks, in bytes (limits.md §1). */
const MAX_PUSH_SIZE = 102_400;
const MAX_PULL_SIZE = 1_048_576;
/** Furthest time (limits.md §3: 30 days). */
const MAX_DELAY_US = 30n * 86_400_000_000n;
/** Dispatch deadlines (limits.md §3: 15 s to 24 h). */
const DEADLINE_US = { min: 15_000_000n, max: 86_400_000_000n } as const;

const METHODS: Readonly<Record<RequestMethod, HttpMethod>> = {
  [RequestMethod.GET]: "GET",
  [RequestMethod.POST]: "POST",
  [RequestMethod.HEAD]: "HEAD",
  [RequestMethod.PUT]: "PUT",
  [RequestMethod.DELETE]: "DELETE",
};

/** A task that may be added. */
export interface TaskDraft {
  readonly queue: QueueName;
  readonly spec: TaskSpec;
}

const { field } = Schema;

/** Checks a task; where it goes is looked at before what it is. */
export function draftTask(request: TaskQueueAddRequest, call: Call): Reply<TaskDraft> {
  const queue = queueOf(call, request.queueName, request.appId);
  if (!queue.ok) return queue;
  const problem =
    nameProblem(request) ??
    timeProblem(request, call.nowUs) ??
    privilegeProblem(request) ??
    sizeProblem(request);
  if (problem !== undefined) return problem;
  const spec = isPull(request) ? pullSpec(request) : pushSpec(request, queue.value, call);
  return spec.ok ? answer({ queue: queue.value, spec: spec.value }) : spec;
}

export function isPull({ mode }: TaskQueueAddRequest): boolean {
  return mode === TaskQueueMode_Mode.PULL;
}

/** The name that the caller chose; undefined when the queue is to choose one. */
export function chosenName({ taskName }: TaskQueueAddRequest): string | undefined {
  return taskName.length === 0 ? undefined : textOf(taskName);
}

// ---- What all tasks have in common ------------------------------------------------------------

type Problem = Reply<never> | undefined;

function nameProblem(request: TaskQueueAddRequest): Problem {
  if (request.taskName.length === 0) return undefined;
  const name = chosenName(request);
  if (name !== undefined && isTaskId(name)) return undefined;
  return refuse(
    Code.INVALID_TASK_NAME,
    `Invalid task name "${echo(name ?? "")}": it must be 1 to 500 letters, digits, hyphens or ` +
      "underscores.",
  );
}

function timeProblem({ etaUsec }: TaskQueueAddRequest, nowUs: number): Problem {
  if (etaUsec < 0n) return refuse(Code.INVALID_ETA, "eta_usec must not be negative.");
  if (etaUsec > BigInt(nowUs) + MAX_DELAY_US) {
    return refuse(Code.INVALID_ETA, "eta_usec must be within 30 days.");
  }
  return undefined;
}

/** What only App Engine itself may set, or means nothing here. */
function privilegeProblem(request: TaskQueueAddRequest): Problem {
  if (isFieldSet(request, field.crontimetable)) {
    return refuse(Code.PERMISSION_DENIED, "Only App Engine itself may add tasks of cron jobs.");
  }
  if (isFieldSet(request, field.payload)) {
    return refuse(Code.INVALID_PAYLOAD, "A task's content is its body; payload cannot be set.");
  }
  return undefined;
}

function sizeProblem(request: TaskQueueAddRequest): Problem {
  const most = isPull(request) ? MAX_PULL_SIZE : MAX_PUSH_SIZE;
  if (sizeOf(request) <= most) return undefined;
  return refuse(Code.TASK_TOO_LARGE, `The task is larger than ${most} bytes.`);
}

/** A task's size as the SDK counts it (rpc.md §6, `Task.size`): a name or a tag takes none of it. */
function sizeOf(request: TaskQueueAddRequest): number {
  const { url, body, header } = request;
  const method = isPull(request) ? "PULL" : METHODS[request.method];
  const headers = header.reduce((sum, { key, value }) => sum + key.length + value.length + 4, 0);
  return method.length + body.length + url.length + headers;
}

/** The parts of a spec that every task has. A copy of the body: the rest of the call goes free. */
function commonSpec(request: TaskQueueAddRequest, meta: TaskMeta): TaskSpec {
  const id = chosenName(request);
  return {
    meta: encodeMeta(meta),
    queueType: isPull(request) ? "PULL" : "PUSH",
    keepsPast: true,
    scheduleTimeUs: Number(request.etaUsec),
    ...(id === undefined ? {} : { id }),
    ...(request.body.length === 0 ? {} : { body: request.body.slice() }),
  };
}

// ---- Pull tasks ------------------------------------------------------------------------------

function pullSpec(request: TaskQueueAddRequest): Reply<TaskSpec> {
  const stray = pushField(request);
  if (stray !== undefined) return refuse(stray.code, `A pull task cannot have ${stray.name}.`);
  const tag = readTag(request.tag);
  if (!tag.ok) return tag;
  const meta: { target: TaskTarget; retryConfig?: TaskMeta["retryConfig"] } = {
    target: { kind: "pull" },
  };
  if (request.retryParameters !== undefined) {
    const retry = readTaskRetry(request.retryParameters, true);
    if (!retry.ok) return retry;
    meta.retryConfig = retry.value;
  }
  const spec = commonSpec(request, meta as TaskMeta);
  return answer(tag.value === "" ? spec : { ...spec, tag: tag.value });
}

function pushField(request: TaskQueueAddRequest): { name: string; code: Code } | undefined {
  if (request.url.length > 0) return { name: "a url", code: Code.INVALID_URL };
  if (request.header.length > 0) return { name: "headers", code: Code.INVALID_REQUEST };
  if (isFieldSet(request, field.dispatchDeadlineUsec)) {
    return { name: "a dispatch deadline", code: Code.INVALID_DISPATCH_DEADLINE };
  }
  return undefined;
}

/** A tag; the empty one is none, as it is for the SDK. */
export function readTag(bytes: Uint8Array): Reply<string> {
  const tag = textOf(bytes);
  const fault = tag === undefined ? "malformed" : tagFault(tag);
  if (tag !== undefined && fault === null) return answer(tag);
  return refuse(
    Code.INVALID_TAG,
    fault === "too long"
      ? `The tag is longer than ${MAX_TAG_LENGTH} characters.`
      : "The tag is not UTF-8.",
  );
}

// ---- Push tasks ------------------------------------------------------------------------------

function pushSpec(request: TaskQueueAddRequest, queue: QueueName, call: Call): Reply<TaskSpec> {
  if (request.tag.length > 0) return refuse(Code.INVALID_TAG, "A push task cannot have a tag.");
  const method = METHODS[request.method];
  if (request.body.length > 0 && !sendsBody(method)) {
    return refuse(Code.INVALID_PAYLOAD, `A body is not allowed with the method ${method}.`);
  }
  const relativeUri = readUrl(request.url, queue);
  if (!relativeUri.ok) return relativeUri;
  const headers = readHeaders(request);
  if (!headers.ok) return headers;
  const { host, failFast, kept } = headers.value;
  const routing = host === undefined ? {} : routingOfHost(host, call.config, queue.project);
  const settings = readPushSettings(request);
  if (!settings.ok) return settings;
  return answer(
    commonSpec(request, {
      target: {
        kind: "appEngine",
        relativeUri: relativeUri.value,
        method,
        headers: kept,
        routing: { ...routing, host: appEngineHost(routing, call.config, queue.project) },
        ...(failFast ? { failFast } : {}),
      },
      ...settings.value,
    }),
  );
}

function readUrl(bytes: Uint8Array, { queue }: QueueName): Reply<string> {
  const url = textOf(bytes);
  if (url === "") return answer(`/_ah/queue/${queue}`);
  if (url === undefined) return invalidUrl("is not UTF-8.");
  if (!url.startsWith("/")) return invalidUrl('must be relative and begin with "/".');
  if (/[\s#]/.test(url)) return invalidUrl("must have neither spaces nor a fragment.");
  if (url.length > MAX_URL_LENGTH) {
    return invalidUrl(`must be no longer than ${MAX_URL_LENGTH} characters.`);
  }
  return answer(url);
}

function invalidUrl(problem: string): Reply<never> {
  return refuse(Code.INVALID_URL, `The url of a task ${problem}`);
}

function readPushSettings(request: TaskQueueAddRequest): Reply<Omit<TaskMeta, "target">> {
  let dispatchDeadlineUs: number | undefined;
  if (isFieldSet(request, field.dispatchDeadlineUsec)) {
    const given = request.dispatchDeadlineUsec;
    if (given < DEADLINE_US.min || given > DEADLINE_US.max) {
      return refuse(
        Code.INVALID_DISPATCH_DEADLINE,
        "dispatch_deadline_usec must be between 15 seconds and 24 hours.",
      );
    }
    dispatchDeadlineUs = Number(given);
  }
  const deadline = dispatchDeadlineUs === undefined ? {} : { dispatchDeadlineUs };
  if (request.retryParameters === undefined) return answer(deadline);
  const retry = readTaskRetry(request.retryParameters, false);
  return retry.ok ? answer({ ...deadline, retryConfig: retry.value }) : retry;
}

// ---- Headers ---------------------------------------------------------------------------------

/** A name is an RFC 9110 token, and a value has no line break: it could not be sent otherwise. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LINE_BREAK = /[\0\r\n]/;

interface Headers {
  /** Where the task goes. */
  readonly host: string | undefined;
  readonly failFast: boolean;
  /** The task's own, and the namespaces of the app that added it; repeated ones are joined. */
  readonly kept: Readonly<Record<string, string>>;
}

function readHeaders({ header }: TaskQueueAddRequest): Reply<Headers> {
  const kept = new Map<string, readonly [name: string, value: string]>();
  let host: string | undefined;
  let failFast = false;
  let size = 0;
  for (const { key, value: bytes } of header) {
    const name = headerTextOf(key);
    const value = headerTextOf(bytes);
    size += key.length + bytes.length;
    if (!HEADER_NAME.test(name)) {
      return refuse(Code.INVALID_REQUEST, `Invalid header name "${echo(name)}".`);
    }
    if (LINE_BREAK.test(value)) {
      return refuse(Code.INVALID_REQUEST, `Invalid value for the header ${echo(name)}.`);
    }
    const lower = name.toLowerCase();
    if (lower === "host") host = value;
    else if (lower === "x-appengine-failfast") failFast = value.toLowerCase() !== "false";
    else if (!isServiceHeader(lower) || isNamespaceHeader(lower)) {
      const before = kept.get(lower);
      // A list of values has commas; cookies are the exception (RFC 9110 §5.3, RFC 6265 §4.2.1).
      const comma = lower === "cookie" ? ";" : ",";
      kept.set(lower, before ? [before[0], `${before[1]}${comma} ${value}`] : [name, value]);
    }
  }
  if (size >= MAX_HEADERS_SIZE) {
    return refuse(Code.TASK_TOO_LARGE, "The headers must be less than 80 KB in total.");
  }
  return answer({ host, failFast, kept: Object.fromEntries(kept.values()) });
}
