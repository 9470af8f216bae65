/** Which request headers belong to the service, not to the task (push.md §1, §2). */
import type { TaskTarget } from "./model.ts";

/** The User-Agent of HTTP targets: it replaces whatever the task has (push.md §2). */
export const HTTP_USER_AGENT = "Google-Cloud-Tasks";

/** The User-Agent of App Engine targets: it is appended to what the task has (push.md §2). */
export const APP_ENGINE_USER_AGENT = "AppEngine-Google; (+http://code.google.com/appengine)";

/** The Content-Type of an App Engine task with a body that names none (push.md §2). */
export const APP_ENGINE_CONTENT_TYPE = "application/octet-stream";

/** Computed for each request from its URL and body. */
const COMPUTED = new Set(["host", "content-length"]);

/**
 * They speak about one connection, which is the dispatcher's (RFC 9110 §7.6.1). `Upgrade` would
 * even turn the request into the opening of a WebSocket.
 */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

/** A handler takes these for the service's own word; a task must not be able to forge them. */
const SERVICE_PREFIXES = ["x-google-", "x-appengine-", "x-cloudtasks-"];

/** Whether a task's own header of this name is dropped, in any letter case. */
export function isServiceHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    COMPUTED.has(lower) ||
    HOP_BY_HOP.has(lower) ||
    SERVICE_PREFIXES.some((prefix) => lower.startsWith(prefix))
  );
}

/**
 * Whether a header, in lower case, speaks for the signature of a webhook: a task's own is dropped
 * where its attempts are signed, and is the task's affair where they are not.
 */
export function isWebhookHeader(name: string): boolean {
  return name.startsWith("webhook-");
}

/**
 * What an app says of itself to the handlers of its tasks (rpc.md §5): the interface of App Engine's
 * SDK stores them, though they are named like the service's own.
 */
const NAMESPACES = new Set(["x-appengine-current-namespace", "x-appengine-default-namespace"]);

/** Whether a header of this name, in any letter case, tells an App Engine task's namespace. */
export function isNamespaceHeader(name: string): boolean {
  return NAMESPACES.has(name.toLowerCase());
}

/** The User-Agent an attempt carries, from what its task has. */
export function userAgent(kind: TaskTarget["kind"], own: string | undefined): string {
  if (kind === "http") return HTTP_USER_AGENT;
  if (own === undefined || own === "") return APP_ENGINE_USER_AGENT;
  // A face may have stored the default, alone or appended, when the task was made.
  return own.endsWith(APP_ENGINE_USER_AGENT) ? own : `${own} ${APP_ENGINE_USER_AGENT}`;
}
