/** A queue's httpTarget laid over its HTTP tasks (push.md §9, discovery v2 HttpTarget). */
import { isServiceHeader } from "./header-rules.ts";
import { MAX_PORT } from "./limits.ts";
import type { HttpMethod, HttpTargetOverride, TaskMeta, UriOverride } from "./model.ts";
import { fail, ok, type Result } from "./result.ts";

/** A request body is allowed with these methods only (discovery v2 HttpRequest.body). */
const METHODS_WITH_BODY: ReadonlySet<HttpMethod> = new Set(["POST", "PUT", "PATCH"]);

/** Whether an attempt with this method carries the task's body. */
export function sendsBody(method: HttpMethod): boolean {
  return METHODS_WITH_BODY.has(method);
}

/**
 * Sets a queue's headers on a task that is being created; the same task when nothing changes.
 *
 * A header of the queue replaces the task's of that name in any letter case. Headers that belong to
 * the service (Host, Content-Length, User-Agent, X-Google-*, X-AppEngine-*, X-CloudTasks-*) are
 * ignored. Where a queue sets headers, a request with a body whose Content-Type nobody gave becomes
 * `application/json`, the default that discovery names for headerOverrides.
 */
export function applyHeaderOverrides(
  meta: TaskMeta,
  httpTarget: HttpTargetOverride | undefined,
): TaskMeta {
  const overrides = httpTarget?.headers ?? [];
  if (meta.target.kind !== "http" || overrides.length === 0) return meta;
  const { target } = meta;
  const headers = new Map(Object.entries(target.headers));
  for (const { key, value } of overrides) {
    if (isServiceHeader(key) || key.toLowerCase() === "user-agent") continue;
    removeHeader(headers, key);
    headers.set(key, value);
  }
  if (sendsBody(httpTarget?.method ?? target.method) && !hasHeader(headers, "content-type")) {
    headers.set("Content-Type", "application/json");
  }
  return { ...meta, target: { ...target, headers: Object.fromEntries(headers) } };
}

function removeHeader(headers: Map<string, string>, name: string): void {
  const lower = name.toLowerCase();
  for (const key of [...headers.keys()]) {
    if (key.toLowerCase() === lower) headers.delete(key);
  }
}

function hasHeader(headers: ReadonlyMap<string, string>, lower: string): boolean {
  return [...headers.keys()].some((key) => key.toLowerCase() === lower);
}

/**
 * The URL of an attempt: the task's with the queue's override laid over it. INVALID_ARGUMENT when
 * either cannot be read as a URL.
 *
 * ALWAYS replaces each part that is set, and the scheme by HTTPS where it is not (push.md §9).
 * IF_NOT_EXISTS fills in what the task lacks: a port, a path (`/` counts as none), a query.
 */
export function applyUriOverride(url: URL, override: UriOverride | undefined): Result<URL> {
  if (override === undefined) return ok(url);
  return override.enforceMode === "ALWAYS"
    ? replaceParts(url, override, override.scheme ?? "HTTPS")
    : replaceParts(url, missingParts(url, override), undefined);
}

/**
 * The URL of a task that was buffered without one: the override on its own. Null where the override
 * has no host. INVALID_ARGUMENT as applyUriOverride.
 */
export function urlOfOverride(override: UriOverride | undefined): Result<URL> | null {
  if (override?.host === undefined) return null;
  return replaceParts(new URL("https://host.invalid/"), override, override.scheme ?? "HTTPS");
}

type UriParts = Pick<UriOverride, "host" | "port" | "path" | "query">;

/** A task's URL always has scheme and host. */
function missingParts(url: URL, override: UriOverride): UriParts {
  return {
    ...(url.port === "" && override.port !== undefined ? { port: override.port } : {}),
    ...(url.pathname === "/" && override.path !== undefined ? { path: override.path } : {}),
    ...(url.search === "" && override.query !== undefined ? { query: override.query } : {}),
  };
}

/** URL's setters ignore what they cannot take, so host and port are looked at again. */
function replaceParts(
  original: URL,
  { host, port, path, query }: UriParts,
  scheme: UriOverride["scheme"] | undefined,
): Result<URL> {
  const url = new URL(original);
  if (scheme !== undefined) url.protocol = `${scheme.toLowerCase()}:`;
  if (host !== undefined) {
    const wanted = URL.parse(`${url.protocol}//${host}`);
    if (wanted === null || wanted.href !== `${wanted.origin}/`) {
      return fail("INVALID_ARGUMENT", `The queue's UriOverride.host "${host}" is not a host.`);
    }
    url.hostname = wanted.hostname;
    const named = /:(\d+)$/.exec(host)?.[1];
    if (named !== undefined) url.port = named;
  }
  if (port !== undefined) {
    if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
      return fail("INVALID_ARGUMENT", `The queue's UriOverride.port ${port} is not a port.`);
    }
    url.port = port === 0 ? "" : String(port);
  }
  if (path !== undefined) url.pathname = path;
  if (query !== undefined) url.search = query;
  return ok(url);
}
