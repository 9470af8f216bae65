/**
 * From a task as it is sent to what is stored: the rules of App Engine's service (rpc.md §4, §7) and
 * those of HTTP tasks (push.md §2), each refusal by the name that service has for it.
 */
import { appEngineHost } from "../../../core/app-engine-host.ts";
import {
  APP_ENGINE_CONTENT_TYPE,
  APP_ENGINE_USER_AGENT,
  HTTP_USER_AGENT,
  isServiceHeader,
} from "../../../core/header-rules.ts";
import { MAX_HEADERS_SIZE, MAX_TAG_LENGTH, MAX_URL_LENGTH } from "../../../core/limits.ts";
import {
  type AppEngineRouting,
  type AuthorizationToken,
  encodeMeta,
  type HttpMethod,
  type TaskMeta,
  type TaskSpec,
  type TaskTarget,
} from "../../../core/model.ts";
import { isTaskId, queuePath, tagFault } from "../../../core/names.ts";
import { checkTarget } from "../../../core/target-policy.ts";
import { MAX_STORED_TASK_SIZE, storedTaskSize, utf8Size } from "../../../core/task-size.ts";
import type { Call, Checked } from "./call.ts";
import { echo, invalidField, type Refusal } from "./errors.ts";
import { readRetryOptions } from "./retry-options.ts";
import type { TaskInput } from "./schema.ts";

type Context = Pick<Call, "queue" | "nowUs" | "config" | "ownHost">;
type Headers = Readonly<Record<string, string>>;
type HttpInput = NonNullable<TaskInput["http"]>;
type AppEngineInput = NonNullable<TaskInput["appEngine"]>;

/** Furthest time at which a task may run or become available (limits.md §3: 30 days). */
const MAX_DELAY_US = 30 * 86_400e6;
/** Largest payload of a pull task, bytes (limits.md §1). */
const MAX_PULL_PAYLOAD = 1_048_576;
/** Dispatch deadlines (limits.md §3; App Engine's own service has no extra 15 s). */
const DEADLINE_US = {
  http: { min: 15e6, max: 1800e6, text: "15 s to 30 min" },
  appEngine: { min: 15e6, max: 86_400e6, text: "15 s to 24 h" },
} as const;
/** What an id that the queue will give counts in a task's size. */
const GENERATED_ID_SIZE = 20;
const BODY_METHODS: Readonly<Record<"http" | "appEngine", readonly HttpMethod[]>> = {
  http: ["POST", "PUT", "PATCH"],
  appEngine: ["POST", "PUT"],
};

/** Checks and completes a task. `root` is its path in the body. */
export function readTaskSpec(input: TaskInput, root: string, context: Context): Checked<TaskSpec> {
  const { name, scheduleTimeUs } = input;
  const problem =
    nameProblem(name, `${root}.name`) ??
    timeProblem(scheduleTimeUs, `${root}.scheduleTimeUs`, context);
  if (problem !== undefined) return problem;
  const meta = readMeta(input, root, context);
  if (!meta.ok) return meta;
  const body = (input.pull ?? input.appEngine ?? input.http)?.payload;
  const tag = input.pull?.tag;
  const isPull = meta.value.target.kind === "pull";
  const spec: TaskSpec = {
    ...(name ? { id: name } : {}),
    ...(typeof scheduleTimeUs === "number" ? { scheduleTimeUs } : {}),
    meta: encodeMeta(meta.value),
    ...(body && body.length > 0 ? { body } : {}),
    ...(typeof tag === "string" ? { tag } : {}),
    queueType: isPull ? "PULL" : "PUSH",
    keepsPast: true,
  };
  return sizeProblem(spec, meta.value, root, context) ?? { ok: true, value: spec };
}

function readMeta(input: TaskInput, root: string, context: Context): Checked<TaskMeta> {
  const target = readTarget(input, root, context);
  if (!target.ok) return target;
  const { kind } = target.value;
  const retryConfig = readRetryOptions(input.retryOptions, kind, `${root}.retryOptions`);
  if (!retryConfig.ok) return retryConfig;
  const problem = deadlineProblem(input.dispatchDeadlineUs, kind, `${root}.dispatchDeadlineUs`);
  if (problem !== undefined) return problem;
  return {
    ok: true,
    value: {
      target: target.value,
      ...(input.dispatchDeadlineUs ? { dispatchDeadlineUs: input.dispatchDeadlineUs } : {}),
      ...(retryConfig.value === undefined ? {} : { retryConfig: retryConfig.value }),
    },
  };
}

// ---- Name, time, deadline, size ----------------------------------------------------------------

function nameProblem(name: string | null | undefined, field: string): Refusal | undefined {
  if (!name || isTaskId(name)) return undefined;
  return invalidField(
    field,
    `Invalid task name "${echo(name)}": it must have 1 to 500 characters of A-Z a-z 0-9 _ -.`,
    "INVALID_TASK_NAME",
  );
}

