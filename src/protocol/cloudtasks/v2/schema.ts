/**
 * The messages of google.cloud.tasks.v2 that callers send (discovery cloudtasks.v2), read once by
 * zod.
 */
import type { z } from "zod";
import { HTTP_METHODS } from "../../../core/model.ts";
import * as field from "../message.ts";

const PACKAGE = "google.cloud.tasks.v2";

export const VIEWS = ["VIEW_UNSPECIFIED", "BASIC", "FULL"] as const;
export const VIEW_TYPE = `${PACKAGE}.Task.View`;
export const SCHEMES = ["SCHEME_UNSPECIFIED", "HTTP", "HTTPS"] as const;
export const ENFORCE_MODES = [
  "URI_OVERRIDE_ENFORCE_MODE_UNSPECIFIED",
  "IF_NOT_EXISTS",
  "ALWAYS",
] as const;

const httpMethod = () => field.enumeration(`${PACKAGE}.HttpMethod`, HTTP_METHODS);
const view = () => field.enumeration(VIEW_TYPE, VIEWS);

const appEngineRouting = field.message(`${PACKAGE}.AppEngineRouting`, {
  service: field.string(),
  version: field.string(),
  instance: field.string(),
  host: field.outputOnly(),
});

const oauthToken = field.message(`${PACKAGE}.OAuthToken`, {
  serviceAccountEmail: field.string(),
  scope: field.string(),
});

const oidcToken = field.message(`${PACKAGE}.OidcToken`, {
  serviceAccountEmail: field.string(),
  audience: field.string(),
});

const retryConfig = field.message(`${PACKAGE}.RetryConfig`, {
  maxAttempts: field.int32(),
  maxRetryDuration: field.duration(),
  minBackoff: field.duration(),
  maxBackoff: field.duration(),
  maxDoublings: field.int32(),
});

const httpTarget = field.message(`${PACKAGE}.HttpTarget`, {
  uriOverride: field.message(`${PACKAGE}.UriOverride`, {
    scheme: field.enumeration(`${PACKAGE}.UriOverride.Scheme`, SCHEMES),
    host: field.string(),
    port: field.int64(),
    pathOverride: field.message(`${PACKAGE}.PathOverride`, { path: field.string() }),
    queryOverride: field.message(`${PACKAGE}.QueryOverride`, { queryParams: field.string() }),
    uriOverrideEnforceMode: field.enumeration(
      `${PACKAGE}.UriOverride.UriOverrideEnforceMode`,
      ENFORCE_MODES,
    ),
  }),
  httpMethod: httpMethod(),
  headerOverrides: field.repeated(
    field.message(`${PACKAGE}.HttpTarget.HeaderOverride`, {
      header: field.message(`${PACKAGE}.HttpTarget.Header`, {
        key: field.string(),
        value: field.string(),
      }),
    }),
  ),
  oauthToken,
  oidcToken,
});

export const queueSchema = field.message(`${PACKAGE}.Queue`, {
  name: field.string(),
  appEngineRoutingOverride: appEngineRouting,
  httpTarget,
  rateLimits: field.message(`${PACKAGE}.RateLimits`, {
    maxDispatchesPerSecond: field.double(),
    maxBurstSize: field.outputOnly(),
    maxConcurrentDispatches: field.int32(),
  }),
  retryConfig,
  stackdriverLoggingConfig: field.message(`${PACKAGE}.StackdriverLoggingConfig`, {
    samplingRatio: field.double(),
  }),
  state: field.outputOnly(),
  purgeTime: field.outputOnly(),
});

const task = field.message(`${PACKAGE}.Task`, {
  name: field.string(),
  appEngineHttpRequest: field.message(`${PACKAGE}.AppEngineHttpRequest`, {
    httpMethod: httpMethod(),
    appEngineRouting,
    relativeUri: field.string(),
    headers: field.stringMap(),
    body: field.bytes(),
  }),
  httpRequest: field.message(`${PACKAGE}.HttpRequest`, {
    url: field.string(),
    httpMethod: httpMethod(),
    headers: field.stringMap(),
    body: field.bytes(),
    oauthToken,
    oidcToken,
  }),
  scheduleTime: field.timestamp(),
  dispatchDeadline: field.duration(),
  // Of v2beta3 and the newest documents; older v2 clients never send it.
  retryConfig,
  createTime: field.outputOnly(),
  dispatchCount: field.outputOnly(),
  responseCount: field.outputOnly(),
  firstAttempt: field.outputOnly(),
  lastAttempt: field.outputOnly(),
  view: field.outputOnly(),
});

export const createTaskSchema = field.message(`${PACKAGE}.CreateTaskRequest`, {
  parent: field.string(),
  task,
  responseView: view(),
});

export const runTaskSchema = field.message(`${PACKAGE}.RunTaskRequest`, {
  name: field.string(),
  responseView: view(),
});

export const batchCreateSchema = field.message(`${PACKAGE}.BatchCreateTasksRequest`, {
  parent: field.string(),
  requests: field.repeated(createTaskSchema),
  requestId: field.string(),
});

export type WireQueue = NonNullable<z.infer<typeof queueSchema>>;
export type WireTask = NonNullable<z.infer<typeof task>>;
export type WireCreateTask = NonNullable<z.infer<typeof createTaskSchema>>;
export type WireRetryConfig = NonNullable<z.infer<typeof retryConfig>>;
