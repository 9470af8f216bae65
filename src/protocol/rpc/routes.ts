/**
 * App Engine's own interface: `POST /rpc_http`, which `google.appengine.api.taskqueue` speaks. The
 * HTTP status is always 200 and every error inside the envelope (rpc.md §1, §2).
 *
 * Gaps, against the original services:
 *  - `datastore_v3` has transactions alone: BeginTransaction, Commit, Rollback. Every other method
 *    and service is CALL_NOT_FOUND.
 *  - UpdateStorageLimit is checked and then PERMISSION_DENIED: storage is the platform's to limit.
 *  - QueryTasks does not list by tag (`start_tag` is INVALID_REQUEST), and by name only queues of up
 *    to 10,000 tasks (query-tasks.ts).
 *  - A task's `description` and `cron_retry_parameters` are not kept, nor is the text of a queue's
 *    `user_specified_rate`: FetchQueues tells the rate. Of `header_override` Host alone is taken.
 *
 * Codes of rpc.md §3 that cannot occur: OK and SKIPPED are results, not errors. ACL_LOOKUP_ERROR (acls
 * are part of the queue), INCORRECT_CREATOR_NAME (no message can say a creator) and
 * INVALID_LOGGING_CONFIG (none has one). DATASTORE_ERROR is a base, and of its range only
 * DATASTORE_BAD_REQUEST is told: no entity is stored that the others could be about. Of the envelope's
 * codes: UNKNOWN, OVER_QUOTA, CAPABILITY_DISABLED, FEATURE_DISABLED, CANCELLED, REPLAY_ERROR, since
 * nothing here has quotas or can be switched off; and RESPONSE_TOO_LARGE, since what could be large
 * (leases, QueryTasks) answers with fewer tasks instead.
 *
 * Different by design:
 *  - The administrator's methods (PauseQueue, DeleteQueue, …) are for every caller that policies allow
 *    them: the original kept them from the app itself.
 *  - The ticket is a credential: the deployment's token, an API token or a service account's.
 *  - A field of the wrong type, and a value that its enum does not have, is PARSE_ERROR, where proto2
 *    has them go unnoticed.
 *  - Names that no task can have are INVALID_TASK_NAME in Delete and FetchTask, not UNKNOWN_TASK.
 *
 * Decided where the sources are silent or differ:
 *  - Leasing from a paused queue is QUEUE_PAUSED, as in Cloud Tasks; Google's development server still
 *    leases.
 *  - A push task may have 100 KiB, a pull task 1 MiB, counted as the SDK does: method, url, headers
 *    and body. Google's development server counts the whole message, and so refuses tasks that the
 *    SDK lets pass. The other faces take 1 MiB of both.
 *  - FetchQueueStats of a queue that is not there is UNKNOWN_QUEUE, not zeros; executed_last_minute and
 *    _hour count attempts that ended, and in pull queues leases.
 *  - UpdateQueue with a rate above 0 has a paused queue run, as the upload of a queue.yaml does.
 *  - A call may add to several queues: one that has a queue missing adds nothing to the others.
 *  - An empty tag is none. Of a name given twice in a call the second is DUPLICATE_TASK_NAME.
 *  - The Host header says where a task goes as long as it is of this app's domain; any other host is
 *    the default service. X-AppEngine-Current-Namespace and -Default-Namespace are handed on.
 *  - At the deadline of X-Google-RPC-Service-Deadline (60 s without one) the answer is
 *    DEADLINE_EXCEEDED; what was asked may have been done, or will be.
 */
import type { Context } from "hono";
import { authenticateToken } from "../../auth/authenticate.ts";
import type { Caller } from "../../auth/caller.ts";
import { accessOf } from "../../auth/iam/access.ts";
import { scopeRefusal } from "../../auth/scopes.ts";
import { readConfig } from "../../core/config.ts";
import type { Env } from "../../env.ts";
import { readBounded } from "../bounded-body.ts";
import type { NewCall } from "./call.ts";
import { type Answer, encodeAnswer, MAX_REQUEST_SIZE, RpcCode, rpcError } from "./envelope.ts";
import { Code } from "./errors.ts";
import { RequestSchema } from "./gen/remote_api_pb.js";
import { readMessage } from "./message.ts";
import { SERVICES } from "./methods.ts";

/** Deadline of a call that names none, and the longest, in milliseconds (rpc.md §1). */
const DEFAULT_DEADLINE_MS = 60_000;
const MAX_DEADLINE_MS = 600_000;

