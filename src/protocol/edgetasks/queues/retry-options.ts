/**
 * A task's own retry options (rpc.md §4 TaskQueueRetryParameters). They stand for the queue's as a
 * whole: what is not given is App Engine's default.
 */
import {
  DEFAULT_MAX_BACKOFF_US,
  DEFAULT_MAX_DOUBLINGS,
  DEFAULT_MIN_BACKOFF_US,
} from "../../../core/limits.ts";
import type { RetryConfig, TaskTarget } from "../../../core/model.ts";
import { retryConfigProblem } from "../../../core/queue-settings-rules.ts";
import type { Checked } from "./call.ts";
import { invalidField } from "./errors.ts";
import type { RetryOptionsInput } from "./schema.ts";

const PUSH_ONLY = [
  "taskAgeLimit",
  "minBackoffSeconds",
  "maxBackoffSeconds",
  "maxDoublings",
] as const;

/** Reads them; undefined where none are given. INVALID_RETRY_PARAMETERS. */
export function readRetryOptions(
  input: RetryOptionsInput | null | undefined,
  kind: TaskTarget["kind"],
  field: string,
): Checked<RetryConfig | undefined> {
  if (!input) return { ok: true, value: undefined };
  const isForPush = PUSH_ONLY.find((name) => typeof input[name] === "number");
  if (kind === "pull" && isForPush !== undefined) {
    return invalidField(
      `${field}.${isForPush}`,
      "A pull task's retry options have taskRetryLimit alone.",
      "INVALID_RETRY_PARAMETERS",
    );
  }
  for (const [name, value] of Object.entries(input)) {
    if (typeof value === "number" && value < 0) {
      return invalidField(
        `${field}.${name}`,
        `${name} must not be negative.`,
        "INVALID_RETRY_PARAMETERS",
      );
    }
  }
  const retryConfig = retryConfigOf(input, kind === "pull");
  const problem = retryConfigProblem(retryConfig);
  return problem === undefined
    ? { ok: true, value: retryConfig }
    : invalidField(field, problem, "INVALID_RETRY_PARAMETERS");
}

/**
 * The limit counts retries, so a push task has one attempt more (push.md §4), and a pull task as many
 * leases. Where one backoff is given the other's default makes room for it.
 */
function retryConfigOf(input: RetryOptionsInput, isPull: boolean): RetryConfig {
  const { taskRetryLimit, taskAgeLimit, minBackoffSeconds, maxBackoffSeconds } = input;
  const min = typeof minBackoffSeconds === "number" ? minBackoffSeconds * 1e6 : undefined;
  const max = typeof maxBackoffSeconds === "number" ? maxBackoffSeconds * 1e6 : undefined;
  return {
    maxAttempts: typeof taskRetryLimit === "number" ? taskRetryLimit + (isPull ? 0 : 1) : -1,
    // 0 would mean no limit.
    maxRetryDurationUs:
      typeof taskAgeLimit === "number" ? Math.max(1, Math.round(taskAgeLimit * 1e6)) : 0,
    minBackoffUs: Math.round(min ?? Math.min(DEFAULT_MIN_BACKOFF_US, max ?? Infinity)),
    maxBackoffUs: Math.round(max ?? Math.max(DEFAULT_MAX_BACKOFF_US, min ?? 0)),
    maxDoublings: input.maxDoublings ?? DEFAULT_MAX_DOUBLINGS,
  };
}
