/** One request on its way through a method of this interface. */
import type { Access } from "../../auth/iam/access.ts";
import type { Permission } from "../../auth/iam/roles.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import type { LocationName } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";

export interface Call {
  readonly env: Env;
  readonly access: Access;
  readonly config: DeploymentConfig;
  readonly request: Request;
  /** The project and location of the path; both could exist. */
  readonly place: LocationName;
  /** The parts of the path that the route's pattern takes out, decoded. */
  readonly ids: readonly string[];
  /** This service's host and port, as the caller reached it. */
  readonly ownHost: string;
  /** A number of random bytes. */
  readonly random: (size: number) => Uint8Array;
}

/** What a method answers: a JSON object. */
export type Answer = Promise<Result<object>>;

export interface Method {
  /** What the caller must be allowed on the resource of the path, before the body is read. */
  readonly permission: Permission;
  readonly run: (call: Call) => Answer;
}

/** A path below the project and location, and the methods by HTTP verb. */
export interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Method>>;
}
