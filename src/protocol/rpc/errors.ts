/** Refusals as App Engine's interfaces tell them: a number of the service's own, and a text. */
import type { DomainError, ErrorCause, ErrorCode } from "../../core/result.ts";
import { TaskQueueServiceError_ErrorCode as Code } from "./gen/taskqueue_service_pb.js";

export { Code };

export interface Refusal {
  readonly ok: false;
  readonly error: { readonly code: number; readonly detail: string };
}

/** What a method answers. */
export type Reply<T> = { readonly ok: true; readonly value: T } | Refusal;

export function answer<T>(value: T): Reply<T> {
  return { ok: true, value };
}

export function refuse(code: number, detail: string): Refusal {
  return { ok: false, error: { code, detail } };
}

/** What one code stands for here and several there, by its cause. */
const CODE_OF_CAUSE: Readonly<Record<ErrorCause, Code>> = {
  NO_QUEUE: Code.UNKNOWN_QUEUE,
  TASK_EXISTS: Code.TASK_ALREADY_EXISTS,
  TASK_GONE: Code.TOMBSTONED_TASK,
  NO_TASK: Code.UNKNOWN_TASK,
  WRONG_QUEUE_TYPE: Code.INVALID_QUEUE_MODE,
  QUEUE_NOT_RUNNING: Code.QUEUE_PAUSED,
  LEASE_LOST: Code.TASK_LEASE_EXPIRED,
  NO_TRANSACTION: Code.DATASTORE_BAD_REQUEST,
  TRANSACTION_OVER: Code.DATASTORE_BAD_REQUEST,
};

/** The rest, where the cause is not told. What may be tried again is TRANSIENT_ERROR. */
const CODE_OF_ERROR: Readonly<Partial<Record<ErrorCode, Code>>> = {
  INVALID_ARGUMENT: Code.INVALID_REQUEST,
  OUT_OF_RANGE: Code.INVALID_REQUEST,
  FAILED_PRECONDITION: Code.INVALID_REQUEST,
  NOT_FOUND: Code.UNKNOWN_TASK,
  ALREADY_EXISTS: Code.TASK_ALREADY_EXISTS,
  PERMISSION_DENIED: Code.PERMISSION_DENIED,
  UNAUTHENTICATED: Code.PERMISSION_DENIED,
  UNIMPLEMENTED: Code.INVALID_REQUEST,
  RESOURCE_EXHAUSTED: Code.TRANSIENT_ERROR,
  UNAVAILABLE: Code.TRANSIENT_ERROR,
  DEADLINE_EXCEEDED: Code.TRANSIENT_ERROR,
  ABORTED: Code.TRANSIENT_ERROR,
  CANCELLED: Code.TRANSIENT_ERROR,
};

export function codeOf({ cause, code }: DomainError): Code {
  if (cause !== undefined) return CODE_OF_CAUSE[cause];
  return CODE_OF_ERROR[code] ?? Code.INTERNAL_ERROR;
}

/** A refusal of core, in this interface's words. */
export function translate(error: DomainError): Refusal {
  return refuse(codeOf(error), error.message);
}

/** Longest piece of a request that an error text repeats, in characters. */
const MAX_ECHO = 200;

/** A piece of the request for an error text; a long one is cut. */
export function echo(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}
