/** The rules of a task (App Engine's Task constructor; rpc.md §5). What breaks one is never sent. */
import {
  InvalidDispatchDeadlineError,
  InvalidEtaError,
  InvalidTagError,
  InvalidTaskError,
  InvalidTaskNameError,
  InvalidUrlError,
  TaskTooLargeError,
} from "./errors.ts";
import { HeaderList } from "./header-list.ts";
import * as limits from "./limits.ts";
import { encodeParams, encodePayload, FORM_TYPE, type Payload } from "./payload.ts";
import { TaskRetryOptions } from "./retry-options.ts";
import type { AnyTaskOptions, TaskMethod } from "./task-options.ts";
import type { TaskState } from "./task-state.ts";
import { microsecondsOf } from "./time.ts";

const METHODS: readonly TaskMethod[] = [
  "POST",
  "GET",
  "HEAD",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "PULL",
];
const BODY_METHODS: readonly TaskMethod[] = ["POST", "PUT", "PATCH", "PULL"];
/** Methods that App Engine has no tasks for; an absolute URL may have them. */
const HTTP_ONLY: readonly TaskMethod[] = ["PATCH", "OPTIONS"];

/** A task as its options say, at a time in milliseconds. */
export function settle(options: AnyTaskOptions, nowMs: number): TaskState {
  const method = readMethod(options.method);
  const { payload, params } = readContents(options, method);
  checkPull(options, method);
  const address = method === "PULL" ? undefined : readUrl(options, method, params);
  const headers = new HeaderList(options.headers);
  const isForm = params !== undefined && method === "POST";
  if (isForm) headers.setDefault("content-type", FORM_TYPE);
  else if (payload?.contentType !== undefined && method !== "PULL") {
    headers.setDefault("content-type", payload.contentType);
  }
  checkTarget(options, headers, address?.isAbsolute === true);
  const bytes =
    payload?.bytes ?? (isInBody(method) && params !== undefined ? bytesOf(params) : undefined);
  const { eta, countdown } = options;
  const isTimed = (eta !== undefined && eta !== null) || typeof countdown === "number";
  const state: TaskState = {
    method,
    ...(bytes === undefined ? {} : { payload: bytes }),
    headers,
    ...(address?.url === undefined ? {} : { url: address.url }),
    isAbsolute: address?.isAbsolute === true,
    etaUs: readEta(options, nowMs),
    isTimed,
    ...readName(options.name),
    ...readTag(options.tag, method),
    ...(options.target === undefined ? {} : { target: options.target }),
    ...readRetryOptions(options, method),
    ...readDeadline(options.dispatchDeadline, address?.isAbsolute === true),
    ...(options.oidcToken === undefined ? {} : { oidcToken: options.oidcToken }),
    ...(options.oauthToken === undefined ? {} : { oauthToken: options.oauthToken }),
    retryCount: 0,
    wasEnqueued: false,
    wasDeleted: false,
  };
  checkSize(state);
  return state;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

// ---- Method, payload, parameters ---------------------------------------------------------------

function readMethod(method: AnyTaskOptions["method"]): TaskMethod {
  const read = (method ?? "POST").toUpperCase() as TaskMethod;
  if (!METHODS.includes(read)) throw new InvalidTaskError(`Invalid method: ${method}.`);
  return read;
}

/** Whether parameters are the payload; elsewhere they are the query. */
function isInBody(method: TaskMethod): boolean {
  return method === "POST" || method === "PULL";
}

function readContents(options: AnyTaskOptions, method: TaskMethod) {
  const hasPayload = options.payload !== undefined && options.payload !== null;
  const params = options.params ? encodeParams(options.params) : "";
  if (hasPayload && !BODY_METHODS.includes(method)) {
    throw new InvalidTaskError(
      `payload is allowed with the methods ${BODY_METHODS.join(", ")} only, not with ${method}.`,
    );
  }
  if (hasPayload && params !== "" && isInBody(method)) {
    throw new InvalidTaskError(`A ${method} task has payload or params, not both.`);
  }
  if (method === "PULL" && !hasPayload && params === "") {
    throw new InvalidTaskError("A pull task needs a payload.");
  }
  return {
    payload: hasPayload ? encodePayload(options.payload as Payload) : undefined,
    params: params === "" ? undefined : params,
  };
}

const NOT_FOR_PULL = [
  "url",
  "headers",
  "target",
  "dispatchDeadline",
  "oidcToken",
  "oauthToken",
] as const;

function checkPull(options: AnyTaskOptions, method: TaskMethod): void {
  if (method !== "PULL") return;
  const wrong = NOT_FOR_PULL.find((name) => options[name] !== undefined);
  if (wrong !== undefined) throw new InvalidTaskError(`A pull task must not have ${wrong}.`);
}

// ---- URL and target ----------------------------------------------------------------------------

interface Address {
  /** With its query. */
  readonly url?: string;
  readonly isAbsolute: boolean;
}

function readUrl(options: AnyTaskOptions, method: TaskMethod, params: string | undefined): Address {
  const { url } = options;
  const isAbsolute = typeof url === "string" && /^https?:\/\//i.test(url);
  if (url !== undefined) checkUrl(url, isAbsolute);
  if (!isAbsolute && HTTP_ONLY.includes(method)) {
    throw new InvalidTaskError(`${method} needs an absolute URL: App Engine has no such tasks.`);
  }
  if ((options.oidcToken ?? options.oauthToken) !== undefined && !isAbsolute) {
    throw new InvalidTaskError("oidcToken and oauthToken need an absolute URL.");
  }
  if (options.oidcToken !== undefined && options.oauthToken !== undefined) {
    throw new InvalidTaskError("A task has oidcToken or oauthToken, not both.");
  }
  const withQuery = addQuery(url, method, params, isAbsolute);
  if (withQuery !== undefined && withQuery.length > limits.MAX_URL_LENGTH) {
    throw new InvalidUrlError(`url must have at most ${limits.MAX_URL_LENGTH} characters.`);
  }
  return withQuery === undefined ? { isAbsolute } : { url: withQuery, isAbsolute };
}

function checkUrl(url: string, isAbsolute: boolean): void {
  if (typeof url !== "string" || /\s/.test(url) || url.includes("#")) {
    throw new InvalidUrlError("url must be a URL without spaces and fragment.");
  }
  if (isAbsolute) {
    // Not URL.canParse: it is younger than some runtimes.
    try {
      new URL(url);
    } catch {
      throw new InvalidUrlError("url is not a valid URL.");
    }
  } else if (!url.startsWith("/") || url.startsWith("//")) {
    throw new InvalidUrlError('url must begin with "/", "http://" or "https://".');
  }
}

function addQuery(
  url: string | undefined,
  method: TaskMethod,
  params: string | undefined,
  isAbsolute: boolean,
): string | undefined {
  const hasQuery = url?.includes("?") === true;
  if (method === "POST") {
    if (hasQuery && !isAbsolute) {
      throw new InvalidTaskError("The url of a POST task has no query; use params.");
    }
    return url;
  }
  if (params === undefined) return url;
  if (hasQuery && method !== "PUT" && method !== "PATCH") {
    throw new InvalidTaskError(`A ${method} task has params or a url with a query, not both.`);
  }
  // Of the queue's own path nothing is known yet: the query alone.
  return `${url ?? ""}${hasQuery ? "&" : "?"}${params}`;
}

const TARGET = /^[A-Za-z\d][A-Za-z\d-]*(?:\.[A-Za-z\d][A-Za-z\d-]*){0,2}$/;

function checkTarget({ target }: AnyTaskOptions, headers: HeaderList, isAbsolute: boolean): void {
  if (target === undefined) return;
  if (headers.has("host")) {
    throw new InvalidTaskError("A task has a target or a Host header, not both.");
  }
  if (isAbsolute) throw new InvalidTaskError("target is for tasks with a relative url.");
  if (typeof target !== "string" || !TARGET.test(target)) {
    throw new InvalidTaskError("target must be of the form [[instance.]version.]service.");
  }
}

// ---- Name, tag, time, retries, deadline, size --------------------------------------------------

function readName(name: string | undefined): { readonly name?: string } {
  if (name === undefined) return {};
  if (typeof name === "string" && limits.TASK_NAME_PATTERN.test(name)) return { name };
  throw new InvalidTaskNameError("name must have 1 to 500 characters of A-Z a-z 0-9 _ -.");
}

function readTag(tag: string | undefined, method: TaskMethod): { readonly tag?: string } {
  if (tag === undefined) return {};
  if (method !== "PULL") throw new InvalidTaskError("A tag is for pull tasks only.");
  checkTag(tag);
  return { tag };
}

/** InvalidTagError for what cannot be a tag. */
export function checkTag(tag: string): void {
  if (typeof tag === "string" && [...tag].length <= limits.MAX_TAG_LENGTH) return;
  throw new InvalidTagError(`A tag is text of at most ${limits.MAX_TAG_LENGTH} characters.`);
}

function readEta({ eta, countdown }: AnyTaskOptions, nowMs: number): number {
  const nowUs = nowMs * 1000;
  const hasEta = eta !== undefined && eta !== null;
  const hasCountdown = countdown !== undefined && countdown !== null;
  if (hasEta && hasCountdown) {
    throw new InvalidTaskError("A task has eta or countdown, not both.");
  }
  if (hasCountdown && !Number.isFinite(countdown)) {
    throw new InvalidTaskError("countdown must be a number of seconds.");
  }
  const etaUs = hasEta ? microsecondsOf(eta) : nowUs + Math.round((countdown ?? 0) * 1e6);
  if (etaUs > nowUs + limits.MAX_COUNTDOWN_SECONDS * 1e6) {
    throw new InvalidEtaError("eta must be at most 30 days from now.");
  }
  if (etaUs < 0) throw new InvalidEtaError("eta must not be before 1970.");
  return etaUs;
}

function readRetryOptions(
  { retryOptions }: AnyTaskOptions,
  method: TaskMethod,
): { readonly retryOptions?: TaskRetryOptions } {
  if (retryOptions === undefined) return {};
  const options =
    retryOptions instanceof TaskRetryOptions ? retryOptions : new TaskRetryOptions(retryOptions);
  const other = options.given.find((name) => name !== "taskRetryLimit");
  if (method === "PULL" && other !== undefined) {
    throw new InvalidTaskError(
      `A pull task's retryOptions have taskRetryLimit only, not ${other}.`,
    );
  }
  return { retryOptions: options };
}

function readDeadline(
  seconds: number | undefined,
  isAbsolute: boolean,
): { readonly dispatchDeadlineUs?: number } {
  if (seconds === undefined) return {};
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    throw new TypeError("dispatchDeadline must be a number of seconds.");
  }
  const min = limits.MIN_DISPATCH_DEADLINE_SECONDS;
  const max = isAbsolute
    ? limits.MAX_HTTP_DISPATCH_DEADLINE_SECONDS
    : limits.MAX_DISPATCH_DEADLINE_SECONDS;
  if (seconds < min || seconds > max) {
    throw new InvalidDispatchDeadlineError(`dispatchDeadline must be ${min} to ${max} s.`);
  }
  return { dispatchDeadlineUs: Math.round(seconds * 1e6) };
}

/** Method, payload, URL and headers (rpc.md §6). */
export function sizeOf({ method, payload, url = "", headers }: TaskState): number {
  return method.length + (payload?.length ?? 0) + url.length + headers.size;
}

function checkSize(state: TaskState): void {
  const max =
    state.method === "PULL"
      ? limits.MAX_PULL_TASK_SIZE_BYTES
      : state.isAbsolute
        ? limits.MAX_HTTP_TASK_SIZE_BYTES
        : limits.MAX_PUSH_TASK_SIZE_BYTES;
  // Of a pull task the payload alone counts: it has nothing else, and may be a whole MiB.
  const size = state.method === "PULL" ? (state.payload?.length ?? 0) : sizeOf(state);
  if (size > max) throw new TaskTooLargeError(`The task has ${size} bytes; at most ${max} may be.`);
}
