/** Retry parameters between messages and core (push.md §4, rpc.md §4). */
import { isFieldSet } from "@bufbuild/protobuf";
import {
  DEFAULT_MAX_BACKOFF_US,
  DEFAULT_MAX_DOUBLINGS,
  DEFAULT_MIN_BACKOFF_US,
  MAX_DURATION_US,
  MAX_INT32,
} from "../../core/limits.ts";
import type { RetryConfig } from "../../core/model.ts";
import { retryConfigProblem } from "../../core/queue-settings-rules.ts";
import type { RetryParameters } from "../../queue-file/queue-file.ts";
import { answer, Code, type Reply, refuse } from "./errors.ts";
import {
  TaskQueueRetryParametersSchema as Schema,
  type TaskQueueRetryParameters,
} from "./gen/taskqueue_service_pb.js";

const { field } = Schema;

/** The parameters that are given, in microseconds. INVALID_RETRY_PARAMETERS names a negative one. */
export function readRetry(message: TaskQueueRetryParameters): Reply<RetryParameters> {
  const given: { -readonly [K in keyof RetryParameters]: RetryParameters[K] } = {};
  if (isFieldSet(message, field.retryLimit)) given.taskRetryLimit = message.retryLimit;
  if (isFieldSet(message, field.ageLimitSec)) {
    // No time at all is still a limit, where core's 0 would be none.
    const ageUs = Number(message.ageLimitSec) * 1e6;
    given.taskAgeLimitUs = ageUs === 0 ? 1 : Math.min(ageUs, MAX_DURATION_US);
  }
  if (isFieldSet(message, field.minBackoffSec)) given.minBackoffUs = inUs(message.minBackoffSec);
  if (isFieldSet(message, field.maxBackoffSec)) given.maxBackoffUs = inUs(message.maxBackoffSec);
  if (isFieldSet(message, field.maxDoublings)) given.maxDoublings = message.maxDoublings;
  const wrong = Object.entries(given).find(
    ([, value]) => !(value >= 0 && value <= MAX_DURATION_US),
  );
  if (wrong !== undefined) {
    return invalid(`${WIRE_NAMES[wrong[0] as keyof RetryParameters]} must be 0 or more.`);
  }
  if ((given.minBackoffUs ?? 0) > (given.maxBackoffUs ?? Number.POSITIVE_INFINITY)) {
    return invalid("min_backoff_sec must not be above max_backoff_sec.");
  }
  return answer(given);
}

/**
 * A task's own retry settings, which replace its queue's as a whole. `retry_limit` counts retries of
 * a push task and leases of a pull task, of which nothing else can be set.
 */
export function readTaskRetry(
  message: TaskQueueRetryParameters,
  isPull: boolean,
): Reply<RetryConfig> {
  const read = readRetry(message);
  if (!read.ok) return read;
  const { taskRetryLimit, taskAgeLimitUs, minBackoffUs, maxBackoffUs, maxDoublings } = read.value;
  if (isPull && Object.keys(read.value).some((name) => name !== "taskRetryLimit")) {
    return invalid("Of a pull task only retry_limit can be set.");
  }
  const config: RetryConfig = {
    maxAttempts: attemptsOf(taskRetryLimit, isPull),
    maxRetryDurationUs: taskAgeLimitUs ?? 0,
    // Where only one of the two is given, the other's default gives way to it (push.md §11).
    minBackoffUs: minBackoffUs ?? Math.min(DEFAULT_MIN_BACKOFF_US, maxBackoffUs ?? Infinity),
    maxBackoffUs: maxBackoffUs ?? Math.max(DEFAULT_MAX_BACKOFF_US, minBackoffUs ?? 0),
    maxDoublings: maxDoublings ?? DEFAULT_MAX_DOUBLINGS,
  };
  const problem = retryConfigProblem(config);
  return problem === undefined ? answer(config) : invalid(problem);
}

function attemptsOf(retryLimit: number | undefined, isPull: boolean): number {
  if (retryLimit === undefined) return -1;
  return isPull ? Math.max(retryLimit, 1) : Math.min(retryLimit + 1, MAX_INT32);
}

/** Retry settings as messages show them. */
export function writeRetry(config: RetryConfig, isPull: boolean) {
  const { maxAttempts, maxRetryDurationUs, minBackoffUs, maxBackoffUs, maxDoublings } = config;
  const limit =
    maxAttempts < 0 ? {} : { retryLimit: isPull ? maxAttempts : Math.max(0, maxAttempts - 1) };
  if (isPull) return limit;
  return {
    ...limit,
    ...(maxRetryDurationUs > 0
      ? { ageLimitSec: BigInt(Math.floor(maxRetryDurationUs / 1e6)) }
      : {}),
    minBackoffSec: minBackoffUs / 1e6,
    maxBackoffSec: maxBackoffUs / 1e6,
    maxDoublings,
  };
}

const WIRE_NAMES: Readonly<Record<keyof RetryParameters, string>> = {
  taskRetryLimit: "retry_limit",
  taskAgeLimitUs: "age_limit_sec",
  minBackoffUs: "min_backoff_sec",
  maxBackoffUs: "max_backoff_sec",
  maxDoublings: "max_doublings",
};

function inUs(seconds: number): number {
  return Math.round(seconds * 1e6);
}

function invalid(detail: string): Reply<never> {
  return refuse(Code.INVALID_RETRY_PARAMETERS, detail);
}
