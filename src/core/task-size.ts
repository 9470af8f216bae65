/**
 * The size of a task as its limit counts it: bytes of the stored task serialised as a
 * google.cloud.tasks.v2 message in FULL view, defaults included (limits.md §1, measured on the live
 * service). Computed from lengths alone; nothing is serialised.
 *
 * Two peculiarities of the measured law: an HTTP task always counts a deadline (its default takes
 * as many bytes as any other), an App Engine task only its own; and App Engine routing counts as
 * its host, in the regional form that is five characters longer than the one shown here.
 */
import type { AuthorizationToken, RetryConfig, TaskMeta, TaskTarget } from "./model.ts";

/** The largest stored task, 2^20 - 7 bytes: the measured boundary of both kinds of target. */
export const MAX_STORED_TASK_SIZE = 1_048_569;

/** `.uc.r` between project and `.appspot.com`, in the host as the live service stores it. */
const REGION_INFIX_SIZE = 5;

/**
 * Field numbers of google.cloud.tasks.v2 (pullMessage and retryConfig: v2beta3). All below 16: keys
 * of one byte.
 */
const TASK = {
  name: 1,
  appEngineHttpRequest: 2,
  httpRequest: 3,
  scheduleTime: 4,
  createTime: 5,
  dispatchDeadline: 6,
  pullMessage: 13,
  retryConfig: 14,
} as const;
const HTTP = { url: 1, httpMethod: 2, headers: 3, body: 4, oauthToken: 5, oidcToken: 6 } as const;
const APP_ENGINE = { httpMethod: 1, routing: 2, relativeUri: 3, headers: 4, body: 5 } as const;

/** What the size is made of. Times in microseconds, sizes in bytes. */
export interface SizedTask {
  /** Length of the full name; names are ASCII. */
  readonly nameSize: number;
  readonly scheduleTimeUs: number;
  readonly createTimeUs: number;
  readonly meta: TaskMeta;
  readonly bodySize: number;
  /** Of a pull task. */
  readonly tag?: string;
}

/** The stored size in bytes. */
export function storedTaskSize(task: SizedTask): number {
  const { meta } = task;
  const deadlineUs = meta.dispatchDeadlineUs ?? (meta.target.kind === "http" ? 600e6 : undefined);
  return (
    lengthDelimited(TASK.name, task.nameSize) +
    lengthDelimited(TASK.scheduleTime, secondsAndNanos(task.scheduleTimeUs)) +
    // Creation time is kept in whole seconds.
    lengthDelimited(TASK.createTime, secondsAndNanos(Math.floor(task.createTimeUs / 1e6) * 1e6)) +
    (deadlineUs === undefined
      ? 0
      : lengthDelimited(TASK.dispatchDeadline, secondsAndNanos(deadlineUs))) +
    (meta.retryConfig === undefined
      ? 0
      : lengthDelimited(TASK.retryConfig, retryConfigSize(meta.retryConfig))) +
    targetSize(meta.target, task)
  );
}

function targetSize(
  target: TaskTarget,
  { bodySize, tag = "" }: Pick<SizedTask, "bodySize" | "tag">,
): number {
  switch (target.kind) {
    case "http":
      return lengthDelimited(
        TASK.httpRequest,
        text(HTTP.url, target.url) +
          varint(HTTP.httpMethod, 1) +
          headersSize(HTTP.headers, target.headers) +
          (bodySize === 0 ? 0 : lengthDelimited(HTTP.body, bodySize)) +
          (target.token === undefined ? 0 : tokenSize(target.token)),
      );
    case "appEngine": {
      const host = regionalHostSize(target.routing?.host ?? "");
      return lengthDelimited(
        TASK.appEngineHttpRequest,
        varint(APP_ENGINE.httpMethod, 1) +
          lengthDelimited(APP_ENGINE.routing, lengthDelimited(4, host)) +
          text(APP_ENGINE.relativeUri, target.relativeUri) +
          headersSize(APP_ENGINE.headers, target.headers) +
          (bodySize === 0 ? 0 : lengthDelimited(APP_ENGINE.body, bodySize)),
      );
    }
    case "pull":
      return lengthDelimited(TASK.pullMessage, lengthDelimited(1, bodySize) + text(2, tag));
  }
}

function regionalHostSize(host: string): number {
  const isShort = host.endsWith(".appspot.com") && !host.endsWith(".r.appspot.com");
  return utf8Size(host) + (isShort ? REGION_INFIX_SIZE : 0);
}

function tokenSize(token: AuthorizationToken): number {
  const second = token.kind === "oidc" ? token.audience : token.scope;
  return lengthDelimited(
    token.kind === "oidc" ? HTTP.oidcToken : HTTP.oauthToken,
    text(1, token.serviceAccountEmail) + text(2, second ?? ""),
  );
}

function retryConfigSize(retry: RetryConfig): number {
  return (
    varint(1, retry.maxAttempts) +
    lengthDelimited(2, secondsAndNanos(retry.maxRetryDurationUs)) +
    lengthDelimited(3, secondsAndNanos(retry.minBackoffUs)) +
    lengthDelimited(4, secondsAndNanos(retry.maxBackoffUs)) +
    varint(5, retry.maxDoublings)
  );
}

/** A map is a repeated entry of key (1) and value (2). */
function headersSize(field: number, headers: Readonly<Record<string, string>>): number {
  let size = 0;
  for (const name in headers) {
    size += lengthDelimited(field, text(1, name) + text(2, headers[name] ?? ""));
  }
  return size;
}

/** The payload of a Timestamp or Duration; zero parts are not written. */
function secondsAndNanos(us: number): number {
  const seconds = Math.floor(us / 1e6);
  return varint(1, seconds) + varint(2, (us - seconds * 1e6) * 1000);
}

/** A field of text; the empty one is not written. */
function text(field: number, value: string): number {
  return value === "" ? 0 : lengthDelimited(field, utf8Size(value));
}

/** A field of an integer; zero is not written. */
function varint(field: number, value: number): number {
  return value === 0 ? 0 : varintSize(field << 3) + varintSize(value);
}

/** A field of text, bytes or a message, with `size` bytes in it. */
function lengthDelimited(field: number, size: number): number {
  return varintSize(field << 3) + varintSize(size) + size;
}

function varintSize(value: number): number {
  // Negative numbers are written as 64-bit two's complement.
  if (value < 0) return 10;
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Bytes of a text in UTF-8. */
export function utf8Size(value: string): number {
  let size = value.length;
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index);
    // A surrogate pair is two units and four bytes; a lone one is written as three (U+FFFD).
    if (unit >= 0x800) size += isPair(value, index) ? 1 : 2;
    else if (unit >= 0x80) size += 1;
  }
  return size;
}

/** Whether the unit at `index` is half of a surrogate pair. */
function isPair(value: string, index: number): boolean {
  const unit = value.charCodeAt(index);
  if (unit >= 0xd800 && unit <= 0xdbff) {
    const next = value.charCodeAt(index + 1);
    return next >= 0xdc00 && next <= 0xdfff;
  }
  if (unit >= 0xdc00 && unit <= 0xdfff) {
    const before = value.charCodeAt(index - 1);
    return before >= 0xd800 && before <= 0xdbff;
  }
  return false;
}
