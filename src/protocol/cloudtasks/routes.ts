/**
 * The Cloud Tasks REST interface: which method answers a path, and the way of a request through it
 * (path, names, query, method, answer).
 *
 * Gaps, against the live service:
 *  - Policies name users, service accounts, domains, allUsers and allAuthenticatedUsers: there are
 *    no groups and no outside identities, no custom roles, and no policies on single accounts.
 *  - Permissions on leases are our own (methods.ts). App Engine tasks do not ask for
 *    appengine.applications.get: there is no App Engine here.
 *  - cmekConfig is always empty, and its update answers UNIMPLEMENTED.
 *  - operations cannot be cancelled, deleted or filtered; batches are done before they are
 *    answered. Two calls with one requestId at the very same time may both create, and so may a
 *    repeat after a crash between the tasks' commit and the operation's; what is named is not
 *    created twice. The answer is the operation that was kept first.
 *  - Bodies are not kept with operations: FULL views are in the first answer alone.
 *  - `alt=media`, `alt=proto` and `callback` (JSONP) are not served; `prettyPrint` changes nothing.
 *  - Whether a project exists is not known here: only its form is checked. So it is with a service
 *    account where the caller is the deployment's owner; of others it must exist.
 *
 * Different by design:
 *  - Targets that the deployment may not call are refused when a task or queue is created.
 *  - pageSize above the maximum is taken as the maximum (the live behaviour is unconfirmed).
 *  - minBackoff, maxBackoff and maxRetryDuration keep microseconds; the reference text speaks of
 *    whole seconds, yet the live default is 0.1 s.
 *  - The task's own retryConfig, batchCreate, batchDelete and operations are served under v2 too,
 *    and the batches under v2beta2.
 *  - Pull queues: a queue is one thing in every version. v2 has no word for a pull queue, so its
 *    lists leave them out; by name it reads, pauses, purges and deletes them like any other.
 *    v2beta3 takes pull messages too, which the original only shows.
 *  - LeaseTasks may be called as often as one likes (the original: 10 times a second and queue). A
 *    lease lasts 1 s at least after truncation. `Prefer: wait=N` makes it wait (waiting-lease.ts).
 *  - v2beta2 has tasks:batchAcknowledge and tasks:batchRenewLease besides (leases.ts).
 *  - Tasks of a pull queue are leased without end unless maxAttempts says otherwise.
 *  - createTask and tasks:batchCreate take the header X-EdgeTasks-Transaction (transactions.ts): the
 *    tasks are there once the transaction is committed. A batch is then all or nothing, and its
 *    first refusal is the answer. Every other method refuses the header.
 *  - An explicit empty tag is a tag of its own, other than none.
 *
 * Quirks of clients that are met on purpose (wire-node-client.md):
 *  - Enums come as numbers and as names, and go as `$alt=json;enum-encoding=int` asks.
 *  - The Node client asks for locations under /v1, and patches with the body `""`.
 *  - Java clients send PATCH as POST with X-HTTP-Method-Override.
 *  - Field masks and field names come in camelCase and in snake_case.
 */
import type { Context } from "hono";
import type { Access } from "../../auth/iam/access.ts";
import { readConfig } from "../../core/config.ts";
import type { DomainError } from "../../core/result.ts";
import { fail } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import { echo, errorResponse, invalidResource, JSON_TYPE, unknownProject } from "../errors.ts";
import { LazyList } from "../lazy-list.ts";
import { readQuery } from "../query.ts";
import { readTransaction, TRANSACTION_HEADER, transactionRefused } from "../transactions.ts";
import { waitApplied } from "../waiting-lease.ts";
import type { Dialect } from "./dialect.ts";
import { selectFields } from "./field-mask.ts";
import { type Method, methodsOf, type Table, V1_METHODS } from "./methods.ts";
import { nameProblem, protectedResource, type Resource, readPath } from "./resource.ts";

type Handler = (context: Context<{ Bindings: Env }>, access: Access) => Promise<Response>;

/** Answers every path of one version. */
export function cloudTasksFace(dialect: Dialect): Handler {
  const methods = methodsOf(dialect);
  return (context, access) => answer(context, access, dialect, methods, dialect.version);
}

/**
 * Answers paths under /v1: locations, which the official Node client looks for there, and the
 * policies of projects.
 */
export function v1Face(dialect: Dialect): Handler {
  return (context, access) => answer(context, access, dialect, V1_METHODS, "v1");
}

