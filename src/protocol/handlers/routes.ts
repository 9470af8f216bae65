/**
 * The keys by which handlers know this deployment, for those who run it:
 *
 *   GET  /edgetasks/v1/keys                       the signing keys of identity tokens
 *   POST /edgetasks/v1/keys:rotate                {activateAfter?: "3600s", revokeOthers?: true}
 *   GET  /edgetasks/v1/{queue}/signingSecrets     the secrets that sign the queue's webhooks now
 *   POST /edgetasks/v1/{queue}:rotateSigningSecret    {overlap?: "86400s"}; answers the secrets
 *   POST /edgetasks/v1/{queue}:enableSigning, :disableSigning
 *
 * {queue} is projects/P/locations/L/queues/Q. The keys are the deployment's and so are for the holder
 * of its own token; the rest needs cloudtasks.queues.update on the queue. Answers hold secrets and are
 * never kept by a cache.
 *
 * Gap: the root of all webhook secrets cannot be replaced; rotate the queues' secrets.
 */
import { z } from "zod";
import type { Access } from "../../auth/iam/access.ts";
import { queueResource } from "../../auth/iam/resource.ts";
import {
  KEY_LEAD_MS,
  MAX_KEY_LEAD_MS,
  MAX_WEBHOOK_OVERLAP_US,
  WEBHOOK_OVERLAP_US,
} from "../../core/limits.ts";
import type { QueueName, QueueRecord, WebhookSigning } from "../../core/model.ts";
import { parseQueuePath } from "../../core/names.ts";
import { type DomainError, fail, ok, type Result } from "../../core/result.ts";
import { liveGenerations, type SigningChange, signingOf } from "../../core/webhook-signing.ts";
import type { SigningKeyInfo } from "../../dispatch/key-service.ts";
import type { Env } from "../../env.ts";
import { accessStub, keyStub, queueStub, registryStub } from "../../stubs.ts";
import { readBounded } from "../bounded-body.ts";

/** One request, its sender verified. */
export interface HandlerKeysCall {
  readonly request: Request;
  /** As it came, percent escapes and all. */
  readonly path: string;
  readonly env: Env;
  readonly access: Access;
}

const PREFIX = "/edgetasks/v1/";

/** What is to be mounted, in the router's language. */
export const HANDLER_KEYS_PATHS = [
  "keys",
  "keys:rotate",
  "projects/:project/locations/:location/queues/:queue/signingSecrets",
  "projects/:project/locations/:location/queues/:queueAndVerb{[^/]+:(?:rotateSigningSecret|enableSigning|disableSigning)}",
].map((path) => PREFIX + path);

/** The answer, or why there is none. NOT_FOUND for a path that is none of these. */
export async function answerHandlerKeys(call: HandlerKeysCall): Promise<Result<object>> {
  const path = decoded(call.path.slice(PREFIX.length));
  if (path === "keys" || path === "keys:rotate") return answerKeys(call, path);
  const found = queueMethod(path);
  const name = found === undefined ? null : parseQueuePath(found.queuePath);
  if (found === undefined || name === null) return fail("NOT_FOUND", "Not found.");
  return answerQueue(call, name, found.method);
}

/** A project's id may have a colon, which clients escape. What cannot be decoded names nothing. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "";
  }
}

// ---- The deployment's signing keys -------------------------------------------------------------

async function answerKeys(call: HandlerKeysCall, path: "keys" | "keys:rotate") {
  if (!call.access.isTrusted) {
    return fail("PERMISSION_DENIED", "Only the holder of the deployment's own token may do this.");
  }
  const isList = path === "keys";
  const wrong = wrongHttpMethod(call.request, isList ? "GET" : "POST");
  if (wrong !== undefined) return wrong;
  const stub = keyStub(call.env);
  if (isList) return ok(showKeys(await stub.listKeys()));
  const body = await readMessage(call.request, ROTATE_KEYS);
  if (!body.ok) return body;
  const { activateAfter: activateAfterMs = KEY_LEAD_MS, revokeOthers = false } = body.value;
  const rotated = await stub.rotateKeys({ activateAfterMs, revokeOthers });
  // No project's record has a place for what concerns them all.
  console.log(
    JSON.stringify({
      severity: "NOTICE",
      message: "keys.rotate",
      actor: call.access.actor,
      revokeOthers,
      ok: rotated.ok,
    }),
  );
  return rotated.ok ? ok(showKeys(rotated.value)) : copyOf(rotated.error);
}

function showKeys(keys: readonly SigningKeyInfo[]) {
  return {
    keys: keys.map(({ kid, state, createdMs, signsFromMs, retiresMs }) => ({
      kid,
      state,
      createTime: timeText(createdMs),
      activateTime: timeText(signsFromMs),
      ...(retiresMs === undefined ? {} : { retireTime: timeText(retiresMs) }),
    })),
  };
}

// ---- A queue's webhook secrets -----------------------------------------------------------------

const QUEUE_METHODS = {
  "/signingSecrets": "GET",
  ":rotateSigningSecret": "POST",
  ":enableSigning": "POST",
  ":disableSigning": "POST",
} as const;
type QueueMethod = keyof typeof QUEUE_METHODS;

function queueMethod(path: string): { queuePath: string; method: QueueMethod } | undefined {
  const [, queuePath, method] = /^(projects\/.+?)([/:][A-Za-z]+)$/.exec(path) ?? [];
  const isKnown = method !== undefined && Object.hasOwn(QUEUE_METHODS, method);
  if (queuePath === undefined || !isKnown) return undefined;
  return { queuePath, method: method as QueueMethod };
}

async function answerQueue(
  call: HandlerKeysCall,
  name: QueueName,
  method: QueueMethod,
): Promise<Result<object>> {
  const refusal = await call.access.require("cloudtasks.queues.update", queueResource(name));
  if (refusal !== undefined) return { ok: false, error: refusal };
  const wrong = wrongHttpMethod(call.request, QUEUE_METHODS[method]);
  if (wrong !== undefined) return wrong;
  const record = await recordFor(call, name, method);
  if (!record.ok) return copyOf(record.error);
  return ok(await showSecrets(call, name, signingOf(record.value.settings)));
}

/** The queue, after the change that the method asks for. */
async function recordFor(
  { env, request, access }: HandlerKeysCall,
  name: QueueName,
  method: QueueMethod,
): Promise<Result<QueueRecord>> {
  const found = await queueStub(env, name).getQueue();
  if (!found.ok || method === "/signingSecrets") return found;
  const change = await readChange(request, method);
  if (!change.ok) return change;
  // Recorded first: a change that then fails leaves a record too many, not one too few.
  const audit = {
    method: `queues.${method.slice(1)}`,
    resource: `locations/${name.location}/queues/${name.queue}`,
  };
  const recorded = await accessStub(env, name.project).recordChange(audit, access.actor);
  return recorded.ok ? registryStub(env, name).changeSigning(name.queue, change.value) : recorded;
}

