/**
 * From what a caller sends as a task to what is stored: the rules of push.md §2 and limits.md on
 * names, targets, headers, times and size, the same in every version of the interface.
 */
import { appEngineHost } from "../../core/app-engine-host.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import {
  APP_ENGINE_CONTENT_TYPE,
  APP_ENGINE_USER_AGENT,
  HTTP_USER_AGENT,
  isServiceHeader,
} from "../../core/header-rules.ts";
import { MAX_HEADERS_SIZE, MAX_TAG_LENGTH, MAX_URL_LENGTH } from "../../core/limits.ts";
import {
  type AppEngineRouting,
  type AuthorizationToken,
  encodeMeta,
  type HTTP_METHODS,
  type HttpMethod,
  type QueueName,
  type RetryConfig,
  type TaskMeta,
  type TaskSpec,
  type TaskTarget,
} from "../../core/model.ts";
import { isTaskId, queuePath, splitTaskPath, tagFault } from "../../core/names.ts";
import { createSettings } from "../../core/queue-settings.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { checkTarget } from "../../core/target-policy.ts";
import { MAX_STORED_TASK_SIZE, storedTaskSize, utf8Size } from "../../core/task-size.ts";
import {
  echo,
  invalidField,
  malformedTaskId,
  malformedTaskName,
  oneofConflict,
} from "../errors.ts";
import { camelCase, snakeCase, writePacificTime } from "../wire.ts";

type Headers = Readonly<Record<string, string>>;

export interface HttpRequestInput {
  readonly url?: string | undefined;
  readonly httpMethod?: (typeof HTTP_METHODS)[number] | undefined;
  readonly headers?: Headers | undefined;
  readonly body?: Uint8Array | undefined;
  readonly oidcToken?: OidcInput | null | undefined;
  readonly oauthToken?: OauthInput | null | undefined;
}

export interface AppEngineRequestInput {
  readonly relativeUri?: string | undefined;
  readonly httpMethod?: (typeof HTTP_METHODS)[number] | undefined;
  readonly headers?: Headers | undefined;
  readonly body?: Uint8Array | undefined;
  readonly appEngineRouting?: RoutingInput | null | undefined;
}

export interface RoutingInput {
  readonly service?: string | undefined;
  readonly version?: string | undefined;
  readonly instance?: string | undefined;
}

/** A task that a worker leases. */
export interface PullMessageInput {
  readonly payload?: Uint8Array | undefined;
  readonly tag?: string | undefined;
}

interface OidcInput {
  readonly serviceAccountEmail?: string | undefined;
  readonly audience?: string | undefined;
}

interface OauthInput {
  readonly serviceAccountEmail?: string | undefined;
  readonly scope?: string | undefined;
}

/** A task as the versions of the interface have it in common. */
export interface TaskInput {
  readonly name?: string | undefined;
  readonly httpRequest?: HttpRequestInput | null | undefined;
  readonly appEngineHttpRequest?: AppEngineRequestInput | null | undefined;
  readonly pullMessage?: PullMessageInput | null | undefined;
  readonly scheduleTimeUs?: number | undefined;
  readonly dispatchDeadlineUs?: number | undefined;
  readonly retryConfig?: Partial<RetryConfig> | undefined;
}

/** What a version calls the parts of a task, for errors: JSON names. */
export interface TaskWords {
  /** The members of the oneof that a task has exactly one of. */
  readonly payloads: readonly Payload[];
  readonly appEngineBody: "body" | "payload";
  readonly appEngineUri: "relativeUri" | "relativeUrl";
}

type Payload = "httpRequest" | "appEngineHttpRequest" | "pullMessage";

/** Where and when a task is created. */
export interface DraftContext {
  readonly words: TaskWords;
  readonly queue: QueueName;
  readonly nowUs: number;
  readonly config: DeploymentConfig;
  /** This service's own host, as the caller reached it. */
  readonly ownHost: string;
  /** The task within the request, for errors: `task`, `requests[3].task`. */
  readonly root: string;
}

/** A task ready to be stored, and its settled part once more in plain form, for the answer. */
export interface TaskDraft {
  readonly spec: TaskSpec;
  readonly meta: TaskMeta;
}

