/** How an attempt's end is told: to API callers as a status, to the next attempt as headers. */
import type { AttemptEnd } from "./attempt.ts";
import type { TaskTarget } from "./model.ts";
import { ERROR_CODES } from "./result.ts";

type StatusName = (typeof ERROR_CODES)[number];

/** The inverse of the table errors.md §1; where codes share a status, a handler's likeliest. */
const NAME_OF_HTTP_STATUS: ReadonlyMap<number, StatusName> = new Map([
  [400, "INVALID_ARGUMENT"],
  [401, "UNAUTHENTICATED"],
  [403, "PERMISSION_DENIED"],
  [404, "NOT_FOUND"],
  [409, "ALREADY_EXISTS"],
  [429, "RESOURCE_EXHAUSTED"],
  [499, "CANCELLED"],
  [500, "INTERNAL"],
  [501, "UNIMPLEMENTED"],
  [503, "UNAVAILABLE"],
  [504, "DEADLINE_EXCEEDED"],
]);

/** google.rpc.Status of an attempt's end, for Attempt.responseStatus (push.md §3). */
export function attemptStatus(end: AttemptEnd): {
  readonly code: number;
  readonly message: string;
} {
  switch (end.kind) {
    case "response":
      return statusOf(nameOfHttpStatus(end.status), `HTTP status code ${end.status}`);
    case "timeout":
      return statusOf("DEADLINE_EXCEEDED", "The target did not answer before the deadline.");
    case "unreachable":
      return statusOf("UNAVAILABLE", end.message);
    case "refused":
      return statusOf("FAILED_PRECONDITION", end.message);
    case "lost":
      return statusOf("UNKNOWN", "The attempt was lost before its outcome was known.");
    default:
      return end satisfies never;
  }
}

/** Whether a status is success: 200 to 299 (push.md §3). */
export function isSuccessStatus(status: number): boolean {
  return status >= 200 && status <= 299;
}

/**
 * The header TaskPreviousResponse. Recorded: a response tells its status; a timeout is 504 for HTTP
 * and 0 for App Engine (push.md §1.2). Chosen here for what was not recorded: an attempt that did
 * not get through, was refused, or was lost with its machine tells 503 to HTTP targets, which is
 * what a proxy would have answered, and 0 to App Engine as any attempt without a response does.
 */
export function previousResponse(end: AttemptEnd, kind: TaskTarget["kind"]): string {
  if (end.kind === "response") return String(end.status);
  if (kind !== "http") return "0";
  return end.kind === "timeout" ? "504" : "503";
}

/** The header TaskRetryReason: present but empty for HTTP targets (push.md §1.1, §1.2). */
export function retryReason(end: AttemptEnd, kind: TaskTarget["kind"]): string {
  if (kind === "http") return "";
  return end.kind === "response" ? "App Error" : "Instance Unavailable";
}

function nameOfHttpStatus(status: number): StatusName {
  return isSuccessStatus(status) ? "OK" : (NAME_OF_HTTP_STATUS.get(status) ?? "UNKNOWN");
}

function statusOf(name: StatusName, text: string): { code: number; message: string } {
  const code = ERROR_CODES.indexOf(name);
  return { code, message: `${name}(${code}): ${text}` };
}
