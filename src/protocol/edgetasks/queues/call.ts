/** One request on its way through a method. */
import type { Access } from "../../../auth/iam/access.ts";
import type { DeploymentConfig } from "../../../core/config.ts";
import type { QueueName, TaskRecord } from "../../../core/model.ts";
import type { Env } from "../../../env.ts";
import type { LazyList } from "../../lazy-list.ts";
import type { Refusal } from "./errors.ts";

export interface Call {
  readonly env: Env;
  /** What the caller may do. */
  readonly access: Access;
  readonly config: DeploymentConfig;
  readonly request: Request;
  readonly queue: QueueName;
  /** This service's own host, as the caller reached it. */
  readonly ownHost: string;
  /** When the request came. */
  readonly nowUs: number;
  /** The clock, milliseconds: for calls that wait. */
  readonly clock: () => number;
}

/** What a method answers: a JSON object, and the list in it that is written while it is sent. */
export interface Reply {
  readonly value: object;
  readonly tasks?: LazyList<TaskRecord>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** As Result, with what this face adds to refusals. */
export type Checked<T> = { readonly ok: true; readonly value: T } | Refusal;

export type Answer = Promise<Checked<Reply>>;
