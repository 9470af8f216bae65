/**
 * Errors as Google's interfaces of that generation show them: a list of errors, each with a domain
 * and a reason, and the HTTP status with the first message once more (errors.md §4).
 */
import { type DomainError, type ErrorCode, fail } from "../../core/result.ts";

/** What part of the request is wrong, where it can be said. */
export interface Fault {
  /** Instead of the code's own reason. */
  readonly reason?: string;
  readonly location?: string;
  /** A field of the body is `other`. */
  readonly locationType?: "parameter" | "header" | "other";
}

interface FaceError extends DomainError, Fault {}

interface Shape {
  readonly status: number;
  readonly reason: string;
  readonly domain?: string;
}

/** HTTP status and reason of each canonical code. */
const SHAPES: Readonly<Record<ErrorCode, Shape>> = {
  CANCELLED: { status: 499, reason: "cancelled" },
  UNKNOWN: { status: 500, reason: "backendError" },
  INVALID_ARGUMENT: { status: 400, reason: "invalid" },
  DEADLINE_EXCEEDED: { status: 504, reason: "backendError" },
  NOT_FOUND: { status: 404, reason: "notFound" },
  ALREADY_EXISTS: { status: 409, reason: "conflict" },
  PERMISSION_DENIED: { status: 403, reason: "forbidden" },
  RESOURCE_EXHAUSTED: { status: 429, reason: "quotaExceeded", domain: "usageLimits" },
  FAILED_PRECONDITION: { status: 400, reason: "failedPrecondition" },
  ABORTED: { status: 409, reason: "conflict" },
  OUT_OF_RANGE: { status: 400, reason: "invalid" },
  UNIMPLEMENTED: { status: 501, reason: "notImplemented" },
  INTERNAL: { status: 500, reason: "backendError" },
  UNAVAILABLE: { status: 503, reason: "backendError" },
  DATA_LOSS: { status: 500, reason: "backendError" },
  UNAUTHENTICATED: { status: 401, reason: "authError" },
};

export const JSON_TYPE = "application/json; charset=UTF-8";

/** An error as an HTTP answer. `status` only where it is not the code's own (405 of paths). */
export function errorResponse(
  error: FaceError,
  status: number = SHAPES[error.code].status,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { message, location, locationType } = error;
  const { domain = "global", reason } = SHAPES[error.code];
  const entry = { domain, reason: error.reason ?? reason, message, locationType, location };
  return new Response(JSON.stringify({ error: { errors: [entry], code: status, message } }), {
    status,
    headers: { "content-type": JSON_TYPE, ...headers },
  });
}

/** The refusal of a caller; one who shows no credential at all is asked for it. */
export function callerRefused(error: DomainError, request: Request): Response {
  if (error.code !== "UNAUTHENTICATED") return errorResponse(error);
  const fault: Fault = {
    reason: request.headers.has("authorization") ? "authError" : "required",
    location: "Authorization",
    locationType: "header",
  };
  return errorResponse({ ...error, ...fault }, undefined, { "www-authenticate": "Bearer" });
}

/** A path that leads nowhere. */
export function pathNotFound(request: Request): Response {
  const { pathname } = new URL(request.url);
  return errorResponse(fail("NOT_FOUND", `Not Found: ${echo(pathname)}`).error);
}

// ---- What this face refuses ------------------------------------------------------------------

export interface Refusal {
  readonly ok: false;
  readonly error: FaceError;
}

function refuse(message: string, fault: Fault): Refusal {
  return { ok: false, error: { code: "INVALID_ARGUMENT", message, ...fault } };
}

/** A parameter of path or query that is not what it must be. */
export function invalidParameter(name: string, message: string): Refusal {
  return refuse(message, {
    reason: "invalidParameter",
    location: name,
    locationType: "parameter",
  });
}

/** A header that is not what it must be. */
export function invalidHeader(name: string, message: string): Refusal {
  return refuse(message, { location: name, locationType: "header" });
}

export function missingParameter(name: string): Refusal {
  return refuse(`Required parameter: ${name}`, {
    reason: "required",
    location: name,
    locationType: "parameter",
  });
}

/** A field of the body that is not what it must be. */
export function invalidField(name: string, message: string): Refusal {
  return refuse(message, { location: name, locationType: "other" });
}

export function missingField(name: string): Refusal {
  return refuse(`Required field: ${name}`, {
    reason: "required",
    location: name,
    locationType: "other",
  });
}

/** A body that cannot be read at all. */
export function unreadableBody(message: string): Refusal {
  return refuse(message, { reason: "parseError" });
}

/** Longest piece of a request that an error text repeats, in characters. */
const MAX_ECHO = 200;

/** A piece of the request for an error text; a long one is cut. */
export function echo(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}
