/** The HTTP side of the Worker: what is mounted where, and who may call it. */
import { type Context, Hono } from "hono";
import { authorize } from "./auth/bearer.ts";
import { isBound } from "./auth/bound.ts";
import { readConfig } from "./core/config.ts";
import { type DomainError, fail } from "./core/result.ts";
import type { Env } from "./env.ts";
import { errorResponse, JSON_TYPE } from "./protocol/cloudtasks/errors.ts";
import { uploadQueueYaml } from "./protocol/cloudtasks/queue-upload.ts";
import { cloudTasksFace, locationsFace, pathNotFound } from "./protocol/cloudtasks/routes.ts";
import { v2 } from "./protocol/cloudtasks/v2/dialect.ts";
import { v2beta2 } from "./protocol/cloudtasks/v2beta2/dialect.ts";
import { v2beta3 } from "./protocol/cloudtasks/v2beta3/dialect.ts";
import { mountDiscovery } from "./protocol/discovery/routes.ts";
import * as edgeTasksErrors from "./protocol/edgetasks/queues/errors.ts";
import { queuesFace } from "./protocol/edgetasks/queues/routes.ts";
import { answerBatch, type BatchService } from "./protocol/http-batch.ts";
import * as taskQueueErrors from "./protocol/taskqueue/errors.ts";
import { taskQueueFace } from "./protocol/taskqueue/routes.ts";
import { answerWaiting } from "./protocol/waiting-client.ts";
import { readWait, waitApplied } from "./protocol/waiting-lease.ts";
import { keyStub } from "./stubs.ts";

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
      apis: ["/v2", "/v2beta2", "/v2beta3", "/taskqueue/v1beta2", "/edgetasks/v1"],
      discovery: "/discovery/v1/apis",
    }),
  );
  app.get("/healthz", (context) => context.json({ status: "ok" }));
  app.get("/.well-known/jwks.json", async (context) => {
    const keys = await keyStub(context.env).publicKeys();
    return context.json(keys, 200, { "cache-control": "public, max-age=300" });
  });
  app.get("/.well-known/openid-configuration", (context) => {
    const { issuer } = readConfig(context.env);
    const { origin } = new URL(context.req.url);
    return context.json(openIdConfiguration(issuer, origin), 200, {
      "cache-control": "public, max-age=300",
    });
  });

  mountDiscovery(app);

  app.all("/v1/*", guarded(locationsFace(v2)));
  app.all("/v2/*", guarded(cloudTasksFace(v2)));
  app.all("/v2beta2/*", guarded(withWaiting(cloudTasksFace(v2beta2))));
  app.all("/v2beta3/*", guarded(cloudTasksFace(v2beta3)));
  app.all("/api/queue/update", guarded(uploadQueueYaml));
  app.all("/taskqueue/v1beta2/projects/*", guarded(withWaiting(taskQueueFace)));
  app.all(
    "/edgetasks/v1/projects/:project/locations/:location/queues/*",
    guarded(withWaiting(queuesFace)),
  );
  app.all("/batch", guarded(batchOf(app, () => true)));
  app.all("/batch/taskqueue/v1beta2", guarded(batchOf(app, isTaskQueuePath)));
  app.notFound(({ req }) => errorsOf(req.path).pathNotFound(req.raw));
  app.onError((error, { req }) => errorsOf(req.path).errorResponse(platformFailure(error)));
  return app;
}

type Handler = (context: Context<App>) => Promise<Response>;

/**
 * Lets known callers through. A wrapper, not a middleware: a route with one handler is the router's
 * short way.
 */
function guarded(handler: Handler): Handler {
  return async (context) => {
    if (isBound(context.req.raw)) return handler(context);
    const verdict = authorize(context.req.raw, readConfig(context.env));
    // Most verdicts are at hand; waiting for those would cost every request a turn.
    const refusal = verdict instanceof Promise ? await verdict : verdict;
    if (refusal === undefined) return handler(context);
    return errorsOf(context.req.path).callerRefused(refusal, context.req.raw);
  };
}

/** Lets a lease that may wait know whether its client is still there. */
function withWaiting(handler: Handler): Handler {
  return (context) => {
    const { raw, path } = context.req;
    if (!readWait(raw.headers) || !/\/tasks[:/]lease$/.test(path)) return handler(context);
    return answerWaiting(raw, () => handler(context), {
      headers: { "content-type": JSON_TYPE, ...waitApplied(raw.headers) },
      waitUntil: (work) => context.executionCtx.waitUntil(work),
    });
  };
}

/** Answers batches with this app itself; `accepts` says which paths their parts may ask for. */
function batchOf(app: Hono<App>, accepts: BatchService["accepts"]): Handler {
  return ({ req, env, executionCtx }) =>
    answerBatch(req.raw, {
      execute: (part) => app.fetch(part, env, executionCtx),
      accepts,
      refuse: errorsOf(req.path).errorResponse,
    });
}

// ---- Errors, each in the shape of the interface whose path was asked for -----------------------

const CLOUD_TASKS_ERRORS = { errorResponse, pathNotFound, callerRefused };

function errorsOf(path: string) {
  if (path.startsWith("/edgetasks/")) return edgeTasksErrors;
  const isTaskQueue = isTaskQueuePath(path) || path.startsWith("/batch/taskqueue/");
  return isTaskQueue ? taskQueueErrors : CLOUD_TASKS_ERRORS;
}

function isTaskQueuePath(path: string): boolean {
  return path.startsWith("/taskqueue/");
}

function callerRefused(refusal: DomainError): Response {
  const isUnknown = refusal.code === "UNAUTHENTICATED";
  return errorResponse(refusal, undefined, isUnknown ? { "www-authenticate": "Bearer" } : {});
}

/**
 * What a handler of webhooks needs to verify the identity tokens it gets (OpenID Connect Discovery
 * 1.0 §3).
 */
function openIdConfiguration(issuer: string, origin: string) {
  return {
    issuer,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    claims_supported: ["iss", "sub", "aud", "email", "email_verified", "iat", "exp"],
  };
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
