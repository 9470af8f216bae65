/** The HTTP side of the Worker: what is mounted where, and who may call it. */
import { type Context, Hono } from "hono";
import { ADMIN_PATHS, adminFace } from "./auth/admin/routes.ts";
import { authenticate, hasNoCredential } from "./auth/authenticate.ts";
import { isBound } from "./auth/bound.ts";
import { type Caller, OWNER } from "./auth/caller.ts";
import { type Access, accessOf, strangersAccess } from "./auth/iam/access.ts";
import { scopeRefusal } from "./auth/scopes.ts";
import { answerToken } from "./auth/token/routes.ts";
import { type DomainError, fail, type Result } from "./core/result.ts";
import type { Env } from "./env.ts";
import { exportQueueFile, uploadQueueFile } from "./protocol/cloudtasks/queue-upload.ts";
import { cloudTasksFace, pathNotFound, v1Face } from "./protocol/cloudtasks/routes.ts";
import { v2 } from "./protocol/cloudtasks/v2/dialect.ts";
import { v2beta2 } from "./protocol/cloudtasks/v2beta2/dialect.ts";
import { v2beta3 } from "./protocol/cloudtasks/v2beta3/dialect.ts";
import { mountDiscovery } from "./protocol/discovery/routes.ts";
import * as edgeTasksErrors from "./protocol/edgetasks/queues/errors.ts";
import { queuesFace } from "./protocol/edgetasks/queues/routes.ts";
import { edgeTasksFace } from "./protocol/edgetasks/routes.ts";
import { errorResponse, JSON_TYPE } from "./protocol/errors.ts";
import { answerHandlerKeys, HANDLER_KEYS_PATHS } from "./protocol/handlers/routes.ts";
import { mountWellKnown } from "./protocol/handlers/well-known.ts";
import { answerBatch, type BatchService } from "./protocol/http-batch.ts";
import { rpcFace } from "./protocol/rpc/routes.ts";
import * as taskQueueErrors from "./protocol/taskqueue/errors.ts";
import { taskQueueFace } from "./protocol/taskqueue/routes.ts";
import { answerWaiting } from "./protocol/waiting-client.ts";
import { readWait, waitApplied } from "./protocol/waiting-lease.ts";

type App = { Bindings: Env };

/**
 * Builds the router. Open to anyone: what this is, health, the public keys, and the discovery
 * documents; the rest asks for credentials.
 */
export function createApp(): Hono<App> {
  const app = new Hono<App>();
  app.get("/", (context) =>
    context.json({
      service: "edgetasks",
      description: "Google Cloud Tasks on Cloudflare Workers and Durable Objects",
      apis: ["/v2", "/v2beta2", "/v2beta3", "/taskqueue/v1beta2", "/rpc_http", "/edgetasks/v1"],
      discovery: "/discovery/v1/apis",
    }),
  );
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  mountWellKnown(app, Date.now);
  mountDiscovery(app);

  app.all("/token", answerToken);
  for (const path of ADMIN_PATHS) app.all(path, guarded(adminFace));
  app.all("/v1/*", guarded(v1Face(v2)));
  app.all("/v2/*", guarded(cloudTasksFace(v2)));
  app.all("/v2beta2/*", guarded(withWaiting(cloudTasksFace(v2beta2))));
  app.all("/v2beta3/*", guarded(cloudTasksFace(v2beta3)));
  for (const path of HANDLER_KEYS_PATHS) app.all(path, guarded(handlerKeys));
  app.all(
    "/edgetasks/v1/projects/:project/locations/:location/queues/*",
    guarded(withWaiting(queuesFace)),
  );
  app.all("/edgetasks/v1/*", guarded(edgeTasksFace));
  app.all("/api/queue/update", guarded(uploadQueueFile));
  app.all("/api/queue/export", guarded(exportQueueFile));
  app.all("/taskqueue/v1beta2/projects/*", guarded(withWaiting(taskQueueFace)));
  // Its credential is inside the envelope, and so are its errors.
  app.all("/rpc_http", rpcFace);
  app.all("/rpc_http/*", rpcFace);
  app.all("/batch", guarded(batchOf(app, () => true)));
  app.all("/batch/taskqueue/v1beta2", guarded(batchOf(app, isTaskQueuePath)));
  app.notFound(({ req }) => errorsOf(req.path).pathNotFound(req.raw));
  app.onError((error, { req }) => errorsOf(req.path).errorResponse(platformFailure(error)));
  return app;
}

/** A binding to this Worker is made by who deploys it. */
const BOUND: Result<Caller> = { ok: true, value: OWNER };

type Handler = (context: Context<App>, access: Access) => Promise<Response>;

