/**
 * The interface of this project's own client: App Engine's task queues in JSON. No interface of
 * Google's has their semantics over REST: retry options of a task, tasks by relative URL, a name that
 * lives told apart from one that is gone, a result for each of many, leases by tag.
 *
 *   GET  /edgetasks/v1/projects/P/locations/L/queues/Q
 *   POST …/queues/Q:purge, :pause, :resume, :stats
 *   POST …/queues/Q/tasks:add, :delete, :list, :lease, :modifyLease, :acknowledge
 *
 * Bodies are JSON, bytes in base64, times microseconds since the epoch as text (schema.ts). Errors
 * have Google's shape and the name App Engine has for the case as the reason of an ErrorInfo.
 *
 * Gap, against App Engine's service (rpc.md):
 *  - executed_last_hour and sampling_duration of the statistics are not kept.
 *
 * Different by design:
 *  - Any location serves any project; the queue `default` exists in each by itself.
 *  - `Prefer: wait=N` has a lease wait for tasks (waiting-lease.ts).
 *  - Tasks with an absolute URL, and with identity tokens, go into push queues beside App Engine's.
 */
import type { Context } from "hono";
import { type Access, requireAll } from "../../../auth/iam/access.ts";
import { queueResource } from "../../../auth/iam/resource.ts";
import type { Permission } from "../../../auth/iam/roles.ts";
import { readConfig } from "../../../core/config.ts";
import { findLocation } from "../../../core/locations.ts";
import type { QueueName } from "../../../core/model.ts";
import { isProjectId, isQueueId } from "../../../core/names.ts";
import type { Env } from "../../../env.ts";
import { TRANSACTION_HEADER, transactionRefused } from "../../transactions.ts";
import type { Answer, Call, Reply } from "./call.ts";
import {
  echo,
  errorResponse,
  invalidField,
  JSON_TYPE,
  pathNotFound,
  type Refusal,
} from "./errors.ts";
import { acknowledge, leaseTasks, modifyLease } from "./leases.ts";
import { fetchStats, getQueue, pauseQueue, purgeQueue, resumeQueue } from "./queues.ts";
import { addTasks, deleteTasks, listTasks } from "./tasks.ts";

export const BASE_PATH = "/edgetasks/v1/";

interface Method {
  /** What the caller must be allowed on the queue, before the body is read; all of them. */
  readonly permissions: readonly [Permission, ...Permission[]];
  readonly run: (call: Call) => Answer;
  readonly verb: "GET" | "POST";
}

/** By what follows the queue's name in the path. */
export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["", { permissions: ["cloudtasks.queues.get"], run: getQueue, verb: "GET" }],
  [":purge", { permissions: ["cloudtasks.queues.purge"], run: purgeQueue, verb: "POST" }],
  [":pause", { permissions: ["cloudtasks.queues.pause"], run: pauseQueue, verb: "POST" }],
  [":resume", { permissions: ["cloudtasks.queues.resume"], run: resumeQueue, verb: "POST" }],
  [":stats", { permissions: ["cloudtasks.queues.get"], run: fetchStats, verb: "POST" }],
  ["/tasks:add", { permissions: ["cloudtasks.tasks.create"], run: addTasks, verb: "POST" }],
  ["/tasks:delete", { permissions: ["cloudtasks.tasks.delete"], run: deleteTasks, verb: "POST" }],
  ["/tasks:list", { permissions: ["cloudtasks.tasks.list"], run: listTasks, verb: "POST" }],
  [
    "/tasks:lease",
    {
      permissions: ["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"],
      run: leaseTasks,
      verb: "POST",
    },
  ],
  [
    "/tasks:modifyLease",
    { permissions: ["cloudtasks.tasks.lease"], run: modifyLease, verb: "POST" },
  ],
  [
    "/tasks:acknowledge",
    { permissions: ["cloudtasks.tasks.acknowledge"], run: acknowledge, verb: "POST" },
  ],
]);

const PATH = /^projects\/([^/]+)\/locations\/([^/]+)\/queues\/([^/:]+)((?:\/tasks)?(?::\w+)?)$/;

/** Answers every path of queues below the base. */
export async function queuesFace(
  { req, env }: Context<{ Bindings: Env }>,
  access: Access,
): Promise<Response> {
  const request = req.raw;
  const url = new URL(request.url);
  const [, project = "", location = "", queue = "", rest] =
    PATH.exec(url.pathname.slice(BASE_PATH.length)) ?? [];
  const method = rest === undefined ? undefined : METHODS.get(rest);
  if (method === undefined) return pathNotFound(request);
  const isAllowed = request.method === method.verb;
  if (!isAllowed && !(request.method === "HEAD" && method.verb === "GET")) {
    return methodNotAllowed(request, method);
  }
  const name = readName(project, location, queue);
  if (!name.ok) return errorResponse(name.error);
  const refusal = access.isTrusted
    ? undefined
    : await requireAll(access, method.permissions, queueResource(name.value));
  if (refusal !== undefined) return errorResponse(refusal);
  // Tasks are added to a transaction by their call's body here.
  if (request.headers.has(TRANSACTION_HEADER)) return errorResponse(transactionRefused().error);
  const answer = await method.run({
    env,
    access,
    config: readConfig(env),
    request,
    queue: name.value,
    ownHost: url.host,
    nowUs: Date.now() * 1000,
    clock: Date.now,
  });
  return answer.ok ? respond(answer.value) : errorResponse(answer.error);
}

function readName(
  ...encoded: readonly [project: string, location: string, queue: string]
): { readonly ok: true; readonly value: QueueName } | Refusal {
  const [project = "", location = "", queue = ""] = encoded.map(decode);
  if (!isProjectId(project)) return invalidField("project", `Invalid project "${echo(project)}".`);
  if (findLocation(location) === undefined) {
    return invalidField("location", `There is no location "${echo(location)}".`);
  }
  if (isQueueId(queue)) return { ok: true, value: { project, location, queue } };
  return invalidField(
    "queue",
    `Invalid queue name "${echo(queue)}": it must be 1 to 100 letters, digits or hyphens.`,
    "INVALID_QUEUE_NAME",
  );
}

/** What cannot be decoded fits no name as it is. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function respond({ value, tasks, headers }: Reply): Response {
  const body =
    tasks === undefined ? JSON.stringify(value) : tasks.stream("tasks", undefined, value);
  return new Response(body, { headers: { "content-type": JSON_TYPE, ...headers } });
}

function methodNotAllowed(request: Request, { verb }: Method): Response {
  const allow = verb === "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  return errorResponse(
    {
      code: "UNIMPLEMENTED",
      message: `The method ${echo(request.method)} is not allowed here.`,
      reason: "INVALID_REQUEST",
    },
    405,
    { allow },
  );
}
