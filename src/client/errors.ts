/**
 * Errors, by the names that App Engine's library has for them. All extend TaskQueueError, which
 * carries the canonical code.
 */

/** The canonical codes (google.rpc.Code). */
export type ErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** What an error tells besides its text. */
export interface ErrorDetails {
  /** Where it is not the class's own. */
  readonly code?: ErrorCode;
  /** The name of the case in App Engine's service, such as `TASK_ALREADY_EXISTS`. */
  readonly reason?: string;
  /** The field of the request that is wrong, where the server names one. */
  readonly field?: string;
  readonly cause?: unknown;
}

/**
 * The base of every error of this library, `Error` in the original. `code` says what kind it is, and
 * `reason` what App Engine's service calls it.
 *
 * @example
 * try {
 *   new Task({ name: "no spaces allowed" });
 * } catch (error) {
 *   if (!(error instanceof TaskQueueError)) throw error;
 *   console.log(error.name, error.code); // InvalidTaskNameError INVALID_ARGUMENT
 * }
 */
export class TaskQueueError extends Error {
  /** The code of errors of this class. */
  static readonly code: ErrorCode = "UNKNOWN";

  readonly code: ErrorCode;
  // Declared: a field without a value would show in every error that is printed.
  declare readonly reason?: string;
  declare readonly field?: string;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = details.code ?? new.target.code;
    if (details.reason !== undefined) this.reason = details.reason;
    if (details.field !== undefined) this.field = details.field;
  }
}

/** The queue does not exist. */
export class UnknownQueueError extends TaskQueueError {
  static override readonly code: ErrorCode = "NOT_FOUND";
}
/** The service cannot be reached or is busy; the call may be made again. */
export class TransientError extends TaskQueueError {
  static override readonly code: ErrorCode = "UNAVAILABLE";
}
/** The service failed. */
export class InternalError extends TaskQueueError {
  static override readonly code: ErrorCode = "INTERNAL";
}
/** A parameter of a task is wrong. */
export class InvalidTaskError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A task's name is not 1 to 500 characters of A-Z a-z 0-9 _ -, or a task of a transaction has one. */
export class InvalidTaskNameError extends InvalidTaskError {}
/** A task is larger than its kind may be. */
export class TaskTooLargeError extends InvalidTaskError {}
/** The tasks of one add in a transaction are larger than 1 MiB together. */
export class TransactionalRequestTooLargeError extends TaskTooLargeError {}
/** A task of this name is in the queue. */
export class TaskAlreadyExistsError extends InvalidTaskError {
  static override readonly code: ErrorCode = "ALREADY_EXISTS";
}
/** A task of this name was in the queue not long ago. */
export class TombstonedTaskError extends InvalidTaskError {
  static override readonly code: ErrorCode = "ALREADY_EXISTS";
}
/** A task's URL is invalid or too long. */
export class InvalidUrlError extends InvalidTaskError {}
/** A task's ETA is more than 30 days ahead. */
export class InvalidEtaError extends InvalidTaskError {}
/** A task cannot be used so in its state: added twice, or deleted twice, or without a name. */
export class BadTaskStateError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** A queue's settings are wrong. */
export class InvalidQueueError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A queue's name is not 1 to 100 letters, digits or hyphens. */
export class InvalidQueueNameError extends InvalidQueueError {}
/** The caller may not do this; `code` is UNAUTHENTICATED where it is not known who calls. */
export class PermissionDeniedError extends TaskQueueError {
  static override readonly code: ErrorCode = "PERMISSION_DENIED";
}
/** Two tasks of one call have the same name. */
export class DuplicateTaskNameError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** More than 100 tasks in one add. */
export class TooManyTasksError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** The server refused a transaction: it never was, or it is over. */
export class DatastoreError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** `transactional` outside of a transaction, or a transaction that is over. */
export class BadTransactionStateError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** Retry options are negative or contradict each other. */
export class InvalidTaskRetryOptionsError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A lease's seconds are outside their range. */
export class InvalidLeaseTimeError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** The number of tasks to lease is not 1 to 1000. */
export class InvalidMaxTasksError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A call's deadline is not positive. */
export class InvalidDeadlineError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A pull method on a push queue, or a task of the other kind of queue. */
export class InvalidQueueModeError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** The lease has run out, or another worker holds it by now. */
export class TaskLeaseExpiredError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** The queue is paused. */
export class QueuePausedError extends TaskQueueError {
  static override readonly code: ErrorCode = "FAILED_PRECONDITION";
}
/** A tag has more than 500 characters. */
export class InvalidTagError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A dispatch deadline is outside its range. */
export class InvalidDispatchDeadlineError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A value is not of the form that it must have; the original's built-in of this name. */
export class ValueError extends TaskQueueError {
  static override readonly code: ErrorCode = "INVALID_ARGUMENT";
}
/** A call took longer than its deadline. What it was to do may have been done. */
export class DeadlineExceededError extends TaskQueueError {
  static override readonly code: ErrorCode = "DEADLINE_EXCEEDED";
}

