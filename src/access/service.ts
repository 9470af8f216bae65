/**
 * The methods of a project's access object: its service accounts, keys, API tokens, policies and the
 * record of who changed them. Plain data in and out; a refusal is a Result.
 */
import type { Result } from "../core/result.ts";

/** A policy of IAM (discovery v2 Policy). */
export interface Policy {
  /** 1, or 3 where a binding has a condition. */
  readonly version: number;
  readonly bindings: readonly Binding[];
  /** Base64; changes with every write. */
  readonly etag: string;
}

export interface Binding {
  readonly role: string;
  /** `user:`, `serviceAccount:`, `domain:` with a name, or allAuthenticatedUsers, allUsers. */
  readonly members: readonly string[];
  readonly condition?: {
    readonly title?: string;
    readonly description?: string;
    readonly expression: string;
  };
}

/** A service account of the project. */
export interface ServiceAccount {
  /** `ID@PROJECT.iam.gserviceaccount.com` */
  readonly email: string;
  /** Decimal digits; the `sub` of its identity tokens. */
  readonly uniqueId: string;
  readonly displayName: string;
  readonly disabled: boolean;
  readonly createTimeUs: number;
}

/** A public key of a service account; the private half is shown once, when it is made. */
export interface AccountKey {
  /** Hexadecimal; `kid` of the tokens it signs. */
  readonly id: string;
  readonly publicKeyJwk: JsonWebKey;
  readonly disabled: boolean;
  readonly validAfterUs: number;
  readonly validBeforeUs: number;
}

/** An opaque bearer token, without its secret. */
export interface ApiToken {
  readonly id: string;
  readonly displayName: string;
  /** Whom it speaks for in policies: `user:token-ID@PROJECT` unless it was made for an account. */
  readonly member: string;
  /** Roles it has on the whole project, besides what policies say of its member. */
  readonly roles: readonly string[];
  readonly createTimeUs: number;
  readonly expireTimeUs?: number;
  /** To the minute or so; absent: never used. */
  readonly lastUsedUs?: number;
}

/** Everything needed to judge calls on a project, as one cacheable piece. */
export interface AccessSnapshot {
  /** Rises with every change. */
  readonly version: number;
  readonly policy: Policy;
}

export interface AuditRecord {
  readonly timeUs: number;
  /** The member that did it, or `owner` for the deployment's own token. */
  readonly actor: string;
  /** Such as `serviceAccounts.create`. */
  readonly method: string;
  readonly resource: string;
}

/** What policies are kept about. */
export type PolicyTarget =
  | { readonly kind: "project" }
  | { readonly kind: "queue"; readonly location: string; readonly queue: string };

/** What verifying and judging callers needs; the admin methods are added beside it. */
export interface AccessReader {
  getAccount(email: string): Promise<Result<ServiceAccount>>;
  /** The account's usable keys. */
  listKeys(email: string): Promise<Result<readonly AccountKey[]>>;
  /** The policy; an empty one where none was set. */
  getPolicy(target: PolicyTarget): Promise<Result<Policy>>;
  /** ABORTED when the etag given is not the current one. */
  setPolicy(
    target: PolicyTarget,
    policy: Omit<Policy, "etag"> & { readonly etag?: string },
    actor: string,
  ): Promise<Result<Policy>>;
}
