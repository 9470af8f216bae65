/** Tasks between the wire and core: what an inserted one must be, and how stored ones are shown. */

import { MAX_TAG_LENGTH } from "../../core/limits.ts";
import { encodeMeta, type TaskRecord, type TaskSpec } from "../../core/model.ts";
import { isTaskId, tagFault } from "../../core/names.ts";
import { ok, type Result } from "../../core/result.ts";
import { readBytes, writeBytes } from "../base64.ts";
import type { Call } from "./call.ts";
import { echo, invalidField, missingField, type Refusal } from "./errors.ts";
import { isNameOf, writeQueueName } from "./resource.ts";
import type { InsertInput } from "./schema.ts";

/** Largest payload, in bytes after decoding (limits.md §1: 1 MB). */
export const MAX_PAYLOAD_SIZE = 1_048_576;
/** Furthest time at which a task may become available (limits.md §3: 30 days). */
const MAX_DELAY_US = 30 * 86_400e6;

const PULL_META = encodeMeta({ target: { kind: "pull" } });

// ---- Reading ---------------------------------------------------------------------------------

/** Checks a task to be inserted. INVALID_ARGUMENT names the field. */
export function readInsert(input: InsertInput, call: Call): Result<TaskSpec> {
  const { id, queueName, payloadBase64, leaseTimestamp, tag } = input;
  if (!queueName) return missingField("queueName");
  if (typeof payloadBase64 !== "string") return missingField("payloadBase64");
  const body = readBytes(payloadBase64);
  if (body === undefined) {
    return invalidField("payloadBase64", "Invalid value for payloadBase64: not base64.");
  }
  const problem =
    namesProblem(input, call) ??
    payloadProblem(body) ??
    timeProblem(leaseTimestamp ?? 0, call.nowUs) ??
    tagProblem(tag ?? "");
  if (problem !== undefined) return problem;
  return ok({
    ...(id ? { id } : {}),
    ...(leaseTimestamp ? { scheduleTimeUs: leaseTimestamp } : {}),
    ...(typeof tag === "string" ? { tag } : {}),
    ...(body.length === 0 ? {} : { body }),
    meta: PULL_META,
    queueType: "PULL",
  });
}

/** A body names the queue of its path and, where the path has one, the task of its path. */
export function namesProblem(
  { id, queueName }: Pick<InsertInput, "id" | "queueName">,
  { queue, taskId }: Pick<Call, "queue" | "taskId">,
): Refusal | undefined {
  if (queueName && !isNameOf(queueName, queue)) {
    return invalidField(
      "queueName",
      `The queue in the body, '${echo(queueName)}', is not the one in the path, '${queue.queue}'.`,
    );
  }
  if (!id) return undefined;
  if (!isTaskId(id)) {
    return invalidField(
      "id",
      `Invalid value for id: '${echo(id)}'. It must have 1 to 500 characters of A-Z a-z 0-9 _ -.`,
    );
  }
  if (taskId === "" || id === taskId) return undefined;
  return invalidField("id", `The task in the body, '${id}', is not the one in the path.`);
}

function payloadProblem(body: Uint8Array): Refusal | undefined {
  if (body.length <= MAX_PAYLOAD_SIZE) return undefined;
  return invalidField(
    "payloadBase64",
    `The payload has ${body.length} bytes; at most ${MAX_PAYLOAD_SIZE} are allowed.`,
  );
}

/** The past means now; 0, which answers show for a task that was never leased, too. */
function timeProblem(timeUs: number, nowUs: number): Refusal | undefined {
  if (timeUs >= 0 && timeUs <= nowUs + MAX_DELAY_US) return undefined;
  return invalidField(
    "leaseTimestamp",
    "Invalid value for leaseTimestamp: it must be microseconds since the epoch, at most 30 days " +
      "from now.",
  );
}

export function tagProblem(tag: string): Refusal | undefined {
  const fault = tagFault(tag);
  if (fault === null) return undefined;
  return fault === "too long"
    ? invalidField("tag", `A tag has at most ${MAX_TAG_LENGTH} characters.`)
    : invalidField("tag", "A tag must be well-formed Unicode.");
}

// ---- Writing ---------------------------------------------------------------------------------

/** What an answer shows of a task; counts are absent for one that was just stored. */
type TaskShown = Pick<TaskRecord, "id" | "scheduleTimeUs" | "createTimeUs" | "body" | "tag"> & {
  readonly dispatchCount?: number;
};

/**
 * A task as answers show it; times are microseconds since the epoch. `leaseTimestamp` is 0 until
 * the task is leased for the first time, also where it was inserted with the time at which it
 * becomes available; afterwards it is the lease's expiry, and remains so when the lease has lapsed.
 * A body that was not read shows as an empty payload.
 */
export function writeTask({ project, queue }: Call, task: TaskShown): object {
  const { dispatchCount = 0 } = task;
  return {
    kind: "taskqueues#task",
    id: task.id,
    queueName: writeQueueName(project, queue.queue),
    payloadBase64: task.body === undefined ? "" : writeBytes(task.body),
    enqueueTimestamp: String(task.createTimeUs),
    leaseTimestamp: String(dispatchCount === 0 ? 0 : task.scheduleTimeUs),
    retry_count: dispatchCount,
    ...(task.tag === undefined ? {} : { tag: task.tag }),
  };
}