/** Furthest schedule time (limits.md §3: 720 h). */
const MAX_SCHEDULE_US = 720 * 3600 * 1e6;
/** Dispatch deadlines by target (limits.md §3). */
const DEADLINE_US = {
  http: { min: 15e6, max: 1800e6, text: "[15s, 30m]" },
  appEngine: { min: 15e6, max: 86_415e6, text: "[15s, 24h15s]" },
} as const;
/**
 * What an id that the queue will give counts in a task's size; the live service's have 20 digits.
 */
const GENERATED_ID_SIZE = 20;
/** A task with less than this in it cannot pass the size limit, whatever its defaults add. */
const SURELY_SMALL = 256 * 1024;

/** Checks and completes a task. INVALID_ARGUMENT with the texts of errors.md §2. */
export function draftTask(
  input: TaskInput | null | undefined,
  context: DraftContext,
): Result<TaskDraft> {
  if (input === null || input === undefined) {
    return invalidField(context.root, "Task is required.");
  }
  const id = readTaskId(input.name, context);
  if (!id.ok) return id;
  const target = readTarget(input, context);
  if (!target.ok) return target;
  const scheduleTimeUs = readScheduleTime(input.scheduleTimeUs, context);
  if (!scheduleTimeUs.ok) return scheduleTimeUs;
  const dispatchDeadlineUs = readDeadline(input.dispatchDeadlineUs, target.value.kind, context);
  if (!dispatchDeadlineUs.ok) return dispatchDeadlineUs;
  const retryConfig = readRetryConfig(input.retryConfig, context);
  if (!retryConfig.ok) return retryConfig;

  const body = bodyOf(input);
  const tag = input.pullMessage?.tag;
  const meta: TaskMeta = {
    target: target.value,
    ...(dispatchDeadlineUs.value === undefined
      ? {}
      : { dispatchDeadlineUs: dispatchDeadlineUs.value }),
    ...(retryConfig.value === undefined ? {} : { retryConfig: retryConfig.value }),
  };
  const spec: TaskSpec = {
    ...(id.value === undefined ? {} : { id: id.value }),
    ...(scheduleTimeUs.value === undefined ? {} : { scheduleTimeUs: scheduleTimeUs.value }),
    meta: encodeMeta(meta),
    ...(body === undefined || body.length === 0 ? {} : { body }),
    ...(tag === undefined ? {} : { tag }),
    queueType: target.value.kind === "pull" ? "PULL" : "PUSH",
  };
  return isTooLarge(spec, meta, context)
    ? fail("INVALID_ARGUMENT", "Task size too large")
    : ok({ spec, meta });
}

function bodyOf({ httpRequest, appEngineHttpRequest, pullMessage }: TaskInput) {
  return pullMessage ? pullMessage.payload : (httpRequest ?? appEngineHttpRequest)?.body;
}

// ---- Name, times, retries --------------------------------------------------------------------

function readTaskId(
  name: string | undefined,
  { queue, root }: DraftContext,
): Result<string | undefined> {
  if (name === undefined || name === "") return ok(undefined);
  const parts = splitTaskPath(name);
  if (parts === null) return malformedTaskName();
  if (parts.queuePath !== queuePath(queue)) {
    return invalidField(
      `${root}.name`,
      `The queue name from request ('${queuePath(queue)}') must be the same as the queue name ` +
        `in the named task ('${echo(parts.queuePath)}').`,
    );
  }
  return isTaskId(parts.id) ? ok(parts.id) : malformedTaskId(parts.id);
}

function readScheduleTime(
  timeUs: number | undefined,
  { nowUs, root }: DraftContext,
): Result<number | undefined> {
  // A past time means now, and "now" is the queue's to say.
  if (timeUs === undefined || timeUs <= nowUs) return ok(undefined);
  if (timeUs - nowUs <= MAX_SCHEDULE_US) return ok(timeUs);
  return invalidField(
    `${root}.schedule_time`,
    `The Task.scheduleTime, ${writePacificTime(timeUs)}, is too far in the future. ` +
      "Schedule time must be no more than 720h in the future.",
  );
}

