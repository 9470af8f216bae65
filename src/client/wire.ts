/** Tasks on the wire: JSON, bytes in base64, times microseconds since the epoch as text. */
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { HeaderList } from "./header-list.ts";
import type { TaskMethod } from "./task-options.ts";
import type { TaskState } from "./task-state.ts";

interface WireRequest {
  readonly relativeUrl?: string;
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly payload?: string;
  readonly target?: string;
  readonly tag?: string;
}

/** A task of an answer. */
export interface WireTask {
  readonly name: string;
  readonly scheduleTimeUs: string;
  readonly retryCount?: number;
  readonly dispatchDeadlineUs?: string;
  readonly pull?: WireRequest;
  readonly appEngine?: WireRequest;
  readonly http?: WireRequest;
}

/** The path of tasks that have none of their own. */
export function defaultUrl(queueName: string): string {
  return `/_ah/queue/${queueName}`;
}

/** A task as it is added to a queue. */
export function writeTask(state: TaskState, queueName: string): object {
  const { name, isTimed, etaUs, retryOptions, dispatchDeadlineUs } = state;
  return {
    name,
    ...(isTimed ? { scheduleTimeUs: String(etaUs) } : {}),
    ...writeKind(state, queueName),
    retryOptions,
    ...(dispatchDeadlineUs === undefined ? {} : { dispatchDeadlineUs: String(dispatchDeadlineUs) }),
  };
}

function writeKind(state: TaskState, queueName: string): object {
  const payload = state.payload === undefined ? undefined : encodeBase64(state.payload);
  const { method, tag, url = "", target, headers, oidcToken, oauthToken } = state;
  if (method === "PULL") return { pull: { payload, tag } };
  if (state.isAbsolute) {
    return { http: { url, method, headers: headers.toWire(), payload, oidcToken, oauthToken } };
  }
  const relativeUrl = url.startsWith("/") ? url : defaultUrl(queueName) + url;
  const host = headers.get("host");
  return {
    appEngine: { relativeUrl, method, headers: headers.toWire(), payload, target, host },
  };
}

/** A task as an answer has it. */
export function readTask(task: WireTask, queueName: string): TaskState {
  const { name, scheduleTimeUs, retryCount = 0, dispatchDeadlineUs, pull, appEngine, http } = task;
  const request = pull ?? appEngine ?? http ?? {};
  const url = request.relativeUrl ?? request.url;
  return {
    method: pull === undefined ? ((request.method ?? "POST") as TaskMethod) : "PULL",
    ...(request.payload === undefined
      ? readEmpty(pull)
      : { payload: decodeBase64(request.payload) }),
    headers: new HeaderList(request.headers),
    ...(url === undefined || url === defaultUrl(queueName) ? {} : { url }),
    isAbsolute: http !== undefined,
    etaUs: Number(scheduleTimeUs),
    isTimed: true,
    name,
    queueName,
    ...(request.tag === undefined ? {} : { tag: request.tag }),
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(dispatchDeadlineUs === undefined ? {} : { dispatchDeadlineUs: Number(dispatchDeadlineUs) }),
    retryCount,
    wasEnqueued: true,
    wasDeleted: false,
  };
}

/** A pull task always has a payload, be it empty. */
function readEmpty(pull: WireRequest | undefined): { readonly payload?: Uint8Array } {
  return pull === undefined ? {} : { payload: new Uint8Array() };
}