/** The past means now. */
function timeProblem(
  timeUs: number | null | undefined,
  field: string,
  { nowUs }: Context,
): Refusal | undefined {
  if (typeof timeUs !== "number" || (timeUs >= 0 && timeUs <= nowUs + MAX_DELAY_US)) {
    return undefined;
  }
  return invalidField(
    field,
    "The time must be microseconds since the epoch, at most 30 days from now.",
    "INVALID_ETA",
  );
}

function deadlineProblem(
  deadlineUs: number | null | undefined,
  kind: TaskTarget["kind"],
  field: string,
): Refusal | undefined {
  if (!deadlineUs) return undefined;
  if (kind === "pull") {
    return invalidField(
      field,
      "A pull task has no dispatch deadline.",
      "INVALID_DISPATCH_DEADLINE",
    );
  }
  const { min, max, text } = DEADLINE_US[kind];
  if (deadlineUs >= min && deadlineUs <= max) return undefined;
  return invalidField(
    field,
    `The dispatch deadline must be ${text}, in microseconds.`,
    "INVALID_DISPATCH_DEADLINE",
  );
}

function sizeProblem(
  spec: TaskSpec,
  meta: TaskMeta,
  root: string,
  { queue, nowUs }: Context,
): Refusal | undefined {
  const bodySize = spec.body?.length ?? 0;
  const isTooLarge =
    meta.target.kind === "pull"
      ? bodySize > MAX_PULL_PAYLOAD
      : storedTaskSize({
          nameSize:
            queuePath(queue).length + "/tasks/".length + (spec.id?.length ?? GENERATED_ID_SIZE),
          scheduleTimeUs: spec.scheduleTimeUs ?? nowUs,
          createTimeUs: nowUs,
          meta,
          bodySize,
        }) > MAX_STORED_TASK_SIZE;
  return isTooLarge ? invalidField(root, "Task size too large", "TASK_TOO_LARGE") : undefined;
}

// ---- Targets -----------------------------------------------------------------------------------

function readTarget(input: TaskInput, root: string, context: Context): Checked<TaskTarget> {
  const { pull, appEngine, http } = input;
  if ([pull, appEngine, http].filter(Boolean).length !== 1) {
    return invalidField(root, "A task has exactly one of pull, appEngine and http.");
  }
  if (pull) return readPull(pull.tag ?? "", `${root}.pull`);
  if (http) return readHttp(http, `${root}.http`, context);
  return readAppEngine(appEngine ?? {}, `${root}.appEngine`, context);
}

function readPull(tag: string, root: string): Checked<TaskTarget> {
  const fault = tagFault(tag);
  if (fault === null) return { ok: true, value: { kind: "pull" } };
  return invalidField(
    `${root}.tag`,
    fault === "too long"
      ? `A tag has at most ${MAX_TAG_LENGTH} characters.`
      : "A tag must be well-formed Unicode.",
    "INVALID_TAG",
  );
}

function readHttp(input: HttpInput, root: string, context: Context): Checked<TaskTarget> {
  const { config, ownHost } = context;
  const url = URL.parse(input.url);
  if (url === null || !/^https?:\/\//i.test(input.url)) {
    return invalidField(`${root}.url`, "The URL must be an http or https URL.", "INVALID_URL");
  }
  const reason =
    url.href.length > MAX_URL_LENGTH
      ? `The URL must have at most ${MAX_URL_LENGTH} characters after encoding.`
      : checkTarget(url, config, ownHost);
  if (reason !== null) return invalidField(`${root}.url`, reason, "INVALID_URL");
  const method = input.method ?? "POST";
  const problem = requestProblem("http", { ...input, method }, root);
  if (problem !== undefined) return problem;
  const headers: Record<string, string> = { "User-Agent": HTTP_USER_AGENT };
  for (const [name, value] of Object.entries(input.headers ?? {})) {
    if (!isServiceHeader(name) && name.toLowerCase() !== "user-agent") headers[name] = value;
  }
  const token = readToken(input, root);
  if (!token.ok) return token;
  return {
    ok: true,
    value: {
      kind: "http",
      url: input.url,
      method,
      headers,
      ...(token.value === undefined ? {} : { token: token.value }),
    },
  };
}

function readToken(
  { oidcToken, oauthToken }: HttpInput,
  root: string,
): Checked<AuthorizationToken | undefined> {
  if (oidcToken && oauthToken) {
    return invalidField(`${root}.oauthToken`, "A task has one token, oidcToken or oauthToken.");
  }
  const given = oidcToken ?? oauthToken;
  if (!given) return { ok: true, value: undefined };
  const { serviceAccountEmail } = given;
  if (serviceAccountEmail === "") {
    const field = `${root}.${oidcToken ? "oidcToken" : "oauthToken"}.serviceAccountEmail`;
    return invalidField(field, "A token needs a serviceAccountEmail.");
  }
  return {
    ok: true,
    value: oidcToken
      ? {
          kind: "oidc",
          serviceAccountEmail,
          ...(oidcToken.audience ? { audience: oidcToken.audience } : {}),
        }
      : {
          kind: "oauth",
          serviceAccountEmail,
          ...(oauthToken?.scope ? { scope: oauthToken.scope } : {}),
        },
  };
}

