/** Requests to App Engine targets (push.md §1, §2, §10). */
import {
  appEngineHost,
  DEFAULT_SERVICE,
  effectiveRouting,
  projectLabels,
} from "../core/app-engine-host.ts";
import type { AttemptOrder } from "../core/attempt.ts";
import { APP_ENGINE_CONTENT_TYPE } from "../core/header-rules.ts";
import type { AppEngineRouting, TaskTarget } from "../core/model.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { sendsBody } from "../core/target-override.ts";
import { checkTarget } from "../core/target-policy.ts";
import { attemptHeaders, type HeaderList, taskHeaders } from "./attempt-headers.ts";
import type { OutgoingRequest, RequestSettings } from "./request.ts";

/**
 * Where requests of App Engine's task queues come from (push.md §2). Its SDKs put this header in the
 * place of the sender's address, and handlers such as the `deferred` library's ask for it.
 */
const USER_IP = ["X-AppEngine-User-IP", "0.1.0.2"] as const;

type AppEngineTarget = Extract<TaskTarget, { kind: "appEngine" }>;

/**
 * Builds the request of an App Engine task. Its service is a Worker bound as `APP_<SERVICE>`, which
 * need not be reachable from outside at all; the handler sees the host that the task's routing
 * shows and the http scheme, as on App Engine. Without a binding the request goes to the setting
 * APP_ENGINE_URL, whose own host the handler then sees.
 */
export function appEngineRequest(
  order: AttemptOrder,
  target: AppEngineTarget,
  deadlineUs: number,
  settings: RequestSettings,
): Result<OutgoingRequest> {
  const { context } = settings;
  const routing = effectiveRouting(target.routing, context.appEngineRoutingOverride);
  const place = resolveService(routing, target.relativeUri, settings);
  if (!place.ok) return place;
  const body = sendsBody(target.method) ? order.body : undefined;
  const isSigned = context.webhookSigning !== undefined;
  return ok({
    kind: "appEngine",
    ...place.value,
    method: target.method,
    headers: [
      ...withContentType(taskHeaders(target.headers, "appEngine", { isSigned }), body),
      ...attemptHeaders(order, "appEngine", context.queue.queue),
      USER_IP,
      ...(target.failFast === true ? ([["X-AppEngine-FailFast", "true"]] as const) : []),
    ],
    ...(body === undefined ? {} : { body }),
    deadlineUs,
  });
}

/** The name of the service binding that stands for an App Engine service. */
export function bindingName(service: string): string {
  return `APP_${service.toUpperCase().replaceAll("-", "_")}`;
}

function resolveService(
  routing: AppEngineRouting,
  relativeUri: string,
  { context, config, hasBinding }: RequestSettings,
): Result<Pick<OutgoingRequest, "url" | "binding">> {
  const { project } = context.queue;
  const service = routing.service || DEFAULT_SERVICE;
  const path = relativeUri.startsWith("/") ? relativeUri : `/${relativeUri}`;
  const binding = bindingName(service);
  if (hasBinding(binding)) {
    const host = routing.host || appEngineHost(routing, config, project);
    const url = URL.parse(`http://${host}${path}`);
    return url === null ? malformed() : ok({ url, binding });
  }
  if (config.appEngineUrl === undefined) {
    return fail(
      "FAILED_PRECONDITION",
      `The App Engine service "${service}" is not configured: ` +
        `there is neither a service binding ${binding} nor the setting APP_ENGINE_URL.`,
    );
  }
  const base = fillTemplate(config.appEngineUrl, {
    ...routing,
    service,
    project: projectLabels(project),
  });
  const url = URL.parse(base.replace(/\/$/, "") + path);
  if (url === null) return malformed();
  const refusal = checkTarget(url, config, undefined);
  return refusal === null ? ok({ url }) : fail("FAILED_PRECONDITION", refusal);
}

function malformed(): Result<never> {
  return fail("INVALID_ARGUMENT", "The App Engine target's URL is malformed.");
}

/**
 * Fills in the parts; one that is not set takes the separator behind it along (`{version}.`,
 * `{version}-dot-`).
 */
function fillTemplate(
  template: string,
  parts: AppEngineRouting & { readonly project: string },
): string {
  return template.replace(
    /\{(project|service|version|instance)\}(\.|-dot-)?/g,
    (_, name: "project" | "service" | "version" | "instance", separator = "") => {
      const value = parts[name] ?? "";
      return value === "" ? "" : encodeURIComponent(value) + separator;
    },
  );
}

function withContentType(headers: HeaderList, body: Uint8Array | undefined): HeaderList {
  const isGiven = headers.some(([name]) => name.toLowerCase() === "content-type");
  if (body === undefined || body.byteLength === 0 || isGiven) return headers;
  return [...headers, ["Content-Type", APP_ENGINE_CONTENT_TYPE]];
}
