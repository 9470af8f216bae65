/**
 * The messages that every version of the interface has in common, for zod. A version differs in its
 * package, which errors name, and in what its own schema.ts adds.
 */
import type { z } from "zod";
import { HTTP_METHODS } from "../../core/model.ts";
import * as field from "../message.ts";

export const VIEWS = ["VIEW_UNSPECIFIED", "BASIC", "FULL"] as const;
export const SCHEMES = ["SCHEME_UNSPECIFIED", "HTTP", "HTTPS"] as const;
export const ENFORCE_MODES = [
  "URI_OVERRIDE_ENFORCE_MODE_UNSPECIFIED",
  "IF_NOT_EXISTS",
  "ALWAYS",
] as const;

/** The common messages of a version, by the name of its package. */
export function commonSchema(versionPackage: string) {
  const typeOf = (name: string) => `${versionPackage}.${name}`;
  const httpMethod = () => field.enumeration(typeOf("HttpMethod"), HTTP_METHODS);
  const oauthToken = field.message(typeOf("OAuthToken"), {
    serviceAccountEmail: field.string(),
    scope: field.string(),
  });
  const oidcToken = field.message(typeOf("OidcToken"), {
    serviceAccountEmail: field.string(),
    audience: field.string(),
  });
  return {
    httpMethod,
    view: () => field.enumeration(typeOf("Task.View"), VIEWS),
    appEngineRouting: field.message(typeOf("AppEngineRouting"), {
      service: field.string(),
      version: field.string(),
      instance: field.string(),
      host: field.outputOnly(),
    }),
    httpTarget: field.message(typeOf("HttpTarget"), {
      uriOverride: field.message(typeOf("UriOverride"), {
        scheme: field.enumeration(typeOf("UriOverride.Scheme"), SCHEMES),
        host: field.string(),
        port: field.int64(),
        pathOverride: field.message(typeOf("PathOverride"), { path: field.string() }),
        queryOverride: field.message(typeOf("QueryOverride"), { queryParams: field.string() }),
        uriOverrideEnforceMode: field.enumeration(
          typeOf("UriOverride.UriOverrideEnforceMode"),
          ENFORCE_MODES,
        ),
      }),
      httpMethod: httpMethod(),
      headerOverrides: field.repeated(
        field.message(typeOf("HttpTarget.HeaderOverride"), {
          header: field.message(typeOf("HttpTarget.Header"), {
            key: field.string(),
            value: field.string(),
          }),
        }),
      ),
      oauthToken,
      oidcToken,
    }),
    httpRequest: field.message(typeOf("HttpRequest"), {
      url: field.string(),
      httpMethod: httpMethod(),
      headers: field.stringMap(),
      body: field.bytes(),
      oauthToken,
      oidcToken,
    }),
    pullMessage: field.message(typeOf("PullMessage"), {
      payload: field.bytes(),
      tag: field.string(),
    }),
  };
}

/** The messages that v2 and v2beta3 share; v2beta2 has older names for them. */
export function currentSchema(versionPackage: string) {
  const common = commonSchema(versionPackage);
  const typeOf = (name: string) => `${versionPackage}.${name}`;
  const retryConfig = field.message(typeOf("RetryConfig"), {
    maxAttempts: field.int32(),
    maxRetryDuration: field.duration(),
    minBackoff: field.duration(),
    maxBackoff: field.duration(),
    maxDoublings: field.int32(),
  });
  const queueFields = {
    name: field.string(),
    httpTarget: common.httpTarget,
    rateLimits: field.message(typeOf("RateLimits"), {
      maxDispatchesPerSecond: field.double(),
      maxBurstSize: field.outputOnly(),
      maxConcurrentDispatches: field.int32(),
    }),
    retryConfig,
    stackdriverLoggingConfig: field.message(typeOf("StackdriverLoggingConfig"), {
      samplingRatio: field.double(),
    }),
    state: field.outputOnly(),
    purgeTime: field.outputOnly(),
  };
  const taskFields = {
    name: field.string(),
    appEngineHttpRequest: field.message(typeOf("AppEngineHttpRequest"), {
      httpMethod: common.httpMethod(),
      appEngineRouting: common.appEngineRouting,
      relativeUri: field.string(),
      headers: field.stringMap(),
      body: field.bytes(),
    }),
    httpRequest: common.httpRequest,
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
  };
  return { ...common, typeOf, queueFields, taskFields };
}

/** The requests around a task, which the versions have in common but for the task itself. */
export function taskRequests<T extends z.ZodType>(versionPackage: string, task: T) {
  const { view } = commonSchema(versionPackage);
  const createTask = field.message(`${versionPackage}.CreateTaskRequest`, {
    parent: field.string(),
    task,
    responseView: view(),
  });
  return {
    createTask,
    runTask: field.message(`${versionPackage}.RunTaskRequest`, {
      name: field.string(),
      responseView: view(),
    }),
    batchCreate: field.message(`${versionPackage}.BatchCreateTasksRequest`, {
      parent: field.string(),
      requests: field.repeated(createTask),
      requestId: field.string(),
    }),
  };
}

type Common = ReturnType<typeof commonSchema>;
type Current = ReturnType<typeof currentSchema>;
export type WireHttpTarget = NonNullable<z.infer<Common["httpTarget"]>>;
export type WireRetryConfig = NonNullable<z.infer<Current["queueFields"]["retryConfig"]>>;
