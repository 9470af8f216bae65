/** What an attempt came to. Nobody else looks at a response or at the error of a fetch. */
import type { AttemptEnd, AttemptOutcome } from "../core/attempt.ts";
import { isSuccessStatus } from "../core/attempt-status.ts";
import { MAX_FAILURE_TEXT, MAX_RETRY_AFTER_US } from "../core/limits.ts";

/** How an attempt ended that was really made. */
type SentEnd = Exclude<AttemptEnd, { kind: "lost" } | { kind: "refused" }>;

/**
 * The end of an attempt that was answered. Retry-After is heard from HTTP targets only: the rule is
 * theirs (push.md §3).
 */
export function endOfResponse(
  response: Response,
  kind: "http" | "appEngine",
  nowMs: number,
): Pick<AttemptOutcome, "end" | "retryAfterUs"> {
  const end = { kind: "response", status: response.status } as const;
  if (kind !== "http") return { end };
  const waitUs = retryAfterUs(response.status, response.headers.get("retry-after"), nowMs);
  return waitUs === undefined ? { end } : { end, retryAfterUs: waitUs };
}

/**
 * The end of an attempt whose fetch failed. What the platform tells of DNS, refused connections,
 * TLS and resets differs between its versions, so all of them are one case: unreachable. An App
 * Engine service behind a binding that threw did answer: an uncaught exception there is a 500, as
 * on App Engine.
 */
export function endOfFailure(error: unknown, isPastDeadline: boolean, isBinding: boolean): SentEnd {
  if (isPastDeadline) return { kind: "timeout" };
  if (isBinding && isThrownByHandler(error)) return { kind: "response", status: 500 };
  return { kind: "unreachable", message: failureText(error) };
}

/** The platform marks errors that crossed from another Worker, and those that are its own fault. */
function isThrownByHandler(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { remote, retryable, overloaded } = error as Record<string, unknown>;
  return remote === true && retryable !== true && overloaded !== true;
}

/** A failure in a sentence that may be shown to whoever reads the task. */
export function failureText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // The runtime hides why a name look-up or a TLS handshake failed behind a reference number.
  if (text === "" || text.startsWith("internal error")) {
    return "The target could not be reached: its name did not resolve or the connection failed.";
  }
  return text.slice(0, MAX_FAILURE_TEXT);
}

/**
 * How long a failed response asks to wait, in microseconds; undefined when it does not say or says
 * nothing that can be read. Retry-After is a number of seconds or a date (RFC 9110 §10.2.3); at
 * most an hour counts.
 */
export function retryAfterUs(
  status: number,
  value: string | null,
  nowMs: number,
): number | undefined {
  if (value === null || isSuccessStatus(status)) return undefined;
  const text = value.trim();
  const waitUs = /^\d+(\.\d+)?$/.test(text)
    ? Math.round(Number(text) * 1e6)
    : (dateMs(text) - nowMs) * 1e3;
  return waitUs > 0 ? Math.min(waitUs, MAX_RETRY_AFTER_US) : undefined;
}

/** The three forms of an HTTP date (RFC 9110 §5.6.7); NaN for anything else. */
function dateMs(text: string): number {
  if (/^[A-Z][a-z]+, .* GMT$/.test(text)) return Date.parse(text);
  return /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}$/.test(text)
    ? Date.parse(`${text} GMT`)
    : Number.NaN;
}