async function readChange(
  request: Request,
  method: Exclude<QueueMethod, "/signingSecrets">,
): Promise<Result<SigningChange>> {
  if (method === ":rotateSigningSecret") {
    const body = await readMessage(request, ROTATE_SECRET);
    if (!body.ok) return body;
    const { overlap } = body.value;
    return ok({ kind: "rotate", overlapUs: overlap === undefined ? WEBHOOK_OVERLAP_US : overlap });
  }
  const body = await readMessage(request, NOTHING);
  return body.ok ? ok({ kind: method === ":enableSigning" ? "enable" : "disable" }) : body;
}

/** The newest secret first. Those of a queue that does not sign are what it would sign with. */
async function showSecrets({ env }: HandlerKeysCall, name: QueueName, signing: WebhookSigning) {
  const generations = liveGenerations(signing, Date.now() * 1000);
  const secrets = await keyStub(env).webhookSecrets(name, generations);
  const { enabled, previous } = signing;
  return {
    enabled,
    secrets: generations.map((generation, index) => ({
      secret: secrets[index],
      ...(generation === 0 ? {} : { createTime: timeText(generation / 1000) }),
      ...(generation === previous?.generation
        ? { expireTime: timeText(previous.untilUs / 1000) }
        : {}),
    })),
  };
}

// ---- Messages ----------------------------------------------------------------------------------

/** The largest body that is read, in bytes: there is little to say. */
const MAX_BODY = 16 * 1024;

const UNIT_MS = 1;
const UNIT_US = 1000;

/** A duration of JSON, such as `3600s`, in the unit given (thousandths of a second, or of those). */
function duration(unitsPerMs: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,9}(\.\d{1,3})?s$/, "must be a duration such as 3600s")
    .transform((text) => Math.round(Number(text.slice(0, -1)) * 1000) * unitsPerMs)
    .refine((value) => value <= most, `must be at most ${most / unitsPerMs / 1000}s`);
}

const ROTATE_KEYS = z.strictObject({
  activateAfter: duration(UNIT_MS, MAX_KEY_LEAD_MS).optional(),
  revokeOthers: z.boolean().optional(),
});
const ROTATE_SECRET = z.strictObject({
  overlap: duration(UNIT_US, MAX_WEBHOOK_OVERLAP_US).optional(),
});
const NOTHING = z.strictObject({});

/** INVALID_ARGUMENT with the field's name; nothing at all is an empty message. */
async function readMessage<T>(request: Request, shape: z.ZodType<T>): Promise<Result<T>> {
  const bytes = await readBounded(request, MAX_BODY);
  if (bytes === undefined) {
    return fail("INVALID_ARGUMENT", `Request payload size exceeds the limit: ${MAX_BODY} bytes.`);
  }
  let value: unknown = {};
  try {
    if (bytes.length > 0) value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return fail("INVALID_ARGUMENT", "Invalid JSON payload received.");
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  const message = issue?.message ?? "Invalid value";
  return fail("INVALID_ARGUMENT", field === "" ? `${message}.` : `${field}: ${message}.`);
}

function wrongHttpMethod(request: Request, expected: "GET" | "POST"): Result<never> | undefined {
  if (request.method === expected) return undefined;
  return fail("INVALID_ARGUMENT", `This is asked for with ${expected}, not ${request.method}.`);
}

/** What came over RPC is rebuilt, not relayed. */
function copyOf({ code, message }: DomainError): Result<never> {
  return { ok: false, error: { code, message } };
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
