/** Results and canonical errors: what every room answers instead of throwing. */

/** The canonical codes of google.rpc.Code (errors.md §1), in their numeric order. */
export const ERROR_CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

export type ErrorCode = Exclude<(typeof ERROR_CODES)[number], "OK">;

/** A detail message of an error as REST shows it: an object with an `@type`. */
export type ErrorDetail = { readonly "@type": string; readonly [field: string]: unknown };

/** A refusal: canonical code, text for a developer, optional detail messages. Plain data, crosses RPC. */
export interface DomainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: readonly ErrorDetail[];
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DomainError };

/** Wraps a value as success. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Builds a failure that fits any Result. */
export function fail(
  code: ErrorCode,
  message: string,
  details?: readonly ErrorDetail[],
): { readonly ok: false; readonly error: DomainError } {
  return {
    ok: false,
    error: details === undefined ? { code, message } : { code, message, details },
  };
}

/** Asserts what only a bug in this code can break; never for user input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`edgetasks bug: ${message}`);
}