function readDeadline(
  deadlineUs: number | undefined,
  kind: TaskTarget["kind"],
  { root }: DraftContext,
): Result<number | undefined> {
  if (deadlineUs === undefined || kind === "pull") return ok(undefined);
  // For App Engine 0 asks for the default (discovery v2 Task.dispatchDeadline).
  if (deadlineUs === 0 && kind === "appEngine") return ok(undefined);
  const truncated = Math.trunc(deadlineUs / 1000) * 1000;
  const { min, max, text } = DEADLINE_US[kind];
  if (truncated >= min && truncated <= max) return ok(truncated);
  return invalidField(
    `${root}.dispatch_deadline`,
    `Task.dispatchDeadline must be between ${text}.`,
  );
}

/**
 * A task's own retry settings stand for the queue's as a whole: what is not given is the default.
 */
function readRetryConfig(
  retryConfig: Partial<RetryConfig> | undefined,
  { config }: DraftContext,
): Result<RetryConfig | undefined> {
  if (retryConfig === undefined) return ok(undefined);
  const settings = createSettings({ retryConfig }, config);
  return settings.ok ? ok(settings.value.retryConfig) : settings;
}

// ---- Targets ---------------------------------------------------------------------------------

function readTarget(input: TaskInput, context: DraftContext): Result<TaskTarget> {
  const { httpRequest, appEngineHttpRequest, pullMessage } = input;
  if (httpRequest && appEngineHttpRequest) {
    return oneofConflict(context.root, "message_type", "httpRequest");
  }
  if (pullMessage && (httpRequest || appEngineHttpRequest)) {
    return oneofConflict(context.root, "payload_type", "pullMessage");
  }
  if (httpRequest) return readHttpTarget(httpRequest, context);
  if (appEngineHttpRequest) return readAppEngineTarget(appEngineHttpRequest, context);
  if (pullMessage) return readPullTarget(pullMessage, context);
  const { payloads } = context.words;
  const names = `${payloads.slice(0, -1).join(", ")} or ${payloads.at(-1)}`;
  return invalidField(context.root, `Task must have a target: ${names} is required.`);
}

/** What is wrong with a tag, as the rest of a sentence; undefined when nothing is. */
export function tagProblem(tag: string): string | undefined {
  const fault = tagFault(tag);
  if (fault === null) return undefined;
  return fault === "too long"
    ? `must be no longer than ${MAX_TAG_LENGTH} characters.`
    : "must be valid Unicode, without half characters.";
}

function readPullTarget({ tag = "" }: PullMessageInput, context: DraftContext): Result<TaskTarget> {
  const field = `${context.root}.pull_message.tag`;
  const problem = tagProblem(tag);
  if (problem !== undefined) return invalidField(field, `PullMessage.tag ${problem}`);
  return ok({ kind: "pull" });
}

/**
 * What a queue's refusal of a task of the wrong kind is to its caller: the field that does not fit.
 * Any other refusal stays as it is.
 */
export function explainMismatch<T>(
  result: Result<T>,
  { meta, spec }: TaskDraft,
  root: string,
): Result<T> {
  if (result.ok || result.error.code !== "INVALID_ARGUMENT") return result;
  if (result.error.cause !== "WRONG_QUEUE_TYPE") return result;
  const { kind } = meta.target;
  if (spec.queueType === "PULL") {
    return invalidField(
      `${root}.pull_message`,
      "Task.pullMessage can be set only on tasks of a pull queue.",
    );
  }
  const name = kind === "http" ? "http_request" : "app_engine_http_request";
  return invalidField(
    `${root}.${name}`,
    `Task.${camelCase(name)} cannot be set on tasks of a pull queue.`,
  );
}

