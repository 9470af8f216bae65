/** One request on its way through a method of the admin interface. */
import type { AccessService } from "../../access/service.ts";
import type { Result } from "../../core/result.ts";
import type { Query } from "../../protocol/query.ts";

/** What the path names. Parts it has not are empty. */
export interface AdminResource {
  readonly kind: "accounts" | "account" | "keys" | "key" | "tokens" | "token" | "auditLog";
  readonly project: string;
  /** Email or unique id of an account. */
  readonly account: string;
  /** The id of a key or token. */
  readonly id: string;
  /** What follows the colon. */
  readonly verb: string;
}

export interface AdminCall {
  readonly resource: AdminResource;
  /** The object of the project. */
  readonly store: AccessService;
  /** In the record of changes. */
  readonly actor: string;
  readonly query: Query;
  /** The body's JSON. */
  readonly body: unknown;
  /** This deployment as the caller reached it, such as https://tasks.example.com. */
  readonly origin: string;
  readonly nowUs: number;
}

/** What a method answers: a JSON object. */
export type AdminAnswer = Promise<Result<object>>;
