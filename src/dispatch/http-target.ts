/** Requests to HTTP targets (push.md §1, §2, §8, §9). */
import type { AttemptOrder } from "../core/attempt.ts";
import type { TaskTarget } from "../core/model.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { applyUriOverride, sendsBody } from "../core/target-override.ts";
import { checkTarget } from "../core/target-policy.ts";
import { attemptHeaders, taskHeaders } from "./attempt-headers.ts";
import type { OutgoingRequest, RequestSettings, RequestToken } from "./request.ts";

type HttpTarget = Extract<TaskTarget, { kind: "http" }>;

/**
 * Builds the request of an HTTP task, the queue's httpTarget laid over it. The queue's header
 * overrides are not applied here: they were when the task was created (discovery v2 HttpTarget).
 */
export function httpRequest(
  order: AttemptOrder,
  target: HttpTarget,
  deadlineUs: number,
  { context, config }: RequestSettings,
): Result<OutgoingRequest> {
  const override = context.httpTarget;
  const resolved = targetUrl(target.url, override?.uriOverride);
  if (!resolved.ok) return resolved;
  const { url, audience } = resolved.value;
  const refusal = checkTarget(url, config, hostOf(config.issuer));
  if (refusal !== null) return fail("FAILED_PRECONDITION", refusal);

  const method = override?.method ?? target.method;
  const { project, queue } = context.queue;
  const token = requestToken(project, override?.token ?? target.token, audience);
  return ok({
    kind: "http",
    url,
    method,
    headers: [
      ...taskHeaders(target.headers, "http", {
        hasToken: token !== undefined,
        isSigned: context.webhookSigning !== undefined,
      }),
      ...attemptHeaders(order, "http", queue),
    ],
    ...(order.body !== undefined && sendsBody(method) ? { body: order.body } : {}),
    deadlineUs,
    ...(token === undefined ? {} : { token }),
  });
}

/**
 * A URL that cannot be read, or has a broken percent escape, was accepted when the task was created
 * and fails here, as recorded of the live service (errors.md §2).
 */
function targetUrl(
  text: string,
  override: Parameters<typeof applyUriOverride>[1],
): Result<{ readonly url: URL; readonly audience: string }> {
  const own = URL.parse(text);
  if (own === null) return fail("INVALID_ARGUMENT", "The target's URL is malformed.");
  const overridden = applyUriOverride(own, override);
  if (!overridden.ok) return overridden;
  const url = overridden.value;
  if (/%(?![0-9A-Fa-f]{2})/.test(url.href)) {
    return fail("INVALID_ARGUMENT", "The target's URL has a malformed percent escape.");
  }
  // Receivers compare the audience to the letter, so an untouched URL stays as its owner wrote it.
  return ok({ url, audience: url.href === own.href ? text : url.href });
}

function requestToken(
  project: string,
  token: HttpTarget["token"],
  targetUrl: string,
): RequestToken | undefined {
  if (token === undefined) return undefined;
  // An access token is for the issuer's own APIs, wherever it is sent.
  if (token.kind === "oauth") return { project, token, audience: "" };
  return { project, token, audience: token.audience || targetUrl };
}

/** The deployment's own host, where the setting ISSUER says under which address it is reached. */
function hostOf(issuer: string): string | undefined {
  return URL.parse(issuer)?.host;
}