function readHttpTarget(input: HttpRequestInput, context: DraftContext): Result<TaskTarget> {
  const root = `${context.root}.http_request`;
  const url = readUrl(input.url ?? "", context);
  if (!url.ok) return url;
  const method = readMethod(input.httpMethod);
  if (hasBody(input.body) && !HTTP_BODY_METHODS.has(method)) {
    return invalidField(
      `${root}.body`,
      `HttpRequest.body is not allowed with the method ${method}.`,
    );
  }
  const given = input.headers ?? {};
  const problem = headersProblem(given);
  if (problem !== undefined)
    return invalidField(`${root}.headers`, `HttpRequest.headers ${problem}`);
  const headers: Record<string, string> = { "User-Agent": HTTP_USER_AGENT };
  let size = 0;
  for (const name in given) {
    const value = given[name] ?? "";
    size += utf8Size(name) + utf8Size(value);
    // The service's own User-Agent replaces the caller's in what is stored already (push.md §2).
    if (!isServiceHeader(name) && name.toLowerCase() !== "user-agent") headers[name] = value;
  }
  if (size >= MAX_HEADERS_SIZE) {
    return invalidField(`${root}.headers`, "HttpRequest.headers must be less than 80KB in total.");
  }
  const token = readToken(input, root);
  if (!token.ok) return token;
  if (token.value?.serviceAccountEmail === "") {
    const [field, message] =
      token.value.kind === "oidc" ? ["oidc_token", "OidcToken"] : ["oauth_token", "OAuthToken"];
    return invalidField(
      `${root}.${field}.service_account_email`,
      `${message}.serviceAccountEmail is required.`,
    );
  }
  return ok({
    kind: "http",
    url: url.value,
    method,
    headers,
    ...(token.value === undefined ? {} : { token: token.value }),
  });
}

/** The URL as it was given; it is encoded when it is called, and its length counts encoded. */
/**
 * The last URL found right, and for whom: the tasks of a queue mostly go to one target, and taking a
 * URL apart is a good part of what checking a task costs.
 */
let lastUrl: { text: string; config: DeploymentConfig; ownHost: string | undefined } | undefined;

function readUrl(text: string, { config, ownHost, root }: DraftContext): Result<string> {
  const isKnown = lastUrl?.text === text && lastUrl.config === config;
  if (isKnown && lastUrl?.ownHost === ownHost) return ok(text);
  const field = `${root}.http_request.url`;
  if (text === "") return invalidField(field, "HttpRequest.url is required.");
  if (!/^https?:\/\//i.test(text)) {
    return invalidField(field, "HttpTarget.url must start with 'http://' or 'https://'.");
  }
  const url = URL.parse(text);
  if (url === null) return invalidField(field, "HttpRequest.url is not a valid URL.");
  if (url.href.length > MAX_URL_LENGTH) {
    return invalidField(
      field,
      `HttpRequest.url must be no longer than ${MAX_URL_LENGTH} characters after encoding.`,
    );
  }
  const reason = checkTarget(url, config, ownHost);
  if (reason !== null) return invalidField(field, `HttpRequest.url is not allowed. ${reason}`);
  lastUrl = { text, config, ownHost };
  return ok(text);
}

function readAppEngineTarget(
  input: AppEngineRequestInput,
  context: DraftContext,
): Result<TaskTarget> {
  const root = `${context.root}.app_engine_http_request`;
  const { appEngineBody, appEngineUri } = context.words;
  const method = readMethod(input.httpMethod);
  if (hasBody(input.body) && !APP_ENGINE_BODY_METHODS.has(method)) {
    return invalidField(
      `${root}.${appEngineBody}`,
      `AppEngineHttpRequest.${appEngineBody} is not allowed with the method ${method}.`,
    );
  }
  const relativeUri = input.relativeUri || "/";
  const uriProblem = relativeUriProblem(relativeUri);
  if (uriProblem !== undefined) {
    return invalidField(
      `${root}.${snakeCase(appEngineUri)}`,
      `AppEngineHttpRequest.${appEngineUri} ${uriProblem}`,
    );
  }
  const problem = headersProblem(input.headers ?? {});
  if (problem !== undefined) {
    return invalidField(`${root}.headers`, `AppEngineHttpRequest.headers ${problem}`);
  }
  const routing = readRouting(input.appEngineRouting);
  return ok({
    kind: "appEngine",
    relativeUri,
    method,
    headers: appEngineHeaders(input.headers ?? {}, input.body),
    routing: { ...routing, host: appEngineHost(routing, context.config, context.queue.project) },
  });
}

