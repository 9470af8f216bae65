/** A stored task as QueryTasks and FetchTask show it (rpc.md §4). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AttemptRecord,
  decodeMeta,
  type HttpMethod,
  type TaskRecord,
  type TaskTarget,
} from "../../core/model.ts";
import {
  TaskQueueQueryTasksResponse_Task_RequestMethod as RequestMethod,
  type TaskQueueQueryTasksResponse_TaskSchema as TaskSchema,
} from "./gen/taskqueue_service_pb.js";
import { writeRetry } from "./retry.ts";
import { bytesOf } from "./text.ts";

/** Methods that other faces know and this one does not are left out. */
const METHODS: Readonly<Partial<Record<HttpMethod, RequestMethod>>> = {
  GET: RequestMethod.GET,
  POST: RequestMethod.POST,
  HEAD: RequestMethod.HEAD,
  PUT: RequestMethod.PUT,
  DELETE: RequestMethod.DELETE,
};

export function taskShown(record: TaskRecord): MessageInitShape<typeof TaskSchema> {
  const { target, retryConfig, dispatchDeadlineUs } = decodeMeta(record.meta);
  const { lastAttempt, firstAttempt, body = new Uint8Array(), tag } = record;
  const isRunning = lastAttempt !== undefined && lastAttempt.responseTimeUs === undefined;
  return {
    taskName: bytesOf(record.id),
    etaUsec: BigInt(record.scheduleTimeUs),
    ...targetShown(target),
    // Attempts that failed; of pull tasks, leases.
    retryCount: record.dispatchCount - (isRunning ? 1 : 0),
    executionCount: record.responseCount,
    bodySize: body.length,
    body,
    creationTimeUsec: BigInt(record.createTimeUs),
    ...runlog(lastAttempt),
    ...(retryConfig === undefined
      ? {}
      : { retryParameters: writeRetry(retryConfig, target.kind === "pull") }),
    ...(firstAttempt === undefined ? {} : { firstTryUsec: BigInt(firstAttempt.dispatchTimeUs) }),
    ...(tag === undefined ? {} : { tag: bytesOf(tag) }),
    ...(dispatchDeadlineUs === undefined
      ? {}
      : { dispatchDeadlineUsec: BigInt(dispatchDeadlineUs) }),
  };
}

function targetShown(target: TaskTarget) {
  if (target.kind === "pull") return {};
  const method = METHODS[target.method];
  return {
    url: bytesOf(target.kind === "http" ? target.url : target.relativeUri),
    ...(method === undefined ? {} : { method }),
    header: Object.entries(target.headers).map(([key, value]) => ({
      key: bytesOf(key),
      value: bytesOf(value),
    })),
  };
}

/** The last attempt that ended. */
function runlog(attempt: AttemptRecord | undefined) {
  if (attempt?.responseTimeUs === undefined) return {};
  const { scheduleTimeUs, dispatchTimeUs, responseTimeUs, status } = attempt;
  // An attempt keeps its HTTP status as a text only (core/attempt-status.ts).
  const httpStatus = /HTTP status code (\d{3})$/.exec(status?.message ?? "")?.[1];
  return {
    runlog: {
      dispatchedUsec: BigInt(dispatchTimeUs),
      lagUsec: BigInt(Math.max(0, dispatchTimeUs - scheduleTimeUs)),
      elapsedUsec: BigInt(Math.max(0, responseTimeUs - dispatchTimeUs)),
      ...(httpStatus === undefined ? {} : { responseCode: BigInt(httpStatus) }),
    },
  };
}
