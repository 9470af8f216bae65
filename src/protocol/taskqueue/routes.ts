/**
 * App Engine's Task Queue REST interface, taskqueue/v1beta2: which method answers a path, and the
 * way of a request through it.
 *
 * Gaps, against the original service:
 *  - Access lists: `acl` shows `user_email` and `writer_email` of queue.yaml; adminEmails is always
 *    empty. Besides them policies say who may do what: the role for workers,
 *    roles/cloudtasks.dequeuer, is what a `user_email` can do, roles/cloudtasks.enqueuer what a
 *    `writer_email` can.
 *  - `alt` other than json, `callback` (JSONP) and ETags are not served; `prettyPrint` changes
 *    nothing.
 *  - update and patch change the time that a lease has left and nothing else: what their body says
 *    besides the names is not read. They extend the lease of whoever has it, for the lease has no
 *    name here; one that has lapsed is refused.
 *
 * Different by design:
 *  - Unknown fields and parameters are refused by name, where the original ignored them.
 *  - get, list and delete work on the tasks of push queues too, as taskqueues.get does; insert,
 *    lease, update and patch refuse those queues.
 *  - More than ten leases a second are answered; the original answered them without tasks.
 *  - `Prefer: wait=N` has a lease wait for tasks (waiting-lease.ts).
 *  - insert takes the header X-EdgeTasks-Transaction (transactions.ts): the task is there once the
 *    transaction is committed. Every other method refuses the header.
 *
 * Decided where the sources are silent or differ:
 *  - enqueueTimestamp and leaseTimestamp are microseconds, as in answers recorded from the
 *    original; stats.oldestTask is seconds, as every description of it says, and 0 in an empty
 *    queue.
 *  - leaseTimestamp is 0 until the first lease, also after an insert with a time to come.
 *  - queueName in answers is `projects/{project}/taskqueues/{queue}` (recorded), with the project
 *    as the caller wrote it; in requests the short name is taken as well.
 *  - Expiries of one task's leases differ in the digits below the millisecond, which is how the
 *    queue tells them apart.
 *  - leaseSecs is 1 to 604800; newLeaseSeconds may be 0, which releases the task at once.
 *  - An empty `tag` is a tag of its own; absent means no tag.
 *  - delete answers 204 without a body.
 *
 * Quirks of clients that are met on purpose:
 *  - The project comes with its partition, `s~app`, escaped or not.
 *  - Payloads come in standard or URL-safe base64, padded or not.
 *  - Java clients send PATCH as POST with X-HTTP-Method-Override; without it POST is update.
 *  - update and patch come with whole tasks, with names alone, or without a body.
 */
import type { Context } from "hono";
import { type Access, requireAll } from "../../auth/iam/access.ts";
import { queueResource } from "../../auth/iam/resource.ts";
import type { Permission } from "../../auth/iam/roles.ts";
import { readConfig } from "../../core/config.ts";
import type { QueueName } from "../../core/model.ts";
import { type DomainError, fail } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import { selectParts } from "../partial-response.ts";
import { readTransaction, TRANSACTION_HEADER, transactionRefused } from "../transactions.ts";
import type { Answer, Call, Reply } from "./call.ts";
import {
  echo,
  errorResponse,
  invalidHeader,
  invalidParameter,
  JSON_TYPE,
  pathNotFound,
  type Refusal,
} from "./errors.ts";
import { type Query, readQuery } from "./query.ts";
import {
  BASE_PATH,
  nameProblem,
  projectOf,
  type Resource,
  type ResourceKind,
  readPath,
} from "./resource.ts";
import { getTaskQueue } from "./taskqueues.ts";
import { deleteTask, getTask, insertTask, leaseTasks, listTasks, updateTask } from "./tasks.ts";

export interface Method {
  /** What the caller must be allowed on the queue, before the body is read; all of them. */
  readonly permissions: readonly [Permission, ...Permission[]];
  readonly run: (call: Call) => Answer;
  /** The parameters it has in the query. */
  readonly params?: readonly string[];
  /** It creates a task, which may be of a transaction (transactions.ts). */
  readonly canTakePart?: boolean;
}

/** For methods whose answers show payloads: this interface knows no other view. */
const FULL_VIEW = "cloudtasks.tasks.fullView";

const UPDATE: Method = {
  permissions: ["cloudtasks.tasks.lease", FULL_VIEW],
  run: updateTask,
  params: ["newLeaseSeconds"],
};

export const METHODS: Readonly<Record<ResourceKind, Readonly<Record<string, Method>>>> = {
  taskqueue: {
    GET: { permissions: ["cloudtasks.queues.get"], run: getTaskQueue, params: ["getStats"] },
  },
  tasks: {
    GET: { permissions: ["cloudtasks.tasks.list"], run: listTasks },
    POST: { permissions: ["cloudtasks.tasks.create"], run: insertTask, canTakePart: true },
  },
  task: {
    GET: { permissions: ["cloudtasks.tasks.get", FULL_VIEW], run: getTask },
    POST: UPDATE,
    PATCH: UPDATE,
    DELETE: { permissions: ["cloudtasks.tasks.delete"], run: deleteTask },
  },
};

