/** One request on its way through a method. */
import type { Access, Verdict } from "../../auth/iam/access.ts";
import { queueResource } from "../../auth/iam/resource.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import type { AuthorizationToken } from "../../core/model.ts";
import type { DomainError, Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import type { TransactionName } from "../../transaction/service.ts";
import type { Query } from "../query.ts";
import type { Dialect, Style, View } from "./dialect.ts";
import type { Resource } from "./resource.ts";

export interface Call {
  readonly env: Env;
  readonly access: Access;
  readonly config: DeploymentConfig;
  readonly request: Request;
  readonly dialect: Dialect;
  /** What the path names; its parts have been checked. */
  readonly resource: Resource;
  readonly query: Query;
  /** The transaction that its tasks are to be of. */
  readonly transaction: TransactionName | undefined;
  /** When the request came. */
  readonly nowUs: number;
  /** The clock, milliseconds, for a method that waits. */
  readonly nowMs: () => number;
  /** This service's host and port, as the caller reached it. */
  readonly ownHost: string;
}

/** What a method answers: a JSON object. */
export type Answer = Promise<Result<object>>;

/** How this call wants its answer written. */
export function styleOf(call: Call): Style {
  return {
    enumsAsInts: call.query.enumsAsInts,
    appEngineDomain: call.config.appEngineDomain,
  };
}

/** A refusal as a method's result; undefined: go on. Waits only where policies have to be fetched. */
type Refusal = { readonly ok: false; readonly error: DomainError } | undefined;

async function refusalOf(verdict: Verdict): Promise<Refusal> {
  const error = await verdict;
  return error === undefined ? undefined : { ok: false, error };
}

/** Payloads may be seen by those who have a permission for it (discovery v2 Task.view). */
export function checkView(call: Call, view: View): Promise<Refusal> | undefined {
  if (view !== "FULL" || call.access.isTrusted) return undefined;
  const resource = queueResource(call.resource);
  return refusalOf(call.access.require("cloudtasks.tasks.fullView", resource));
}

/** Who has tasks carry an account's tokens must be allowed to act as it (discovery v2 OidcToken). */
export function checkToken(
  call: Call,
  token: AuthorizationToken | undefined,
): Promise<Refusal> | undefined {
  if (token === undefined || call.access.isTrusted) return undefined;
  return refusalOf(call.access.requireActAs(call.resource, token.serviceAccountEmail));
}
