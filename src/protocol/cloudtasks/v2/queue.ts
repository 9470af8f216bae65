/** Queues of google.cloud.tasks.v2: wire form to settings, and a queue back to its wire form. */
import { appEngineHost } from "../../../core/app-engine-host.ts";
import {
  type AppEngineRouting,
  HTTP_METHODS,
  type HttpTargetOverride,
  QUEUE_STATES,
  type QueueRecord,
  type RetryConfig,
  type UriOverride,
} from "../../../core/model.ts";
import { queuePath } from "../../../core/names.ts";
import type { SettingsInput } from "../../../core/queue-settings.ts";
import { ok, type Result } from "../../../core/result.ts";
import type { QueueInput, Style } from "../dialect.ts";
import { invalidField } from "../errors.ts";
import type { MaskPaths } from "../field-mask.ts";
import type { FilterFields } from "../filter.ts";
import { readMessage } from "../message.ts";
import { readRouting, readToken } from "../task-draft.ts";
import { writeDuration, writeEnum, writeTimestamp } from "../wire.ts";
import {
  ENFORCE_MODES,
  queueSchema,
  SCHEMES,
  type WireQueue,
  type WireRetryConfig,
} from "./schema.ts";

type WireHttpTarget = NonNullable<WireQueue["httpTarget"]>;
type WireUriOverride = NonNullable<WireHttpTarget["uriOverride"]>;

// ---- Reading ---------------------------------------------------------------------------------

/** Reads a queue; output-only fields are let through and ignored, as the live service does. */
export function readQueue(value: unknown, root: string): Result<QueueInput> {
  const message = readMessage(queueSchema, value, root);
  if (!message.ok) return message;
  const wire = message.value;
  const httpTarget = wire.httpTarget ? readHttpTarget(wire.httpTarget, root) : undefined;
  if (httpTarget?.ok === false) return httpTarget;
  const settings: SettingsInput = {
    ...(wire.rateLimits ? { rateLimits: definedOf(withoutBurst(wire.rateLimits)) } : {}),
    ...(wire.retryConfig ? { retryConfig: readRetryConfig(wire.retryConfig) } : {}),
    ...(wire.appEngineRoutingOverride
      ? { appEngineRoutingOverride: readRouting(wire.appEngineRoutingOverride) }
      : {}),
    ...(httpTarget === undefined ? {} : { httpTarget: httpTarget.value }),
    ...(wire.stackdriverLoggingConfig
      ? { logSamplingRatio: wire.stackdriverLoggingConfig.samplingRatio ?? 0 }
      : {}),
  };
  return ok({ name: wire.name ?? "", settings });
}

/** v2 picks the burst itself; a given one is ignored (push.md §5). */
function withoutBurst({
  maxDispatchesPerSecond,
  maxConcurrentDispatches,
}: NonNullable<WireQueue["rateLimits"]>) {
  return { maxDispatchesPerSecond, maxConcurrentDispatches };
}