async function answer(
  context: Context<{ Bindings: Env }>,
  access: Access,
  dialect: Dialect,
  table: Table,
  version: string,
): Promise<Response> {
  const request = context.req.raw;
  const url = cutUrl(request.url);
  const path = url.path.slice(version.length + 2);
  const resource = readPath(path);
  if (resource === null) return unknownPath(path, request, dialect);
  const methods = table[resource.kind] ?? {};
  const verb = httpVerb(request);
  const method = methods[resource.verb === "" ? verb : `${verb}:${resource.verb}`];
  if (method === undefined) return noSuchMethod(request, methods, resource);

  const problem = nameProblem(resource, {
    method: fullName(dialect, method.name),
    checksProject: method.name === "CreateQueue",
    isQueueParent: method.isQueueParent === true,
  });
  if (problem !== undefined) return errorResponse(problem);
  if (!access.isTrusted && method.permission !== null) {
    const verdict = access.require(method.permission, protectedResource(resource));
    const refusal = verdict instanceof Promise ? await verdict : verdict;
    if (refusal !== undefined) return errorResponse(refusal);
  }
  const query = readQuery(url.query, method.params ?? []);
  if (!query.ok) return errorResponse(query.error);
  const { fields } = query.value;
  if (fields !== "") {
    // Refused before the method runs: an error must not leave anything changed.
    const selection = selectFields({}, fields);
    if (!selection.ok) return errorResponse(selection.error);
  }
  const transaction = transactionOf(request, method, resource);
  if (transaction?.ok === false) return errorResponse(transaction.error);
  const result = await method.run({
    env: context.env,
    access,
    config: readConfig(context.env),
    request,
    dialect,
    resource,
    query: query.value,
    transaction: transaction?.value,
    nowUs: Date.now() * 1000,
    nowMs: () => Date.now(),
    ownHost: url.host,
  });
  if (!result.ok) return errorResponse(result.error);
  const headers = method.canWait === true ? waitApplied(request.headers) : {};
  if (fields === "") return jsonResponse(result.value, headers);
  // Lists that are written while they are sent are taken whole here: a part is to be picked.
  const selected = selectFields(JSON.parse(JSON.stringify(result.value)), fields);
  return selected.ok ? jsonResponse(selected.value, headers) : errorResponse(selected.error);
}

/** The transaction that a request names; undefined where it names none. */
function transactionOf(request: Request, { canTakePart }: Method, resource: Resource) {
  const value = request.headers.get(TRANSACTION_HEADER);
  if (value === null) return undefined;
  return canTakePart === true ? readTransaction(value, resource) : transactionRefused();
}

function jsonResponse(value: object, more: Readonly<Record<string, string>>): Response {
  const headers = { "content-type": JSON_TYPE, ...more };
  return new Response(lazyBody(value) ?? JSON.stringify(value), { headers });
}

/** The stream of an answer whose first field is a list that is written while it is sent. */
function lazyBody(value: object): ReadableStream<Uint8Array> | undefined {
  for (const name in value) {
    const list = (value as Readonly<Record<string, unknown>>)[name];
    return list instanceof LazyList ? list.stream(name) : undefined;
  }
  return undefined;
}

/** Host, path and query of a URL that the platform has normalised; nothing is decoded. */
function cutUrl(url: string): { host: string; path: string; query: string } {
  const hostStart = url.indexOf("//") + 2;
  const pathStart = url.indexOf("/", hostStart);
  const fragment = url.indexOf("#", pathStart);
  const end = fragment === -1 ? url.length : fragment;
  const question = url.indexOf("?", pathStart);
  const pathEnd = question === -1 || question > end ? end : question;
  return {
    host: url.slice(hostStart, pathStart),
    path: url.slice(pathStart, pathEnd),
    query: pathEnd === end ? "" : url.slice(pathEnd + 1, end),
  };
}

/**
 * HEAD is answered as GET is, its body dropped by the router; a POST may stand for another verb.
 */
function httpVerb(request: Request): string {
  if (request.method === "HEAD") return "GET";
  if (request.method !== "POST") return request.method;
  return request.headers.get("x-http-method-override")?.toUpperCase() ?? "POST";
}

function fullName(dialect: Dialect, method: string): string {
  return `${dialect.package}.CloudTasks.${method}`;
}

// ---- Paths that lead nowhere -----------------------------------------------------------------

/** The method that a path without a resource seems to mean, for its error (errors.md §2). */
function unknownPath(path: string, request: Request, dialect: Dialect): Response {
  const verb = httpVerb(request);
  const isProject = /^projects(\/|$)/.test(path);
  if (verb === "POST" && path.endsWith("/queues")) {
    const parent = path.slice(0, -"/queues".length);
    const project = /^projects\/([^/]+)/.exec(parent)?.[1] ?? parent;
    if (!isProject) return errorResponse(unknownProject(project).error);
  }
  const hasEmptyPart = path.includes("//") || path.endsWith("/");
  const isName = path !== "" && (!isProject || hasEmptyPart || path.includes("%"));
  if (isName || (verb === "POST" && path.endsWith("/tasks"))) {
    const method = path.endsWith("/tasks") ? "CreateTask" : "GetQueue";
    return errorResponse(invalidResource(fullName(dialect, method)).error);
  }
  return pathNotFound(request);
}

/** A path that no interface of this service has, in the shape of its other errors. */
export function pathNotFound(request: Request): Response {
  const { path } = cutUrl(request.url);
  const error: DomainError = fail(
    "NOT_FOUND",
    `The requested URL ${echo(path)} was not found on this server.`,
  ).error;
  return errorResponse(error);
}

function noSuchMethod(
  request: Request,
  methods: Readonly<Record<string, Method>>,
  { verb }: Resource,
): Response {
  const suffix = verb === "" ? "" : `:${verb}`;
  const verbs = Object.keys(methods)
    .filter((key) => (suffix === "" ? !key.includes(":") : key.endsWith(suffix)))
    .map((key) => key.slice(0, key.length - suffix.length));
  if (verbs.length === 0) return pathNotFound(request);
  const allow = [...verbs, ...(verbs.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  return errorResponse(
    fail("UNIMPLEMENTED", `The method ${request.method} is not allowed for this path.`).error,
    405,
    { allow },
  );
}
