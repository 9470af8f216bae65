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

/**
 * Why, where one code stands for several cases that an older interface tells apart (rpc.md §3). Faces
 * that have no word for it leave it out.
 */
export type ErrorCause =
  /** The queue does not exist, as far as its object knows. */
  | "NO_QUEUE"
  /** A task of this name lives. */
  | "TASK_EXISTS"
  /** A task of this name or id is gone, but not for long. */
  | "TASK_GONE"
  | "NO_TASK"
  /** A push task or call for a pull queue, or the other way round. */
  | "WRONG_QUEUE_TYPE"
  | "QUEUE_NOT_RUNNING"
  /** The lease named is not the current one, or it has run out. */
  | "LEASE_LOST"
  | "NO_TRANSACTION"
  /** The transaction has been committed or rolled back, or has expired. */
  | "TRANSACTION_OVER";

/** A refusal: canonical code, text for a developer, optional detail messages. Plain data, crosses RPC. */
export interface DomainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: readonly ErrorDetail[];
  readonly cause?: ErrorCause;
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

/** Builds a failure that tells its cause besides its code. */
export function refuse(
  code: ErrorCode,
  cause: ErrorCause,
  message: string,
): { readonly ok: false; readonly error: DomainError } {
  return { ok: false, error: { code, message, cause } };
}

/** Asserts what only a bug in this code can break; never for user input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`edgetasks bug: ${message}`);
}