function readAppEngine(input: AppEngineInput, root: string, context: Context): Checked<TaskTarget> {
  const { config, queue } = context;
  const method = input.method ?? "POST";
  const relativeUri = input.relativeUrl || `/_ah/queue/${queue.queue}`;
  const problem =
    urlProblem(relativeUri, `${root}.relativeUrl`) ??
    requestProblem("appEngine", { ...input, method }, root);
  if (problem !== undefined) return problem;
  const routing = readRouting(input, root, context);
  if (!routing.ok) return routing;
  return {
    ok: true,
    value: {
      kind: "appEngine",
      relativeUri,
      method,
      headers: appEngineHeaders(input),
      routing: { ...routing.value, host: appEngineHost(routing.value, config, queue.project) },
      ...(input.failFast ? { failFast: true } : {}),
    },
  };
}

/** The defaults that are stored, and seen, from creation on (push.md §2). */
function appEngineHeaders({ headers = {}, payload }: AppEngineInput): Headers {
  const kept: Record<string, string> = {};
  const names = new Set<string>();
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (isServiceHeader(name)) continue;
    kept[name] = value;
    names.add(name.toLowerCase());
  }
  if (!names.has("user-agent")) kept["User-Agent"] = APP_ENGINE_USER_AGENT;
  if (payload && payload.length > 0) {
    if (!names.has("content-type")) kept["Content-Type"] = APP_ENGINE_CONTENT_TYPE;
    kept["Content-Length"] = String(payload.length);
  }
  return kept;
}

/**
 * Where a task goes: `target` is `[[instance.]version.]service`, and a Host is the same in front of
 * the app's domain. A host of another domain says nothing about services.
 */
function readRouting(
  { target, host }: AppEngineInput,
  root: string,
  { config, queue }: Context,
): Checked<AppEngineRouting> {
  if (target && host) {
    return invalidField(`${root}.host`, "A task has a target or a host, not both.");
  }
  if (!target && !host) return { ok: true, value: {} };
  const labels = target ? target : labelsOf(host ?? "", appEngineHost({}, config, queue.project));
  if (labels === "") return { ok: true, value: {} };
  const parts = labels.split(".").reverse();
  if (parts.length > 3 || !parts.every((part) => /^[A-Za-z\d][A-Za-z\d-]{0,99}$/.test(part))) {
    const field = `${root}.${target ? "target" : "host"}`;
    return invalidField(field, "The target must be of the form [[instance.]version.]service.");
  }
  const [service = "", version, instance] = parts;
  return {
    ok: true,
    value: {
      service,
      ...(version === undefined ? {} : { version }),
      ...(instance === undefined ? {} : { instance }),
    },
  };
}

function labelsOf(host: string, domain: string): string {
  const name = host.replace(/:\d+$/, "");
  return name.endsWith(`.${domain}`) ? name.slice(0, -domain.length - 1) : "";
}

function urlProblem(url: string, field: string): Refusal | undefined {
  const message = !url.startsWith("/")
    ? 'A relative URL must begin with "/".'
    : url.startsWith("//") || url.includes("#")
      ? "A relative URL has neither a host nor a fragment."
      : /\s/.test(url)
        ? "A relative URL must not contain spaces."
        : url.length > MAX_URL_LENGTH
          ? `A relative URL has at most ${MAX_URL_LENGTH} characters.`
          : undefined;
  return message === undefined ? undefined : invalidField(field, message, "INVALID_URL");
}

/** A name is an RFC 9110 token, and a value has no line break: it could not be sent otherwise. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LINE_BREAK = /[\0\r\n]/;

function requestProblem(
  kind: "http" | "appEngine",
  {
    method,
    headers,
    payload,
  }: Pick<AppEngineInput, "headers" | "payload"> & { method: HttpMethod },
  root: string,
): Refusal | undefined {
  if (payload && payload.length > 0 && !BODY_METHODS[kind].includes(method)) {
    return invalidField(`${root}.payload`, `A task with the method ${method} has no payload.`);
  }
  if (kind === "appEngine" && (method === "PATCH" || method === "OPTIONS")) {
    return invalidField(`${root}.method`, `${method} is not a method of App Engine tasks.`);
  }
  let size = 0;
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (!HEADER_NAME.test(name) || LINE_BREAK.test(value)) {
      return invalidField(`${root}.headers`, `Invalid header ${JSON.stringify(echo(name))}.`);
    }
    size += utf8Size(name) + utf8Size(value);
  }
  if (size < MAX_HEADERS_SIZE) return undefined;
  return invalidField(`${root}.headers`, "The headers must be less than 80 KB in total.");
}