const TICKET_HINT =
  " App Engine's SDK sends it as the security ticket, from HTTP_X_APPENGINE_API_TICKET.";

/** Answers everything at and below /rpc_http. */
export async function rpcFace({ req, env }: Context<{ Bindings: Env }>): Promise<Response> {
  const request = req.raw;
  const now = Date.now();
  const answer = await within(deadlineMs(request.headers), () => serve(request, env, now * 1000));
  return new Response(encodeAnswer(answer), {
    headers: { "content-type": "application/octet-stream" },
  });
}

async function serve(request: Request, env: Env, nowUs: number): Promise<Answer> {
  const { pathname } = new URL(request.url);
  if (pathname !== "/rpc_http") return rpcError(RpcCode.CALL_NOT_FOUND, "The path is /rpc_http.");
  if (request.method !== "POST") return rpcError(RpcCode.BAD_REQUEST, "Calls are made by POST.");
  const body = await readBounded(request, MAX_REQUEST_SIZE);
  if (body === undefined) {
    return rpcError(
      RpcCode.REQUEST_TOO_LARGE,
      `A request can have no more than ${MAX_REQUEST_SIZE} bytes.`,
    );
  }
  const envelope = readMessage(RequestSchema, body);
  if (!envelope.ok) return unreadable(envelope);
  const config = readConfig(env);
  const { serviceName, method: methodName, request: message, requestId } = envelope.value;
  const caller = await authenticateToken(request, requestId, env, nowUs / 1000);
  if (!caller.ok) {
    const hint = caller.error.code === "UNAUTHENTICATED" ? TICKET_HINT : "";
    return rpcError(RpcCode.SECURITY_VIOLATION, caller.error.message + hint);
  }
  const refusal = scopeRefusal(caller.value, pathname);
  if (refusal !== undefined) return rpcError(RpcCode.SECURITY_VIOLATION, refusal.message);
  const method = SERVICES.get(serviceName)?.get(methodName);
  if (method === undefined) {
    return rpcError(RpcCode.CALL_NOT_FOUND, "There is no such service or method here.");
  }
  const call: NewCall = {
    env,
    config,
    access: accessOf(caller.value, env, nowUs),
    ownProject: projectOf(caller.value),
    nowUs,
    size: message.length,
    random,
  };
  try {
    const outcome = await method.run(call, message);
    return "problem" in outcome ? unreadable(outcome) : outcome;
  } catch (error) {
    return platformFailure(error);
  }
}

function projectOf(caller: Caller): string | undefined {
  return "project" in caller ? caller.project : undefined;
}

function unreadable(found: { readonly problem: string; readonly tooLarge: boolean }): Answer {
  return rpcError(
    found.tooLarge ? RpcCode.REQUEST_TOO_LARGE : RpcCode.PARSE_ERROR,
    `The message cannot be read: ${found.problem}.`,
  );
}

function random(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(8));
}

/**
 * A thrown error is the platform's or a bug's: an object that is overloaded or restarting may be
 * asked again.
 */
function platformFailure(thrown: unknown): Answer {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const { retryable, overloaded } = error as { retryable?: unknown; overloaded?: unknown };
  if (retryable === true || overloaded === true) {
    const detail = "The service is currently unavailable.";
    return { ok: false, error: { code: Code.TRANSIENT_ERROR, detail } };
  }
  console.error("unexpected failure", error.stack ?? error.message);
  const detail = "Internal error encountered.";
  return { ok: false, error: { code: Code.INTERNAL_ERROR, detail } };
}

// ---- Deadlines -------------------------------------------------------------------------------

/** The header's seconds in milliseconds; one that cannot be read counts as none. */
function deadlineMs(headers: Headers): number {
  const text = headers.get("x-google-rpc-service-deadline");
  const seconds = text === null || text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(seconds)) return DEFAULT_DEADLINE_MS;
  return Math.min(seconds * 1000, MAX_DEADLINE_MS);
}

async function within(deadline: number, work: () => Promise<Answer>): Promise<Answer> {
  const late = rpcError(RpcCode.DEADLINE_EXCEEDED, "The deadline of the call has passed.");
  if (!(deadline > 0)) return late;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const end = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve(late), deadline);
  });
  try {
    return await Promise.race([work().catch(platformFailure), end]);
  } finally {
    clearTimeout(timer);
  }
}
