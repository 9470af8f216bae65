/**
 * Refusals as this interface shows them: Google's error shape, and in an ErrorInfo the name that App
 * Engine's service has for the case (rpc.md §3), which tells apart what one code stands for.
 */
import { type DomainError, type ErrorCause, type ErrorCode, fail } from "../../../core/result.ts";

/** The names of TaskQueueServiceError that this interface uses. */
export type Reason =
  | "UNKNOWN_QUEUE"
  | "TRANSIENT_ERROR"
  | "INTERNAL_ERROR"
  | "TASK_TOO_LARGE"
  | "INVALID_TASK_NAME"
  | "INVALID_QUEUE_NAME"
  | "INVALID_URL"
  | "PERMISSION_DENIED"
  | "TASK_ALREADY_EXISTS"
  | "TOMBSTONED_TASK"
  | "INVALID_ETA"
  | "INVALID_REQUEST"
  | "UNKNOWN_TASK"
  | "TOMBSTONED_QUEUE"
  | "DUPLICATE_TASK_NAME"
  | "TOO_MANY_TASKS"
  | "INVALID_PAYLOAD"
  | "INVALID_RETRY_PARAMETERS"
  | "INVALID_QUEUE_MODE"
  | "TASK_LEASE_EXPIRED"
  | "QUEUE_PAUSED"
  | "INVALID_TAG"
  | "INVALID_DISPATCH_DEADLINE"
  | "DATASTORE_BAD_REQUEST";

/** A refusal with what this face adds to it. */
export interface FaceError extends DomainError {
  /** Instead of the one that cause or code stand for. */
  readonly reason?: Reason;
  /** The field of the body that is wrong, by its path. */
  readonly field?: string;
}

export interface Refusal {
  readonly ok: false;
  readonly error: FaceError;
}

/** HTTP status of each canonical code (errors.md §1), and its reason where no cause is told. */
const SHAPES: Readonly<Record<ErrorCode, readonly [status: number, reason: Reason]>> = {
  CANCELLED: [499, "TRANSIENT_ERROR"],
  UNKNOWN: [500, "INTERNAL_ERROR"],
  INVALID_ARGUMENT: [400, "INVALID_REQUEST"],
  DEADLINE_EXCEEDED: [504, "TRANSIENT_ERROR"],
  NOT_FOUND: [404, "UNKNOWN_TASK"],
  ALREADY_EXISTS: [409, "TASK_ALREADY_EXISTS"],
  PERMISSION_DENIED: [403, "PERMISSION_DENIED"],
  RESOURCE_EXHAUSTED: [429, "TRANSIENT_ERROR"],
  FAILED_PRECONDITION: [400, "INVALID_REQUEST"],
  ABORTED: [409, "TRANSIENT_ERROR"],
  OUT_OF_RANGE: [400, "INVALID_REQUEST"],
  UNIMPLEMENTED: [501, "INVALID_REQUEST"],
  INTERNAL: [500, "INTERNAL_ERROR"],
  UNAVAILABLE: [503, "TRANSIENT_ERROR"],
  DATA_LOSS: [500, "INTERNAL_ERROR"],
  UNAUTHENTICATED: [401, "PERMISSION_DENIED"],
};

const REASON_OF_CAUSE: Readonly<Record<ErrorCause, Reason>> = {
  NO_QUEUE: "UNKNOWN_QUEUE",
  TASK_EXISTS: "TASK_ALREADY_EXISTS",
  TASK_GONE: "TOMBSTONED_TASK",
  NO_TASK: "UNKNOWN_TASK",
  WRONG_QUEUE_TYPE: "INVALID_QUEUE_MODE",
  QUEUE_NOT_RUNNING: "QUEUE_PAUSED",
  LEASE_LOST: "TASK_LEASE_EXPIRED",
  NO_TRANSACTION: "DATASTORE_BAD_REQUEST",
  TRANSACTION_OVER: "DATASTORE_BAD_REQUEST",
};

export const JSON_TYPE = "application/json; charset=UTF-8";

/** A refusal as JSON: the body of an answer, or the result of one task among many. */
export function writeError(error: FaceError, status: number = SHAPES[error.code][0]): object {
  const { code, message, field } = error;
  return {
    error: {
      code: status,
      status: code,
      message,
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: reasonOf(error),
          domain: "edgetasks",
        },
        ...(field === undefined
          ? []
          : [
              {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                fieldViolations: [{ field, description: message }],
              },
            ]),
      ],
    },
  };
}

function reasonOf({ reason, cause, code }: FaceError): Reason {
  if (reason !== undefined) return reason;
  return cause === undefined ? SHAPES[code][1] : REASON_OF_CAUSE[cause];
}

/** An error as an HTTP answer. `status` only where it is not the code's own (404, 405 of paths). */
export function errorResponse(
  error: FaceError,
  status: number = SHAPES[error.code][0],
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(writeError(error, status)), {
    status,
    headers: { "content-type": JSON_TYPE, ...headers },
  });
}

/** The refusal of a caller; one who shows no credential is asked for it. */
export function callerRefused(error: DomainError): Response {
  const isUnknown = error.code === "UNAUTHENTICATED";
  return errorResponse(error, undefined, isUnknown ? { "www-authenticate": "Bearer" } : {});
}

/** A path that leads nowhere. */
export function pathNotFound(request: Request): Response {
  const { pathname } = new URL(request.url);
  return errorResponse({
    ...fail("NOT_FOUND", `There is no method at ${echo(pathname)}.`).error,
    reason: "INVALID_REQUEST",
  });
}

/** INVALID_ARGUMENT about a field of the body, named by its path. */
export function invalidField(
  field: string,
  message: string,
  reason: Reason = "INVALID_REQUEST",
): Refusal {
  return { ok: false, error: { code: "INVALID_ARGUMENT", message, field, reason } };
}

/** Longest piece of a request that an error text repeats, in characters. */
const MAX_ECHO = 200;

/** A piece of the request for an error text; a long one is cut. */
export function echo(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}
