/** Tasks of google.cloud.tasks.v2beta2: wire form to input, and a task back to its wire form. */
import type { QueueName, TaskTarget } from "../../../core/model.ts";
import { taskPath } from "../../../core/names.ts";
import { ok, type Result } from "../../../core/result.ts";
import * as field from "../../message.ts";
import { writeEnum, writeSeconds, writeTimestamp } from "../../wire.ts";
import { commonSchema, taskRequests, VIEWS } from "../common-schema.ts";
import * as current from "../current-task.ts";
import type { BatchCreateInput, CreateTaskInput, Style, TaskShown, View } from "../dialect.ts";
import { nonZero, type Wire } from "../queue-parts.ts";
import type { TaskInput, TaskWords } from "../task-draft.ts";
import { PACKAGE } from "./queue.ts";

const { httpMethod, appEngineRouting, httpRequest, pullMessage } = commonSchema(PACKAGE);
const schema = taskRequests(
  PACKAGE,
  field.message(`${PACKAGE}.Task`, {
    name: field.string(),
    appEngineHttpRequest: field.message(`${PACKAGE}.AppEngineHttpRequest`, {
      httpMethod: httpMethod(),
      appEngineRouting,
      relativeUrl: field.string(),
      headers: field.stringMap(),
      payload: field.bytes(),
    }),
    pullMessage,
    httpRequest,
    scheduleTime: field.timestamp(),
    createTime: field.outputOnly(),
    status: field.outputOnly(),
    view: field.outputOnly(),
  }),
);

type WireCreateTask = NonNullable<(typeof schema.createTask)["_output"]>;
type WireTask = NonNullable<WireCreateTask["task"]>;

export const TASK_WORDS: TaskWords = {
  payloads: ["appEngineHttpRequest", "pullMessage", "httpRequest"],
  appEngineBody: "payload",
  appEngineUri: "relativeUrl",
};

// ---- Reading ---------------------------------------------------------------------------------

export function readCreateTask(value: unknown): Result<CreateTaskInput> {
  const message = field.readMessage(schema.createTask, value, "");
  return message.ok ? ok(createTaskInput(message.value)) : message;
}

export function readRunTask(value: unknown): Result<View> {
  return current.readRunTask(schema.runTask, value);
}

export function readBatchCreate(value: unknown): Result<BatchCreateInput> {
  const message = field.readMessage(schema.batchCreate, value, "");
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
  const { appEngineHttpRequest: appEngine } = wire;
  return {
    name: wire.name,
    httpRequest: wire.httpRequest,
    pullMessage: wire.pullMessage,
    scheduleTimeUs: wire.scheduleTime,
    appEngineHttpRequest: appEngine && {
      httpMethod: appEngine.httpMethod,
      appEngineRouting: appEngine.appEngineRouting,
      relativeUri: appEngine.relativeUrl,
      headers: appEngine.headers,
      body: appEngine.payload,
    },
  };
}

// ---- Writing ---------------------------------------------------------------------------------

/** A task's wire form; fields with proto3's zero are left out, but the status is always there. */
export function writeTask(queue: QueueName, task: TaskShown, view: View, style: Style): Wire {
  const { enumsAsInts } = style;
  return {
    name: taskPath(queue, task.id),
    ...writePayload(task, task.meta.target, view, enumsAsInts),
    scheduleTime: writeTimestamp(task.scheduleTimeUs),
    createTime: writeSeconds(task.createTimeUs),
    status: writeStatus(task),
    view: writeEnum(VIEWS, view, enumsAsInts),
  };
}

function writePayload(task: TaskShown, target: TaskTarget, view: View, enumsAsInts: boolean): Wire {
  const body = view === "FULL" ? task.body : undefined;
  switch (target.kind) {
    case "pull":
      return { pullMessage: current.writePullMessage(task, view) };
    case "http":
      return {
        httpRequest: {
          ...current.writeHttpRequest(target, enumsAsInts),
          ...current.writeBody("body", body),
        },
      };
    case "appEngine":
      return {
        appEngineHttpRequest: {
          ...current.writeAppEngineRequest(target, enumsAsInts),
          relativeUrl: target.relativeUri,
          ...current.writeBody("payload", body),
        },
      };
  }
}

/** TaskStatus; of a pull task only the leases are counted (discovery v2beta2 TaskStatus). */
function writeStatus(task: TaskShown): Wire {
  const { dispatchCount = 0, responseCount = 0, firstAttempt, lastAttempt } = task;
  const dispatched = nonZero({ attemptDispatchCount: dispatchCount });
  if (task.meta.target.kind === "pull") return dispatched;
  return {
    ...dispatched,
    ...nonZero({ attemptResponseCount: responseCount }),
    ...(firstAttempt === undefined
      ? {}
      : { firstAttemptStatus: { dispatchTime: writeTimestamp(firstAttempt.dispatchTimeUs) } }),
    ...(lastAttempt === undefined ? {} : { lastAttemptStatus: current.writeAttempt(lastAttempt) }),
  };
}
