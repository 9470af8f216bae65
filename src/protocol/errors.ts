/**
 * Errors as the Cloud Tasks REST interface shows them, which our own follows, and the ones that these
 * faces make (errors.md).
 */
import {
  type DomainError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetail,
  fail,
} from "../core/result.ts";

/** A refusal that fits any Result. */
export type Failure = ReturnType<typeof fail>;

/** HTTP status of each canonical code (errors.md §1). */
const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

export const JSON_TYPE = "application/json; charset=UTF-8";

/**
 * An error as an HTTP answer. `httpStatus` only where it is not the code's own (404, 405 of paths).
 */
export function errorResponse(
  error: DomainError,
  httpStatus: number = HTTP_STATUS[error.code],
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = {
    error: {
      code: httpStatus,
      message: error.message,
      status: error.code,
      ...(error.details === undefined ? {} : { details: error.details }),
    },
  };
  return new Response(JSON.stringify(body), {
    status: httpStatus,
    headers: { "content-type": JSON_TYPE, ...headers },
  });
}

/** google.rpc.Status: an error inside a successful answer. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details?: readonly ErrorDetail[];
}

export function rpcStatus(error: DomainError): RpcStatus {
  return {
    code: ERROR_CODES.indexOf(error.code),
    message: error.message,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}

// ---- Details ---------------------------------------------------------------------------------

/** A field by its path on the wire (snake_case), and what is wrong with it. */
export interface FieldViolation {
  readonly field?: string;
  readonly description: string;
}

export function badRequest(fieldViolations: readonly FieldViolation[]): ErrorDetail {
  return { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations };
}

function help(description: string, url: string): ErrorDetail {
  return { "@type": "type.googleapis.com/google.rpc.Help", links: [{ description, url }] };
}

function errorInfo(reason: string, metadata: Readonly<Record<string, string>>): ErrorDetail {
  return {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason,
    domain: "googleapis.com",
    metadata,
  };
}

/** Longest piece of a request that an error text repeats, in characters. */
const MAX_ECHO = 600;

/** A piece of the request for an error text; a long one is cut. */
export function echo(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}

// ---- Fields ----------------------------------------------------------------------------------

/** INVALID_ARGUMENT about one field of the request. */
export function invalidField(field: string, message: string): Failure {
  return fail("INVALID_ARGUMENT", message, [badRequest([{ field, description: message }])]);
}

/** A second member of a oneof was given. */
export function oneofConflict(parent: string, oneof: string, second: string): Failure {
  return invalidField(
    parent,
    `Invalid value at '${parent}' (oneof), oneof field '${oneof}' is already set. ` +
      `Cannot set '${second}'`,
  );
}

// ---- Names (errors.md §2) --------------------------------------------------------------------

const REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2";

export function malformedQueueName(): Failure {
  return fail(
    "INVALID_ARGUMENT",
    'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".',
    [help("Definition of queue name", `${REFERENCE}/projects.locations.queues#Queue.FIELDS.name`)],
  );
}

export function malformedTaskName(): Failure {
  return fail(
    "INVALID_ARGUMENT",
    "Task name must be formatted: " +
      '"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>".',
    [
      help(
        "Definition of task name",
        `${REFERENCE}/projects.locations.queues.tasks#Task.FIELDS.name`,
      ),
    ],
  );
}

export function malformedTaskId(id: string): Failure {
  return fail(
    "INVALID_ARGUMENT",
    `Task ID "${echo(id)}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), ` +
      "or underscores (_). Task ID must between 1 and 500 characters.",
    [
      help(
        "Definition of task ID",
        `${REFERENCE}/projects.locations.queues.tasks#Task.FIELDS.name`,
      ),
    ],
  );
}

/** A path that names no resource the method can work on. */
export function invalidResource(method: string): Failure {
  return fail("INVALID_ARGUMENT", "Invalid resource field value in the request.", [
    errorInfo("RESOURCE_PROJECT_INVALID", { service: SERVICE, method }),
  ]);
}

const SERVICE = "cloudtasks.googleapis.com";

export function unknownProject(project: string): Failure {
  const shown = echo(project);
  const message = `Permission denied on resource project ${shown}.`;
  return fail("PERMISSION_DENIED", message, [
    errorInfo("CONSUMER_INVALID", {
      consumer: `projects/${shown}`,
      containerInfo: shown,
      service: SERVICE,
    }),
    {
      "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
      locale: "en-US",
      message,
    },
    help("Google developers console", "https://console.developers.google.com"),
  ]);
}

export function unknownLocation(location: string): Failure {
  return fail(
    "INVALID_ARGUMENT",
    `Location '${echo(location)}' is not a valid location. Use ListLocations to list valid locations.`,
  );
}

export function notFound(): Failure {
  return fail("NOT_FOUND", "Requested entity was not found.");
}
