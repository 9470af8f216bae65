/**
 * Tasks as v2 and v2beta3 have them: wire form to input, and a task back to its wire form. Of the
 * two only v2beta3 has a message for the payload of pull tasks.
 */
import { HTTP_METHODS, type QueueName, type TaskTarget } from "../../core/model.ts";
import { taskPath } from "../../core/names.ts";
import { ok, type Result } from "../../core/result.ts";
import * as field from "../message.ts";
import { readMessage } from "../message.ts";
import { writeBytes, writeDuration, writeEnum, writeSeconds, writeTimestamp } from "../wire.ts";
import { currentSchema, taskRequests, VIEWS } from "./common-schema.ts";
import { readRetryConfig, writeRetryConfig } from "./current-queue.ts";
import type { CreateTaskInput, Dialect, Style, TaskShown, View } from "./dialect.ts";
import { type Wire, writeRouting, writeToken } from "./queue-parts.ts";
import type { TaskInput } from "./task-draft.ts";

type TaskMethods = Pick<
  Dialect,
  "readCreateTask" | "readRunTask" | "readBatchCreate" | "writeTask" | "taskWords"
>;

/** The tasks of a version, by its package. */
export function currentTasks(versionPackage: string, hasPullMessage: boolean): TaskMethods {
  const schema = schemaOf(versionPackage, hasPullMessage);
  return {
    taskWords: {
      payloads: [
        "httpRequest",
        "appEngineHttpRequest",
        ...(hasPullMessage ? (["pullMessage"] as const) : []),
      ],
      appEngineBody: "body",
      appEngineUri: "relativeUri",
    },
    readCreateTask(value) {
      const message = readMessage(schema.createTask, value, "");
      return message.ok ? ok(createTaskInput(message.value)) : message;
    },
    readRunTask: (value) => readRunTask(schema.runTask, value),
    readBatchCreate(value) {
      const message = readMessage(schema.batchCreate, value, "");
      if (!message.ok) return message;
      const { parent, requests, requestId } = message.value;
      return ok({
        parent: parent ?? "",
        requests: (requests ?? []).map((request) => createTaskInput(request ?? {})),
        requestId: requestId ?? "",
      });
    },
    writeTask: (queue, task, view, style) => writeTask(queue, task, view, style, hasPullMessage),
  };
}

function schemaOf(versionPackage: string, hasPullMessage: boolean) {
  const { taskFields, pullMessage, typeOf } = currentSchema(versionPackage);
  const whole = field.message(typeOf("Task"), { ...taskFields, pullMessage });
  // Without the message nothing is ever read into its field, so the type holds for both.
  const task = hasPullMessage ? whole : (field.message(typeOf("Task"), taskFields) as typeof whole);
  return taskRequests(versionPackage, task);
}

type Schema = ReturnType<typeof schemaOf>;
type WireCreateTask = NonNullable<Schema["createTask"]["_output"]>;
type WireTask = NonNullable<WireCreateTask["task"]>;

// ---- Reading ---------------------------------------------------------------------------------

/** The view that a RunTaskRequest asks for; the message is the same in every version. */
export function readRunTask(schema: Schema["runTask"], value: unknown): Result<View> {
  const message = readMessage(schema, value, "");
  return message.ok ? ok(message.value.responseView === "FULL" ? "FULL" : "BASIC") : message;
}

function createTaskInput(wire: WireCreateTask): CreateTaskInput {
  return {
    parent: wire.parent ?? "",
    task: wire.task ? taskInput(wire.task) : undefined,
    view: wire.responseView === "FULL" ? "FULL" : "BASIC",
  };
}

function taskInput(wire: WireTask): TaskInput {
  return {
    name: wire.name,
    httpRequest: wire.httpRequest,
    appEngineHttpRequest: wire.appEngineHttpRequest,
    pullMessage: wire.pullMessage,
    scheduleTimeUs: wire.scheduleTime,
    dispatchDeadlineUs: wire.dispatchDeadline,
    retryConfig: wire.retryConfig ? readRetryConfig(wire.retryConfig) : undefined,
  };
}

// ---- Writing ---------------------------------------------------------------------------------