export const LEASE: Method = {
  permissions: ["cloudtasks.tasks.lease", FULL_VIEW],
  run: leaseTasks,
  params: ["numTasks", "leaseSecs", "groupByTag", "tag"],
};

/** Answers every path below the base. */
export async function taskQueueFace(
  { req, env }: Context<{ Bindings: Env }>,
  access: Access,
): Promise<Response> {
  const request = req.raw;
  const url = new URL(request.url);
  const resource = readPath(url.pathname.slice(BASE_PATH.length));
  if (resource === null) return pathNotFound(request);
  const method = methodOf(resource, request);
  if (method === undefined) return methodNotAllowed(resource, request);
  const problem = nameProblem(resource);
  if (problem !== undefined) return errorResponse(problem.error);
  const config = readConfig(env);
  const { project, taskId } = resource;
  const queue = {
    project: projectOf(project),
    location: config.appLocation,
    queue: resource.queue,
  };
  // All is asked of the queue: tasks have no names of their own here, and none is told to exist.
  const refusal = access.isTrusted
    ? undefined
    : await requireAll(access, method.permissions, queueResource(queue));
  if (refusal !== undefined) return errorResponse(refusal);
  const query = readQuery(url.searchParams, method.params ?? []);
  if (!query.ok) return errorResponse(query.error);
  const select = selectorOf(query.value);
  if (select === undefined) return errorResponse(invalidSelection(query.value).error);

  const transaction = transactionOf(request, method, queue);
  if (transaction?.ok === false) return errorResponse(invalidTransaction(transaction.error).error);
  const answer = await method.run({
    env,
    access,
    config,
    request,
    queue,
    transaction: transaction?.value,
    project,
    taskId,
    query: query.value,
    nowUs: Date.now() * 1000,
    clock: Date.now,
  });
  return answer.ok ? respond(answer.value, select) : errorResponse(answer.error);
}

/** The transaction that a request names; undefined where it names none. */
function transactionOf(request: Request, { canTakePart }: Method, queue: QueueName) {
  const value = request.headers.get(TRANSACTION_HEADER);
  if (value === null) return undefined;
  return canTakePart === true ? readTransaction(value, queue) : transactionRefused();
}

function invalidTransaction({ message }: DomainError): Refusal {
  return invalidHeader(TRANSACTION_HEADER, message);
}

/** `tasks/lease` is a method for POST, and for any other verb a task of that name. */
function methodOf(resource: Resource, request: Request): Method | undefined {
  const verb = verbOf(request);
  const isLease = resource.kind === "task" && resource.taskId === "lease" && verb === "POST";
  return isLease ? LEASE : METHODS[resource.kind][verb];
}

/**
 * HEAD is answered as GET is, its body dropped by the router; a POST may stand for another verb.
 */
function verbOf(request: Request): string {
  if (request.method === "HEAD") return "GET";
  if (request.method !== "POST") return request.method;
  return request.headers.get("x-http-method-override")?.toUpperCase() ?? "POST";
}

type Selector = (value: object) => object | undefined;

const SELECT_ALL: Selector = (value) => value;

/** Takes the parts of an answer that are asked for; undefined when `fields` is no selection. */
function selectorOf({ fields }: Query): Selector | undefined {
  if (fields === "") return SELECT_ALL;
  const select: Selector = (value) => selectParts(value, fields, (name) => name);
  return select({}) === undefined ? undefined : select;
}

function invalidSelection({ fields }: Query): Refusal {
  return invalidParameter("fields", `Invalid field selection ${echo(fields)}`);
}

function respond(reply: Reply, select: Selector): Response {
  if (reply.value === undefined) return new Response(null, { status: 204 });
  const headers = { "content-type": JSON_TYPE, ...reply.headers };
  return new Response(bodyOf(reply.value, reply.items, select), { headers });
}

function bodyOf(value: object, items: Reply["items"], select: Selector): BodyInit {
  if (items === undefined) return JSON.stringify(select(value));
  if (select === SELECT_ALL) return items.stream("items", undefined, value);
  return JSON.stringify(select({ ...value, items: items.toJSON() }));
}

function methodNotAllowed({ kind }: Resource, request: Request): Response {
  const verbs = Object.keys(METHODS[kind]);
  const allow = [...verbs, ...(verbs.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const { error } = fail(
    "UNIMPLEMENTED",
    `The method ${echo(verbOf(request))} is not allowed here.`,
  );
  return errorResponse({ ...error, reason: "httpMethodNotAllowed" }, 405, { allow });
}
