/** One request on its way through a method. */
import type { DeploymentConfig } from "../../core/config.ts";
import type { Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import type { TransactionName } from "../../transaction/service.ts";
import type { Dialect, Style } from "./dialect.ts";
import type { Query } from "./query.ts";
import type { Resource } from "./resource.ts";

export interface Call {
  readonly env: Env;
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