/** The deadline an HTTP task shows when it was given none; one of App Engine then shows none. */
const DEFAULT_HTTP_DEADLINE_US = 600e6;

/** A task's wire form; fields with proto3's zero are left out. */
function writeTask(
  queue: QueueName,
  task: TaskShown,
  view: View,
  { enumsAsInts }: Style,
  hasPullMessage: boolean,
): Wire {
  const { meta, dispatchCount, responseCount, firstAttempt, lastAttempt } = task;
  const body = view === "FULL" ? task.body : undefined;
  const deadlineUs =
    meta.dispatchDeadlineUs ?? (meta.target.kind === "http" ? DEFAULT_HTTP_DEADLINE_US : undefined);
  return {
    name: taskPath(queue, task.id),
    ...(meta.target.kind === "pull"
      ? // v2 has no message for the payload of a pull task; the task shows without one.
        hasPullMessage && { pullMessage: writePullMessage(task, view) }
      : writeTarget(meta.target, body, enumsAsInts)),
    scheduleTime: writeTimestamp(task.scheduleTimeUs),
    createTime: writeSeconds(task.createTimeUs),
    ...(deadlineUs === undefined ? {} : { dispatchDeadline: writeDuration(deadlineUs) }),
    ...(meta.retryConfig === undefined ? {} : { retryConfig: writeRetryConfig(meta.retryConfig) }),
    ...(dispatchCount ? { dispatchCount } : {}),
    ...(responseCount ? { responseCount } : {}),
    ...(firstAttempt === undefined
      ? {}
      : { firstAttempt: { dispatchTime: writeTimestamp(firstAttempt.dispatchTimeUs) } }),
    ...(lastAttempt === undefined ? {} : { lastAttempt: writeAttempt(lastAttempt) }),
    view: writeEnum(VIEWS, view, enumsAsInts),
  };
}

function writeTarget(
  target: Exclude<TaskTarget, { kind: "pull" }>,
  body: Uint8Array | undefined,
  enumsAsInts: boolean,
): Wire {
  const shown = writeBody("body", body);
  return target.kind === "http"
    ? { httpRequest: { ...writeHttpRequest(target, enumsAsInts), ...shown } }
    : {
        appEngineHttpRequest: {
          ...writeAppEngineRequest(target, enumsAsInts),
          relativeUri: target.relativeUri,
          ...shown,
        },
      };
}

/** An HTTP request without its body. */
export function writeHttpRequest(
  target: Extract<TaskTarget, { kind: "http" }>,
  enumsAsInts: boolean,
): Wire {
  return {
    url: target.url,
    httpMethod: writeEnum(HTTP_METHODS, target.method, enumsAsInts),
    headers: target.headers,
    ...writeToken(target.token),
  };
}

/** An App Engine request without URI and body, whose names differ between versions. */
export function writeAppEngineRequest(
  target: Extract<TaskTarget, { kind: "appEngine" }>,
  enumsAsInts: boolean,
): Wire {
  return {
    httpMethod: writeEnum(HTTP_METHODS, target.method, enumsAsInts),
    appEngineRouting: writeRouting(target.routing ?? {}, target.routing?.host ?? ""),
    headers: target.headers,
  };
}

/** The payload of a pull task, which only FULL shows, and its tag. */
export function writePullMessage({ body, tag }: TaskShown, view: View): Wire {
  return {
    ...writeBody("payload", view === "FULL" ? body : undefined),
    ...(tag === undefined ? {} : { tag }),
  };
}

/** A body under its name; nothing where there is none. */
export function writeBody(name: string, body: Uint8Array | undefined): Wire {
  return body === undefined || body.length === 0 ? {} : { [name]: writeBytes(body) };
}

/** One attempt of a push task. */
export function writeAttempt(attempt: NonNullable<TaskShown["lastAttempt"]>): Wire {
  const { scheduleTimeUs, dispatchTimeUs, responseTimeUs, status } = attempt;
  return {
    scheduleTime: writeTimestamp(scheduleTimeUs),
    dispatchTime: writeTimestamp(dispatchTimeUs),
    ...(responseTimeUs === undefined ? {} : { responseTime: writeTimestamp(responseTimeUs) }),
    ...(status === undefined ? {} : { responseStatus: status }),
  };
}
