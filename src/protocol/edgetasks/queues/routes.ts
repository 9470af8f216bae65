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
 * Gaps, against App Engine's service (rpc.md):
 *  - A deleted queue is UNKNOWN_QUEUE, except for the default queue: TOMBSTONED_QUEUE.
 *  - executed_last_hour and sampling_duration of the statistics are not kept.
 *
 * Different by design:
 *  - Any location serves any project; the queue `default` exists in each by itself.
 *  - `Prefer: wait=N` has a lease wait for tasks (waiting-lease.ts).
 *  - Tasks with an absolute URL, and with identity tokens, go into push queues beside App Engine's.
 */
import type { Context } from "hono";
import { readConfig } from "../../../core/config.ts";
import { findLocation } from "../../../core/locations.ts";
import type { QueueName } from "../../../core/model.ts";
import { isProjectId, isQueueId } from "../../../core/names.ts";
import type { Env } from "../../../env.ts";
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
  readonly run: (call: Call) => Answer;
  readonly verb: "GET" | "POST";
}

/** By what follows the queue's name in the path. */
const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["", { run: getQueue, verb: "GET" }],
  [":purge", { run: purgeQueue, verb: "POST" }],
  [":pause", { run: pauseQueue, verb: "POST" }],
  [":resume", { run: resumeQueue, verb: "POST" }],
  [":stats", { run: fetchStats, verb: "POST" }],
  ["/tasks:add", { run: addTasks, verb: "POST" }],
  ["/tasks:delete", { run: deleteTasks, verb: "POST" }],
  ["/tasks:list", { run: listTasks, verb: "POST" }],
  ["/tasks:lease", { run: leaseTasks, verb: "POST" }],
  ["/tasks:modifyLease", { run: modifyLease, verb: "POST" }],
  ["/tasks:acknowledge", { run: acknowledge, verb: "POST" }],
]);

const PATH = /^projects\/([^/]+)\/locations\/([^/]+)\/queues\/([^/:]+)((?:\/tasks)?(?::\w+)?)$/;

/** Answers every path of queues below the base. */
export async function queuesFace({ req, env }: Context<{ Bindings: Env }>): Promise<Response> {
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
  const answer = await method.run({
    env,
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