const CLASSES = {
  TaskQueueError,
  UnknownQueueError,
  TransientError,
  InternalError,
  InvalidTaskError,
  InvalidTaskNameError,
  TaskTooLargeError,
  TransactionalRequestTooLargeError,
  TaskAlreadyExistsError,
  TombstonedTaskError,
  InvalidUrlError,
  InvalidEtaError,
  BadTaskStateError,
  InvalidQueueError,
  InvalidQueueNameError,
  PermissionDeniedError,
  DuplicateTaskNameError,
  TooManyTasksError,
  DatastoreError,
  BadTransactionStateError,
  InvalidTaskRetryOptionsError,
  InvalidLeaseTimeError,
  InvalidMaxTasksError,
  InvalidDeadlineError,
  InvalidQueueModeError,
  TaskLeaseExpiredError,
  QueuePausedError,
  InvalidTagError,
  InvalidDispatchDeadlineError,
  ValueError,
  DeadlineExceededError,
};

// By the keys above and not by the classes' own names, which a minifier shortens.
for (const [name, type] of Object.entries(CLASSES)) type.prototype.name = name;

/** Names of App Engine's service that do not spell their class. */
const CLASS_OF_REASON: Readonly<Record<string, typeof TaskQueueError>> = {
  INVALID_QUEUE_RATE: InvalidQueueError,
  INVALID_RETRY_PARAMETERS: InvalidTaskRetryOptionsError,
  INVALID_REQUEST: TaskQueueError,
  TRANSIENT_ERROR: TransientError,
  INTERNAL_ERROR: InternalError,
};

const CLASS_OF_CODE: Partial<Readonly<Record<ErrorCode, typeof TaskQueueError>>> = {
  PERMISSION_DENIED: PermissionDeniedError,
  UNAUTHENTICATED: PermissionDeniedError,
  UNAVAILABLE: TransientError,
  INTERNAL: InternalError,
  UNKNOWN: InternalError,
  DEADLINE_EXCEEDED: DeadlineExceededError,
};

/** A refusal as the server writes it. */
export interface WireError {
  readonly status?: ErrorCode;
  readonly message?: string;
  readonly details?: readonly {
    readonly reason?: string;
    readonly fieldViolations?: readonly { readonly field?: string }[];
  }[];
}

/** The error that a refusal of the server stands for. */
export function errorOf({ status, message, details = [] }: WireError): TaskQueueError {
  const reason = details.find((detail) => detail.reason !== undefined)?.reason;
  const field = details.find((detail) => detail.fieldViolations)?.fieldViolations?.[0]?.field;
  const code = status ?? "UNKNOWN";
  const type = classOf(reason) ?? CLASS_OF_CODE[code] ?? TaskQueueError;
  return new type(message ?? "The service refused the call.", {
    code,
    ...(reason === undefined ? {} : { reason }),
    ...(field === undefined ? {} : { field }),
  });
}

/** `TASK_ALREADY_EXISTS` is TaskAlreadyExistsError; undefined where no class has such a name. */
function classOf(reason: string | undefined): typeof TaskQueueError | undefined {
  if (reason === undefined) return undefined;
  if (reason.startsWith("DATASTORE_")) return DatastoreError;
  const words = reason.toLowerCase().split("_");
  const name = `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}Error`;
  return CLASS_OF_REASON[reason] ?? (CLASSES as Record<string, typeof TaskQueueError>)[name];
}