/** The defaults that are stored, and seen, from creation on (push.md §2, recorded). */
function appEngineHeaders(given: Headers, body: Uint8Array | undefined): Headers {
  const headers: Record<string, string> = {};
  const names = new Set<string>();
  for (const name in given) {
    if (isServiceHeader(name)) continue;
    headers[name] = given[name] ?? "";
    names.add(name.toLowerCase());
  }
  if (!names.has("user-agent")) headers["User-Agent"] = APP_ENGINE_USER_AGENT;
  if (hasBody(body)) {
    if (!names.has("content-type")) headers["Content-Type"] = APP_ENGINE_CONTENT_TYPE;
    headers["Content-Length"] = String(body.length);
  }
  return headers;
}

function relativeUriProblem(uri: string): string | undefined {
  if (!uri.startsWith("/")) return 'must begin with "/".';
  if (/\s/.test(uri)) return "must not contain spaces.";
  if (uri.length > MAX_URL_LENGTH) return `must be no longer than ${MAX_URL_LENGTH} characters.`;
  return undefined;
}

/** Routing without its output-only host; empty parts mean the default, as absent ones do. */
export function readRouting(input: RoutingInput | null | undefined): AppEngineRouting {
  return {
    ...(input?.service ? { service: input.service } : {}),
    ...(input?.version ? { version: input.version } : {}),
    ...(input?.instance ? { instance: input.instance } : {}),
  };
}

/** A body is allowed with these methods only (discovery v2 HttpRequest, AppEngineHttpRequest). */
const HTTP_BODY_METHODS: ReadonlySet<HttpMethod> = new Set(["POST", "PUT", "PATCH"]);
const APP_ENGINE_BODY_METHODS: ReadonlySet<HttpMethod> = new Set(["POST", "PUT"]);

function hasBody(body: Uint8Array | undefined): body is Uint8Array {
  return body !== undefined && body.length > 0;
}

function readMethod(method: (typeof HTTP_METHODS)[number] | undefined): HttpMethod {
  return method === undefined || method === "HTTP_METHOD_UNSPECIFIED" ? "POST" : method;
}

/** A name is an RFC 9110 token, and a value has no line break: it could not be sent otherwise. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LINE_BREAK = /[\0\r\n]/;

function headersProblem(headers: Headers): string | undefined {
  for (const name in headers) {
    if (!HEADER_NAME.test(name))
      return `has an invalid header name: ${JSON.stringify(echo(name))}.`;
    if (LINE_BREAK.test(headers[name] ?? "")) return `has an invalid value for the header ${name}.`;
  }
  return undefined;
}

/** A token as it was given; what must be in it differs between tasks and queues. */
export function readToken(
  input: Pick<HttpRequestInput, "oidcToken" | "oauthToken">,
  root: string,
): Result<AuthorizationToken | undefined> {
  const { oidcToken, oauthToken } = input;
  if (oidcToken && oauthToken) return oneofConflict(root, "authorization_header", "oidcToken");
  if (oidcToken) {
    const { serviceAccountEmail = "", audience } = oidcToken;
    return ok({ kind: "oidc", serviceAccountEmail, ...(audience ? { audience } : {}) });
  }
  if (oauthToken) {
    const { serviceAccountEmail = "", scope } = oauthToken;
    return ok({ kind: "oauth", serviceAccountEmail, ...(scope ? { scope } : {}) });
  }
  return ok(undefined);
}

// ---- Size ------------------------------------------------------------------------------------

function isTooLarge(spec: TaskSpec, meta: TaskMeta, { queue, nowUs }: DraftContext): boolean {
  const bodySize = spec.body?.length ?? 0;
  // A character is at most three bytes of UTF-8, and names are short.
  if (bodySize + spec.meta.length * 3 < SURELY_SMALL) return false;
  const size = storedTaskSize({
    nameSize: queuePath(queue).length + "/tasks/".length + (spec.id?.length ?? GENERATED_ID_SIZE),
    scheduleTimeUs: spec.scheduleTimeUs ?? nowUs,
    createTimeUs: nowUs,
    meta,
    bodySize,
    ...(spec.tag === undefined ? {} : { tag: spec.tag }),
  });
  return size > MAX_STORED_TASK_SIZE;
}
