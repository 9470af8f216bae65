/** The headers that tell a handler about its task and the attempts before (push.md §1 to §1.2). */
import type { AttemptHistory, AttemptOrder } from "../core/attempt.ts";
import { previousResponse, retryReason } from "../core/attempt-status.ts";
import {
  isNamespaceHeader,
  isServiceHeader,
  isWebhookHeader,
  userAgent,
} from "../core/header-rules.ts";

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A retry that nobody recorded anything of before it: the attempts got lost with their machine. */
const LOST: AttemptHistory = {
  executedResponses: 0,
  responses: 0,
  previous: { kind: "lost" },
};

/**
 * The service's own headers of an attempt, in the order of push.md §1. ExecutionCount counts the
 * responses before that were not 5xx for HTTP targets, and those of any status for App Engine.
 */
export function attemptHeaders(
  order: Omit<AttemptOrder, "meta" | "body" | "sequence">,
  kind: "http" | "appEngine",
  queue: string,
): HeaderList {
  const prefix = kind === "http" ? "X-CloudTasks" : "X-AppEngine";
  const isRetry = order.attempt > 1;
  const history = order.history ?? LOST;
  const executions = kind === "http" ? history.executedResponses : history.responses;
  return [
    [`${prefix}-QueueName`, queue],
    [`${prefix}-TaskName`, order.taskId],
    [`${prefix}-TaskRetryCount`, String(order.attempt - 1)],
    [`${prefix}-TaskExecutionCount`, String(isRetry ? executions : 0)],
    [`${prefix}-TaskETA`, secondsText(order.scheduleTimeUs)],
    ...(isRetry ? retryHeaders(prefix, kind, history) : []),
  ];
}

function retryHeaders(
  prefix: string,
  kind: "http" | "appEngine",
  { previous }: AttemptHistory,
): HeaderList {
  return [
    [`${prefix}-TaskPreviousResponse`, previousResponse(previous, kind)],
    [`${prefix}-TaskRetryReason`, retryReason(previous, kind)],
  ];
}

/** Seconds since the epoch with six decimals, from integers so that no digit is rounded. */
function secondsText(timeUs: number): string {
  const microseconds = ((timeUs % 1e6) + 1e6) % 1e6;
  return `${(timeUs - microseconds) / 1e6}.${String(microseconds).padStart(6, "0")}`;
}

/**
 * A task's own headers as its target gets them: without the service's (of which an App Engine task
 * may have the namespaces), with the User-Agent of its kind. Of names that differ in letter case only,
 * the last one counts. What the attempt says for the service is dropped too: Authorization where it
 * has a token, and webhook-* where it is signed.
 */
export function taskHeaders(
  headers: Readonly<Record<string, string>>,
  kind: "http" | "appEngine",
  proof: { readonly hasToken?: boolean; readonly isSigned?: boolean } = {},
): HeaderList {
  const kept = new Map<string, readonly [string, string]>();
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    const isDropped =
      (isServiceHeader(lower) && !(kind === "appEngine" && isNamespaceHeader(lower))) ||
      (proof.hasToken === true && lower === "authorization") ||
      (proof.isSigned === true && isWebhookHeader(lower));
    if (!isDropped) kept.set(lower, [name, value]);
  }
  const own = kept.get("user-agent")?.[1];
  kept.set("user-agent", ["User-Agent", userAgent(kind, own)]);
  return [...kept.values()];
}
