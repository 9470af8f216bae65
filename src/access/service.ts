/**
 * The methods of a project's access object: its service accounts, keys, API tokens, policies and the
 * record of who changed them. Plain data in and out; a refusal is a Result. Times in microseconds.
 */
import type { Result } from "../core/result.ts";

// ---- Policies --------------------------------------------------------------------------------

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

/** What policies are kept about. */
export type PolicyTarget =
  | { readonly kind: "project" }
  | { readonly kind: "queue"; readonly location: string; readonly queue: string };

export interface PolicyService {
  /** The policies in the order of the targets; an empty one where none was set. */
  getPolicies(targets: readonly PolicyTarget[]): Promise<Result<readonly Policy[]>>;
  /** Replaces the policy. ABORTED when the etag given is not the current one. */
  setPolicy(
    target: PolicyTarget,
    policy: Omit<Policy, "etag"> & { readonly etag?: string },
    actor: string,
  ): Promise<Result<Policy>>;
  /** Forgets the policy of a queue that was deleted; nothing happens where there is none. */
  removePolicy(target: PolicyTarget, actor: string): Promise<Result<null>>;
}

// ---- Service accounts ------------------------------------------------------------------------

/** A service account of the project. */
export interface ServiceAccount {
  /** `ID@PROJECT.iam.gserviceaccount.com` */
  readonly email: string;
  /** Decimal digits; the `sub` of its identity tokens. */
  readonly uniqueId: string;
  readonly displayName: string;
  readonly description: string;
  readonly disabled: boolean;
  /** Changes with every change of the account. */
  readonly etag: string;
  readonly createTimeUs: number;
}

/** A public key of a service account; the private half is shown once, when it is made. */
export interface AccountKey {
  /** 40 hexadecimal digits; `kid` of the tokens it signs. */
  readonly id: string;
  readonly publicKey: RsaPublicKey;
  readonly disabled: boolean;
  readonly validAfterUs: number;
  readonly validBeforeUs: number;
}

/** An RSA public key (RFC 7518 §6.3.1), base64url. */
export interface RsaPublicKey {
  readonly n: string;
  readonly e: string;
}

export interface AccountChange {
  readonly displayName?: string;
  readonly description?: string;
  /** The account's, as it was read: ABORTED when it is no longer the current one. */
  readonly etag?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** True: there are more after the last one. */
  readonly more: boolean;
}

/** Accounts and keys. NOT_FOUND where the account or key is unknown. */
export interface AccountService {
  /** ALREADY_EXISTS where the id is taken; RESOURCE_EXHAUSTED at the bound of accounts. */
  createAccount(
    account: Pick<ServiceAccount, "email" | "uniqueId" | "displayName" | "description">,
    actor: string,
  ): Promise<Result<ServiceAccount>>;
  /** By its email or its unique id. */
  getAccount(name: string): Promise<Result<ServiceAccount>>;
  /** In the order of emails, after the one given. */
  listAccounts(after: string, limit: number): Promise<Page<ServiceAccount>>;
  updateAccount(
    name: string,
    change: AccountChange,
    actor: string,
  ): Promise<Result<ServiceAccount>>;
  setAccountDisabled(name: string, disabled: boolean, actor: string): Promise<Result<null>>;
  /** With its keys. Its tokens stop as well. */
  deleteAccount(name: string, actor: string): Promise<Result<null>>;

  /** FAILED_PRECONDITION at the bound of keys. */
  createKey(
    account: string,
    key: Pick<AccountKey, "id" | "publicKey" | "validBeforeUs">,
    actor: string,
  ): Promise<Result<AccountKey>>;
  getKey(account: string, key: string): Promise<Result<AccountKey>>;
  listKeys(account: string): Promise<Result<readonly AccountKey[]>>;
  setKeyDisabled(
    account: string,
    key: string,
    disabled: boolean,
    actor: string,
  ): Promise<Result<null>>;
  deleteKey(account: string, key: string, actor: string): Promise<Result<null>>;
}

// ---- API tokens ------------------------------------------------------------------------------

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

export interface TokenService {
  /** `hash` is the SHA-256 of the whole token. RESOURCE_EXHAUSTED at the bound of tokens. */
  createToken(
    token: Pick<ApiToken, "id" | "displayName" | "member" | "roles" | "expireTimeUs">,
    hash: ArrayBuffer,
    actor: string,
  ): Promise<Result<ApiToken>>;
  getToken(id: string): Promise<Result<ApiToken>>;
  /** In the order of ids, after the one given. */
  listTokens(after: string, limit: number): Promise<Page<ApiToken>>;
  /** Revokes it for good. */
  deleteToken(id: string, actor: string): Promise<Result<null>>;
}

// ---- Verifying -------------------------------------------------------------------------------

/** All that is needed to verify what an account signed, or what was signed for it. */
export interface Credentials {
  readonly account: ServiceAccount;
  readonly keys: readonly AccountKey[];
}

export interface CredentialService {
  /** Null where there is no such account. */
  getCredentials(email: string): Promise<Credentials | null>;
  /**
   * The token that is known by this hash, and notes its use. Null: unknown, revoked, expired, or its
   * account is gone or disabled.
   */
  useToken(id: string, hash: ArrayBuffer): Promise<ApiToken | null>;
}

// ---- Audit -----------------------------------------------------------------------------------

export interface AuditRecord {
  /** Rises by one with every record of the project. */
  readonly number: number;
  readonly timeUs: number;
  /** The member that did it, or `owner` for the deployment's own token. */
  readonly actor: string;
  /** Such as `serviceAccounts.create`. */
  readonly method: string;
  readonly resource: string;
}

export interface AuditService {
  /** Newest first, those before the number given. */
  listAudit(before: number, limit: number): Promise<Page<AuditRecord>>;
  /** Records a change to the project that another object makes. */
  recordChange(
    change: Pick<AuditRecord, "method" | "resource">,
    actor: string,
  ): Promise<Result<null>>;
}

export interface AccessService
  extends PolicyService,
    AccountService,
    TokenService,
    CredentialService,
    AuditService {}