/** Retry settings of a queue or of a task, under their internal names. */
export function readRetryConfig(wire: WireRetryConfig): Partial<RetryConfig> {
  return definedOf({
    maxAttempts: wire.maxAttempts,
    maxRetryDurationUs: wire.maxRetryDuration,
    minBackoffUs: wire.minBackoff,
    maxBackoffUs: wire.maxBackoff,
    maxDoublings: wire.maxDoublings,
  });
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function definedOf<T extends object>(part: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(part).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}

function readHttpTarget(wire: WireHttpTarget, root: string): Result<HttpTargetOverride> {
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

const IGNORED = null;

/** What each path of an update mask sets. */
export const QUEUE_MASK: MaskPaths = new Map<string, string | null>([
  ["name", IGNORED],
  ["state", IGNORED],
  ["purgeTime", IGNORED],
  ["rateLimits", "rateLimits"],
  ["rateLimits.maxDispatchesPerSecond", "rateLimits.maxDispatchesPerSecond"],
  ["rateLimits.maxConcurrentDispatches", "rateLimits.maxConcurrentDispatches"],
  ["rateLimits.maxBurstSize", IGNORED],
  ["retryConfig", "retryConfig"],
  ["retryConfig.maxAttempts", "retryConfig.maxAttempts"],
  ["retryConfig.maxRetryDuration", "retryConfig.maxRetryDurationUs"],
  ["retryConfig.minBackoff", "retryConfig.minBackoffUs"],
  ["retryConfig.maxBackoff", "retryConfig.maxBackoffUs"],
  ["retryConfig.maxDoublings", "retryConfig.maxDoublings"],
  ["appEngineRoutingOverride", "appEngineRoutingOverride"],
  ["appEngineRoutingOverride.service", "appEngineRoutingOverride.service"],
  ["appEngineRoutingOverride.version", "appEngineRoutingOverride.version"],
  ["appEngineRoutingOverride.instance", "appEngineRoutingOverride.instance"],
  ["appEngineRoutingOverride.host", IGNORED],
  ["stackdriverLoggingConfig", "logSamplingRatio"],
  ["stackdriverLoggingConfig.samplingRatio", "logSamplingRatio"],
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
]);

/** The fields of a queue that a filter can name. */
export const QUEUE_FILTER: FilterFields = {
  name: "text",
  state: { names: QUEUE_STATES },
  purgeTime: "timestamp",
  rateLimits: "message",
  "rateLimits.maxDispatchesPerSecond": "number",
  "rateLimits.maxBurstSize": "number",
  "rateLimits.maxConcurrentDispatches": "number",
  retryConfig: "message",
  "retryConfig.maxAttempts": "number",
  "retryConfig.maxRetryDuration": "duration",
  "retryConfig.minBackoff": "duration",
  "retryConfig.maxBackoff": "duration",
  "retryConfig.maxDoublings": "number",
  appEngineRoutingOverride: "message",
  "appEngineRoutingOverride.service": "text",
  "appEngineRoutingOverride.version": "text",
  "appEngineRoutingOverride.instance": "text",
  "appEngineRoutingOverride.host": "text",
  stackdriverLoggingConfig: "message",
  "stackdriverLoggingConfig.samplingRatio": "number",
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

// ---- Writing ---------------------------------------------------------------------------------

type Wire = Readonly<Record<string, unknown>>;

/**
 * A queue's wire form. As in every answer of this interface, fields with proto3's zero are left
 * out.
 */
export function writeQueue(queue: QueueRecord, style: Style): Wire {
  const { enumsAsInts } = style;
  const { settings, name } = queue;
  const { rateLimits, appEngineRoutingOverride, httpTarget, logSamplingRatio } = settings;
  return {
    name: queuePath(name),
    ...(appEngineRoutingOverride === undefined
      ? {}
      : {
          appEngineRoutingOverride: writeRouting(
            appEngineRoutingOverride,
            appEngineHost(appEngineRoutingOverride, style, name.project),
          ),
        }),
    ...(httpTarget === undefined ? {} : { httpTarget: writeHttpTarget(httpTarget, enumsAsInts) }),
    rateLimits: nonZero({
      maxDispatchesPerSecond: rateLimits.maxDispatchesPerSecond,
      maxBurstSize: rateLimits.maxBurstSize,
      maxConcurrentDispatches: rateLimits.maxConcurrentDispatches,
    }),
    retryConfig: writeRetryConfig(settings.retryConfig),
    state: writeEnum(QUEUE_STATES, queue.state, enumsAsInts),
    ...(queue.purgeTimeUs === undefined ? {} : { purgeTime: writeTimestamp(queue.purgeTimeUs) }),
    ...(logSamplingRatio === undefined
      ? {}
      : { stackdriverLoggingConfig: nonZero({ samplingRatio: logSamplingRatio }) }),
  };
}

/** Retry settings; maxRetryDuration is unset where the duration is unlimited. */
export function writeRetryConfig(retry: RetryConfig): Wire {
  return {
    ...nonZero({ maxAttempts: retry.maxAttempts }),
    ...(retry.maxRetryDurationUs === 0
      ? {}
      : { maxRetryDuration: writeDuration(retry.maxRetryDurationUs) }),
    minBackoff: writeDuration(retry.minBackoffUs),
    maxBackoff: writeDuration(retry.maxBackoffUs),
    ...nonZero({ maxDoublings: retry.maxDoublings }),
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

function writeHttpTarget(target: HttpTargetOverride, enumsAsInts: boolean): Wire {
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

function nonZero(numbers: Readonly<Record<string, number>>): Wire {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0));
}
