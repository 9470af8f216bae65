/** One request on its way through a method. */
import type { Access } from "../../auth/iam/access.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import type { QueueName, TaskRecord } from "../../core/model.ts";
import type { Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import type { TransactionName } from "../../transaction/service.ts";
import type { LazyList } from "../lazy-list.ts";
import type { Query } from "./query.ts";

export interface Call {
  readonly env: Env;
  readonly access: Access;
  readonly config: DeploymentConfig;
  readonly request: Request;
  readonly queue: QueueName;
  /** The project as the caller writes it, a partition (`s~`) included: answers repeat it. */
  readonly project: string;
  /** The task in the path; empty where the path names none. */
  readonly taskId: string;
  readonly query: Query;
  /** The transaction that its task is to be of. */
  readonly transaction: TransactionName | undefined;
  /** When the request came. */
  readonly nowUs: number;
  /** The clock, milliseconds: for calls that wait. */
  readonly clock: () => number;
}

/** What a method answers: a JSON object, or nothing at all. */
export interface Reply {
  readonly value?: object;
  /** The object's `items`; absent where there are none. */
  readonly items?: LazyList<TaskRecord>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Answer = Promise<Result<Reply>>;
