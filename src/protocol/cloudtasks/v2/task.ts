/** Tasks of google.cloud.tasks.v2: wire form to input, and a task back to its wire form. */
import { HTTP_METHODS, type QueueName, type TaskTarget } from "../../../core/model.ts";
import { taskPath } from "../../../core/names.ts";
import { ok, type Result } from "../../../core/result.ts";
import type { BatchCreateInput, CreateTaskInput, Style, TaskShown, View } from "../dialect.ts";
import { readMessage } from "../message.ts";
import type { TaskInput } from "../task-draft.ts";
import { writeBytes, writeDuration, writeEnum, writeSeconds, writeTimestamp } from "../wire.ts";
import { readRetryConfig, writeRetryConfig, writeRouting, writeToken } from "./queue.ts";
import {
  batchCreateSchema,
  createTaskSchema,
  runTaskSchema,
  VIEWS,
  type WireCreateTask,
  type WireTask,
} from "./schema.ts";

// ---- Reading ---------------------------------------------------------------------------------

export function readCreateTask(value: unknown): Result<CreateTaskInput> {
  const message = readMessage(createTaskSchema, value, "");
  return message.ok ? ok(createTaskInput(message.value)) : message;
}

export function readRunTask(value: unknown): Result<View> {
  const message = readMessage(runTaskSchema, value, "");
  return message.ok ? ok(message.value.responseView === "FULL" ? "FULL" : "BASIC") : message;
}

export function readBatchCreate(value: unknown): Result<BatchCreateInput> {
  const message = readMessage(batchCreateSchema, value, "");
  if (!message.ok) return message;
  const { parent, requests, requestId } = message.value;
  return ok({
    parent: parent ?? "",
    requests: (requests ?? []).map((request) => createTaskInput(request ?? {})),
    requestId: requestId ?? "",
  });
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
    scheduleTimeUs: wire.scheduleTime,
    dispatchDeadlineUs: wire.dispatchDeadline,
    retryConfig: wire.retryConfig ? readRetryConfig(wire.retryConfig) : undefined,
  };
}

// ---- Writing ---------------------------------------------------------------------------------

/** The deadline an HTTP task shows when it was given none; one of App Engine then shows none. */
const DEFAULT_HTTP_DEADLINE_US = 600e6;

type Wire = Readonly<Record<string, unknown>>;

/** A task's wire form; fields with proto3's zero are left out. */
export function writeTask(
  queue: QueueName,
  task: TaskShown,
  view: View,
  { enumsAsInts }: Style,
): Wire {
  const { meta, dispatchCount, responseCount, firstAttempt, lastAttempt } = task;
  const body = view === "FULL" ? task.body : undefined;
  const deadlineUs =
    meta.dispatchDeadlineUs ?? (meta.target.kind === "http" ? DEFAULT_HTTP_DEADLINE_US : undefined);
  return {
    name: taskPath(queue, task.id),
    ...writeTarget(meta.target, body, enumsAsInts),
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

function writeTarget(target: TaskTarget, body: Uint8Array | undefined, enumsAsInts: boolean): Wire {
  const shown = body === undefined || body.length === 0 ? {} : { body: writeBytes(body) };
  switch (target.kind) {
    case "http":
      return {
        httpRequest: {
          url: target.url,
          httpMethod: writeEnum(HTTP_METHODS, target.method, enumsAsInts),
          headers: target.headers,
          ...shown,
          ...writeToken(target.token),
        },
      };
    case "appEngine":
      return {
        appEngineHttpRequest: {
          httpMethod: writeEnum(HTTP_METHODS, target.method, enumsAsInts),
          appEngineRouting: writeRouting(target.routing ?? {}, target.routing?.host ?? ""),
          relativeUri: target.relativeUri,
          headers: target.headers,
          ...shown,
        },
      };
    case "pull":
      // v2 has no message for the payload of a pull task; the task shows without one.
      return {};
  }
}

function writeAttempt(attempt: NonNullable<TaskShown["lastAttempt"]>): Wire {
  const { scheduleTimeUs, dispatchTimeUs, responseTimeUs, status } = attempt;
  return {
    scheduleTime: writeTimestamp(scheduleTimeUs),
    dispatchTime: writeTimestamp(dispatchTimeUs),
    ...(responseTimeUs === undefined ? {} : { responseTime: writeTimestamp(responseTimeUs) }),
    ...(status === undefined ? {} : { responseStatus: status }),
  };
}
