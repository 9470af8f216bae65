/** The parts of a queue that every version reads and writes alike. */
import {
  type AppEngineRouting,
  HTTP_METHODS,
  type HttpTargetOverride,
  QUEUE_STATES,
  type QueueRecord,
  type UriOverride,
} from "../../core/model.ts";
import { queuePath } from "../../core/names.ts";
import { ok, type Result } from "../../core/result.ts";
import { invalidField } from "../errors.ts";
import { writeEnum, writeTimestamp } from "../wire.ts";
import { ENFORCE_MODES, SCHEMES, type WireHttpTarget } from "./common-schema.ts";
import type { Style } from "./dialect.ts";
import type { FilterFields } from "./filter.ts";
import { readToken } from "./task-draft.ts";

export type Wire = Readonly<Record<string, unknown>>;
type WireUriOverride = NonNullable<WireHttpTarget["uriOverride"]>;

// ---- Reading ---------------------------------------------------------------------------------

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that are set. */
export function definedOf<T extends object>(part: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(part).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}

/** `root` is where the queue stands in the request, for errors. */
export function readHttpTarget(wire: WireHttpTarget, root: string): Result<HttpTargetOverride> {
  const field = `${root}.http_target`;
  const token = readToken(wire, field);
  if (!token.ok) return token;
  const port = wire.uriOverride?.port;
  if (port !== undefined && port < 0) {
    return invalidField(`${field}.uri_override.port`, "UriOverride.port cannot be negative.");
  }
  const method = wire.httpMethod;
  return ok({
    ...(wire.uriOverride ? { uriOverride: readUriOverride(wire.uriOverride) } : {}),
    ...(method === undefined || method === "HTTP_METHOD_UNSPECIFIED" ? {} : { method }),
    ...(wire.headerOverrides && wire.headerOverrides.length > 0
      ? {
          headers: wire.headerOverrides.map((entry) => ({
            key: entry?.header?.key ?? "",
            value: entry?.header?.value ?? "",
          })),
        }
      : {}),
    ...(token.value === undefined ? {} : { token: token.value }),
  });
}

/**
 * SCHEME_UNSPECIFIED stands for HTTPS, an unspecified mode for ALWAYS (discovery v2 UriOverride).
 */
