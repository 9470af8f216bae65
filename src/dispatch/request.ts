/**
 * The request of an attempt, built before anything is sent (push.md §1, §2, §9, §10). Pure: what
 * goes on the wire can be read from the value.
 */
import type { AttemptOrder, LaneContext } from "../core/attempt.ts";
import type { DeploymentConfig } from "../core/config.ts";
import { DEFAULT_DISPATCH_DEADLINE_US } from "../core/limits.ts";
import { type AuthorizationToken, decodeMeta, type TaskMeta } from "../core/model.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { appEngineRequest } from "./app-engine-target.ts";
import { httpRequest } from "./http-target.ts";
import type { SignedParts } from "./webhook-signature.ts";

export interface OutgoingRequest {
  readonly kind: "http" | "appEngine";
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
  readonly deadlineUs: number;
  /** The service binding it goes through; absent: the Internet. */
  readonly binding?: string;
  /** The token whose text becomes the header Authorization, with its audience filled in. */
  readonly token?: RequestToken;
  /** What its signature is about, besides the body; absent: it is not signed. */
  readonly webhook?: Omit<SignedParts, "body">;
}

export interface RequestToken {
  /** The queue's project, which knows the account. */
  readonly project: string;
  readonly token: AuthorizationToken;
  readonly audience: string;
}

/** What the building of requests knows besides the order. */
export interface RequestSettings {
  readonly context: Pick<
    LaneContext,
    "queue" | "httpTarget" | "appEngineRoutingOverride" | "webhookSigning"
  >;
  readonly config: Pick<
    DeploymentConfig,
    "targetAllow" | "appEngineUrl" | "appEngineDomain" | "maxAttemptUs" | "issuer"
  >;
  /** Whether a service binding of this name exists. */
  readonly hasBinding: (name: string) => boolean;
}

/** Builds the request of an order. A failure says why nothing may be sent: it is refused. */
export function buildRequest(
  order: AttemptOrder,
  settings: RequestSettings,
): Result<OutgoingRequest> {
  const { queue, webhookSigning: signing } = settings.context;
  const built = buildUnsigned(order, settings);
  if (!built.ok || signing === undefined) return built;
  return ok({ ...built.value, webhook: { queue, signing, sequence: order.sequence } });
}

function buildUnsigned(order: AttemptOrder, settings: RequestSettings): Result<OutgoingRequest> {
  const meta = decodeMeta(order.meta);
  const deadlineUs = attemptDeadlineUs(meta, settings.config.maxAttemptUs);
  switch (meta.target.kind) {
    case "http":
      return httpRequest(order, meta.target, deadlineUs, settings);
    case "appEngine":
      return appEngineRequest(order, meta.target, deadlineUs, settings);
    case "pull":
      return fail("FAILED_PRECONDITION", "A pull task is leased, not dispatched.");
    default:
      return meta.target satisfies never;
  }
}

/** A deadline of 0 asks for the default (push.md §3); none is longer than the platform can hold. */
function attemptDeadlineUs(meta: TaskMeta, maxAttemptUs: number): number {
  return Math.min(meta.dispatchDeadlineUs || DEFAULT_DISPATCH_DEADLINE_US, maxAttemptUs);
}