/**
 * Lets callers through with what they may do; a face asks for the permissions of its methods
 * (auth/iam/access.ts). A wrapper, not a middleware: a route with one handler is the router's short
 * way.
 */
function guarded(handler: Handler): (context: Context<App>) => Promise<Response> {
  return async (context) => {
    const { raw, path } = context.req;
    const nowMs = Date.now();
    const verdict = isBound(raw) ? BOUND : authenticate(raw, context.env, nowMs);
    // Most verdicts are at hand; waiting for those would cost every request a turn.
    const caller = verdict instanceof Promise ? await verdict : verdict;
    if (!caller.ok) {
      const { error } = caller;
      if (hasNoCredential(error)) return answerStranger(handler, context, error, nowMs);
      return errorsOf(path).callerRefused(error, raw);
    }
    const refusal = scopeRefusal(caller.value, path);
    if (refusal !== undefined) return errorsOf(path).callerRefused(refusal, raw);
    return handler(context, accessOf(caller.value, context.env, nowMs * 1000));
  };
}

/**
 * Policies can open something to everyone. Whatever a handler answers that found nothing so open is
 * not for strangers: they are asked for a credential, on right and wrong paths alike.
 */
async function answerStranger(
  handler: Handler,
  context: Context<App>,
  refusal: DomainError,
  nowMs: number,
): Promise<Response> {
  const access = strangersAccess(refusal, context.env, nowMs * 1000);
  const response = await handler(context, access);
  if (access.wasGranted) return response;
  const { raw, path } = context.req;
  return errorsOf(path).callerRefused(refusal, raw);
}

/** The keys by which handlers know this deployment; answers hold secrets, so nothing keeps them. */
async function handlerKeys(
  { req: { raw: request, path }, env }: Context<App>,
  access: Access,
): Promise<Response> {
  const answer = await answerHandlerKeys({ request, path, env, access });
  const headers = {
    "content-type": JSON_TYPE,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  if (!answer.ok) return errorResponse(answer.error);
  return new Response(JSON.stringify(answer.value), { headers });
}

/** Lets a lease that may wait know whether its client is still there. */
function withWaiting(handler: Handler): Handler {
  return (context, access) => {
    const { raw, path } = context.req;
    if (!readWait(raw.headers) || !/\/tasks[:/]lease$/.test(path)) return handler(context, access);
    return answerWaiting(raw, () => handler(context, access), {
      headers: { "content-type": JSON_TYPE, ...waitApplied(raw.headers) },
      waitUntil: (work) => context.executionCtx.waitUntil(work),
    });
  };
}

/**
 * Answers batches with this app itself, which judges each part as a request of its own; `accepts`
 * says which paths parts may ask for. Strangers send no batches: nothing in one could be taken back.
 */
function batchOf(app: Hono<App>, accepts: BatchService["accepts"]): Handler {
  return async (context, access) => {
    if (access.stranger !== undefined) return errorResponse(access.stranger);
    const { req, env, executionCtx } = context;
    return answerBatch(req.raw, {
      execute: (part) => app.fetch(part, env, executionCtx),
      accepts,
      refuse: errorsOf(req.path).errorResponse,
    });
  };
}

// ---- Errors, each in the shape of the interface whose path was asked for -----------------------

const CLOUD_TASKS_ERRORS = { errorResponse, pathNotFound, callerRefused };

function errorsOf(path: string) {
  if (isQueuesPath(path)) return edgeTasksErrors;
  const isTaskQueue = isTaskQueuePath(path) || path.startsWith("/batch/taskqueue/");
  return isTaskQueue ? taskQueueErrors : CLOUD_TASKS_ERRORS;
}

/** Errors there have reasons of their own. */
function isQueuesPath(path: string): boolean {
  return /^\/edgetasks\/v1\/projects\/[^/]+\/locations\/[^/]+\/queues\//.test(path);
}

function isTaskQueuePath(path: string): boolean {
  return path.startsWith("/taskqueue/");
}

function callerRefused(refusal: DomainError): Response {
  const isUnknown = refusal.code === "UNAUTHENTICATED";
  return errorResponse(refusal, undefined, isUnknown ? { "www-authenticate": "Bearer" } : {});
}

/**
 * A thrown error is the platform's or a bug's: an object that is overloaded or restarting may be
 * asked again.
 */
function platformFailure(error: Error): DomainError {
  const { retryable, overloaded } = error as { retryable?: unknown; overloaded?: unknown };
  if (retryable === true || overloaded === true) {
    return fail("UNAVAILABLE", "The service is currently unavailable.").error;
  }
  console.error("unexpected failure", error.stack ?? error.message);
  return fail("INTERNAL", "Internal error encountered.").error;
}