function readUriOverride(wire: WireUriOverride): UriOverride {
  const { scheme, host, port, pathOverride, queryOverride, uriOverrideEnforceMode: mode } = wire;
  return {
    ...(scheme === undefined ? {} : { scheme: scheme === "HTTP" ? "HTTP" : "HTTPS" }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(pathOverride ? { path: pathOverride.path ?? "" } : {}),
    ...(queryOverride ? { query: queryOverride.queryParams ?? "" } : {}),
    enforceMode: mode === "IF_NOT_EXISTS" ? "IF_NOT_EXISTS" : "ALWAYS",
  };
}

// ---- Update masks and filters ----------------------------------------------------------------

/** What an update mask ignores: a field that only answers carry. */
export const IGNORED = null;

/** What each path of an update mask sets, for the fields that every version has. */
export const COMMON_MASK: readonly (readonly [string, string | null])[] = [
  ["name", IGNORED],
  ["state", IGNORED],
  ["purgeTime", IGNORED],
  ["retryConfig", "retryConfig"],
  ["retryConfig.maxAttempts", "retryConfig.maxAttempts"],
  ["retryConfig.maxRetryDuration", "retryConfig.maxRetryDurationUs"],
  ["retryConfig.minBackoff", "retryConfig.minBackoffUs"],
  ["retryConfig.maxBackoff", "retryConfig.maxBackoffUs"],
  ["retryConfig.maxDoublings", "retryConfig.maxDoublings"],
  ["httpTarget", "httpTarget"],
  ["httpTarget.uriOverride", "httpTarget.uriOverride"],
  ["httpTarget.uriOverride.scheme", "httpTarget.uriOverride.scheme"],
  ["httpTarget.uriOverride.host", "httpTarget.uriOverride.host"],
  ["httpTarget.uriOverride.port", "httpTarget.uriOverride.port"],
  ["httpTarget.uriOverride.pathOverride", "httpTarget.uriOverride.path"],
  ["httpTarget.uriOverride.pathOverride.path", "httpTarget.uriOverride.path"],
  ["httpTarget.uriOverride.queryOverride", "httpTarget.uriOverride.query"],
  ["httpTarget.uriOverride.queryOverride.queryParams", "httpTarget.uriOverride.query"],
  ["httpTarget.uriOverride.uriOverrideEnforceMode", "httpTarget.uriOverride.enforceMode"],
  ["httpTarget.httpMethod", "httpTarget.method"],
  ["httpTarget.headerOverrides", "httpTarget.headers"],
  ["httpTarget.oidcToken", "httpTarget.oidcToken"],
  ["httpTarget.oidcToken.serviceAccountEmail", "httpTarget.oidcToken.serviceAccountEmail"],
  ["httpTarget.oidcToken.audience", "httpTarget.oidcToken.audience"],
  ["httpTarget.oauthToken", "httpTarget.oauthToken"],
  ["httpTarget.oauthToken.serviceAccountEmail", "httpTarget.oauthToken.serviceAccountEmail"],
  ["httpTarget.oauthToken.scope", "httpTarget.oauthToken.scope"],
];

/** The rates under the names they have in v2 and v2beta3; the burst is theirs to pick. */
export const CURRENT_MASK: readonly (readonly [string, string | null])[] = [
  ["rateLimits", "rateLimits"],
  ["rateLimits.maxDispatchesPerSecond", "rateLimits.maxDispatchesPerSecond"],
  ["rateLimits.maxConcurrentDispatches", "rateLimits.maxConcurrentDispatches"],
  ["rateLimits.maxBurstSize", IGNORED],
  ["stackdriverLoggingConfig", "logSamplingRatio"],
  ["stackdriverLoggingConfig.samplingRatio", "logSamplingRatio"],
];

/**
 * The paths of a routing override, which the versions keep in different places: below `at`, and the
 * message that holds it as well where it is not the queue itself.
 */
export function routingMask(at: string): readonly (readonly [string, string | null])[] {
  return [
    [at, "appEngineRoutingOverride"],
    [`${at}.service`, "appEngineRoutingOverride.service"],
    [`${at}.version`, "appEngineRoutingOverride.version"],
    [`${at}.instance`, "appEngineRoutingOverride.instance"],
    [`${at}.host`, IGNORED],
  ];
}

/** The statistics, which a read mask can name and an update mask may. */
export const STATS_MASK: readonly (readonly [string, string | null])[] = [
  ["stats", IGNORED],
  ["stats.tasksCount", IGNORED],
  ["stats.oldestEstimatedArrivalTime", IGNORED],
  ["stats.executedLastMinuteCount", IGNORED],
  ["stats.concurrentDispatchesCount", IGNORED],
  ["stats.effectiveExecutionRate", IGNORED],
];

/** The fields of every version's queue that a filter can name. */
export const COMMON_FILTER: FilterFields = {
  name: "text",
  state: { names: QUEUE_STATES },
  purgeTime: "timestamp",
  rateLimits: "message",
  "rateLimits.maxBurstSize": "number",
  retryConfig: "message",
  "retryConfig.maxAttempts": "number",
  "retryConfig.maxRetryDuration": "duration",
  "retryConfig.minBackoff": "duration",
  "retryConfig.maxBackoff": "duration",
  "retryConfig.maxDoublings": "number",
  httpTarget: "message",
  "httpTarget.httpMethod": { names: HTTP_METHODS },
  "httpTarget.uriOverride": "message",
  "httpTarget.uriOverride.scheme": { names: SCHEMES },
  "httpTarget.uriOverride.host": "text",
  "httpTarget.uriOverride.port": "number",
  "httpTarget.uriOverride.pathOverride": "message",
  "httpTarget.uriOverride.pathOverride.path": "text",
  "httpTarget.uriOverride.queryOverride": "message",
  "httpTarget.uriOverride.queryOverride.queryParams": "text",
  "httpTarget.uriOverride.uriOverrideEnforceMode": { names: ENFORCE_MODES },
  "httpTarget.headerOverrides": "message",
  "httpTarget.headerOverrides.header": "message",
  "httpTarget.headerOverrides.header.key": "text",
  "httpTarget.headerOverrides.header.value": "text",
  "httpTarget.oidcToken": "message",
  "httpTarget.oidcToken.serviceAccountEmail": "text",
  "httpTarget.oidcToken.audience": "text",
  "httpTarget.oauthToken": "message",
  "httpTarget.oauthToken.serviceAccountEmail": "text",
  "httpTarget.oauthToken.scope": "text",
};

/** The rates and the logging of v2 and v2beta3. */
export const CURRENT_FILTER: FilterFields = {
  "rateLimits.maxDispatchesPerSecond": "number",
  "rateLimits.maxConcurrentDispatches": "number",
  stackdriverLoggingConfig: "message",
  "stackdriverLoggingConfig.samplingRatio": "number",
};

/** The fields of a routing override below `at`. */
export function routingFilter(at: string): FilterFields {
  return {
    [at]: "message",
    [`${at}.service`]: "text",
    [`${at}.version`]: "text",
    [`${at}.instance`]: "text",
    [`${at}.host`]: "text",
  };
}

// ---- Writing ---------------------------------------------------------------------------------

/** Name, state and the last purge: what every version shows of a queue in the same way. */
export function writeIdentity(queue: QueueRecord, { enumsAsInts }: Style): Wire {
  return {
    name: queuePath(queue.name),
    state: writeEnum(QUEUE_STATES, queue.state, enumsAsInts),
    ...(queue.purgeTimeUs === undefined ? {} : { purgeTime: writeTimestamp(queue.purgeTimeUs) }),
  };
}

export function writeRouting(routing: AppEngineRouting, host: string): Wire {
  const { service, version, instance } = routing;
  return {
    ...(service ? { service } : {}),
    ...(version ? { version } : {}),
    ...(instance ? { instance } : {}),
    host,
  };
}

/** `{ oidcToken }` or `{ oauthToken }`, or nothing. */
export function writeToken(token: HttpTargetOverride["token"]): Wire {
  if (token === undefined) return {};
  const { kind, ...fields } = token;
  return kind === "oidc" ? { oidcToken: fields } : { oauthToken: fields };
}

export function writeHttpTarget(target: HttpTargetOverride, enumsAsInts: boolean): Wire {
  const { uriOverride, method, headers, token } = target;
  return {
    ...(uriOverride === undefined
      ? {}
      : { uriOverride: writeUriOverride(uriOverride, enumsAsInts) }),
    ...(method === undefined ? {} : { httpMethod: writeEnum(HTTP_METHODS, method, enumsAsInts) }),
    ...(headers === undefined ? {} : { headerOverrides: headers.map((header) => ({ header })) }),
    ...writeToken(token),
  };
}

function writeUriOverride(uri: UriOverride, enumsAsInts: boolean): Wire {
  const { scheme, host, port, path, query, enforceMode } = uri;
  return {
    ...(scheme === undefined ? {} : { scheme: writeEnum(SCHEMES, scheme, enumsAsInts) }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: String(port) }),
    ...(path === undefined ? {} : { pathOverride: path === "" ? {} : { path } }),
    ...(query === undefined ? {} : { queryOverride: query === "" ? {} : { queryParams: query } }),
    uriOverrideEnforceMode: writeEnum(ENFORCE_MODES, enforceMode, enumsAsInts),
  };
}

/** Numbers without those that are 0, which proto3 leaves out. */
export function nonZero(numbers: Readonly<Record<string, number>>): Wire {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0));
}
