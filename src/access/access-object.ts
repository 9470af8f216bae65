/**
 * The object of a project's access: RPC methods and the clock. Every change and its audit record are
 * one commit. Private keys and the secrets of tokens never come here.
 */
import { DurableObject } from "cloudflare:workers";
import { AUDIT_KEPT_RECORDS, AUDIT_KEPT_US } from "../core/limits.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { hasTables } from "../object-schema.ts";
import { AccountStore } from "./account-store.ts";
import { Accounts } from "./accounts.ts";
import type { Change, Moment } from "./change.ts";
import { Policies } from "./policies.ts";
import { migrate } from "./schema.ts";
import type {
  AccessService,
  AccountChange,
  AccountKey,
  ApiToken,
  AuditRecord,
  Credentials,
  Page,
  Policy,
  PolicyTarget,
  ServiceAccount,
} from "./service.ts";
import { Store } from "./store.ts";
import { Tokens } from "./tokens.ts";

export class AccessObject extends DurableObject<Env> implements AccessService {
  /** Microseconds since the epoch; tests put another clock here. */
  clock: () => number = () => Date.now() * 1000;
  readonly #store: Store;
  readonly #accounts: Accounts;
  readonly #tokens: Tokens;
  readonly #policies: Policies;
  #hasTables: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    const accounts = new AccountStore(sql);
    this.#store = new Store(sql);
    this.#policies = new Policies(this.#store);
    this.#tokens = new Tokens(this.#store, accounts);
    this.#accounts = new Accounts(accounts, this.#store);
    this.#hasTables = hasTables(sql);
    if (this.#hasTables) ctx.storage.transactionSync(() => migrate(sql));
  }

  // --- policies ------------------------------------------------------------------------------

  async getPolicies(targets: readonly PolicyTarget[]): Promise<Result<readonly Policy[]>> {
    return ok(targets.map((target) => this.#policies.read(target, this.#hasTables)));
  }

  async setPolicy(
    target: PolicyTarget,
    policy: Omit<Policy, "etag"> & { readonly etag?: string },
    actor: string,
  ): Promise<Result<Policy>> {
    return this.#change(actor, (moment) => this.#policies.set(target, policy, moment));
  }

  async removePolicy(target: PolicyTarget, actor: string): Promise<Result<null>> {
    if (!this.#hasTables) return ok(null);
    return this.#change(actor, () => this.#policies.remove(target));
  }

  // --- accounts ------------------------------------------------------------------------------

  async createAccount(
    account: Pick<ServiceAccount, "email" | "uniqueId" | "displayName" | "description">,
    actor: string,
  ): Promise<Result<ServiceAccount>> {
    return this.#change(actor, (moment) => this.#accounts.create(account, moment));
  }

  async getAccount(name: string): Promise<Result<ServiceAccount>> {
    return this.#read(() => this.#accounts.get(name));
  }

  async listAccounts(after: string, limit: number): Promise<Page<ServiceAccount>> {
    return this.#page(limit, (most) => this.#accounts.list(after, most));
  }

  async updateAccount(
    name: string,
    change: AccountChange,
    actor: string,
  ): Promise<Result<ServiceAccount>> {
    return this.#change(actor, (moment) => this.#accounts.update(name, change, moment));
  }

  async setAccountDisabled(name: string, disabled: boolean, actor: string): Promise<Result<null>> {
    return this.#change(actor, (moment) => this.#accounts.setDisabled(name, disabled, moment));
  }

  async deleteAccount(name: string, actor: string): Promise<Result<null>> {
    return this.#change(actor, (moment) => {
      const deleted = this.#accounts.delete(name);
      if (deleted.ok) this.#policies.dropMember(`serviceAccount:${deleted.value.value}`, moment);
      return deleted.ok ? ok({ ...deleted.value, value: null }) : deleted;
    });
  }

  async createKey(
    account: string,
    key: Pick<AccountKey, "id" | "publicKey" | "validBeforeUs">,
    actor: string,
  ): Promise<Result<AccountKey>> {
    return this.#change(actor, (moment) => this.#accounts.createKey(account, key, moment));
  }

  async getKey(account: string, key: string): Promise<Result<AccountKey>> {
    return this.#read(() => this.#accounts.getKey(account, key));
  }

  async listKeys(account: string): Promise<Result<readonly AccountKey[]>> {
    return this.#read(() => this.#accounts.listKeys(account));
  }

  async setKeyDisabled(
    account: string,
    key: string,
    disabled: boolean,
    actor: string,
  ): Promise<Result<null>> {
    return this.#change(actor, () => this.#accounts.setKeyDisabled(account, key, disabled));
  }

  async deleteKey(account: string, key: string, actor: string): Promise<Result<null>> {
    return this.#change(actor, () => this.#accounts.deleteKey(account, key));
  }

  // --- tokens --------------------------------------------------------------------------------

  async createToken(
    token: Pick<ApiToken, "id" | "displayName" | "member" | "roles" | "expireTimeUs">,
    hash: ArrayBuffer,
    actor: string,
  ): Promise<Result<ApiToken>> {
    return this.#change(actor, (moment) => this.#tokens.create(token, hash, moment));
  }

  async getToken(id: string): Promise<Result<ApiToken>> {
    return this.#read(() => this.#tokens.get(id));
  }

  async listTokens(after: string, limit: number): Promise<Page<ApiToken>> {
    return this.#page(limit, (most) => this.#store.listTokens(after, most));
  }

  async deleteToken(id: string, actor: string): Promise<Result<null>> {
    return this.#change(actor, () => this.#tokens.delete(id));
  }

  // --- verifying -----------------------------------------------------------------------------

  async getCredentials(email: string): Promise<Credentials | null> {
    return this.#hasTables ? this.#accounts.credentials(email) : null;
  }

  async useToken(id: string, hash: ArrayBuffer): Promise<ApiToken | null> {
    return this.#hasTables ? this.#tokens.use(id, hash, this.clock()) : null;
  }

  // --- record of changes ---------------------------------------------------------------------

  async listAudit(before: number, limit: number): Promise<Page<AuditRecord>> {
    return this.#page(limit, (most) => this.#store.listAudit(before, most));
  }

  async recordChange(
    { method, resource }: Pick<AuditRecord, "method" | "resource">,
    actor: string,
  ): Promise<Result<null>> {
    return this.#change(actor, () => ok({ value: null, audit: { method, resource } }));
  }

  // --- how they are run ----------------------------------------------------------------------

  #read<T>(read: () => Result<T>): Result<T> {
    return this.#hasTables ? read() : fail("NOT_FOUND", "Requested entity was not found.");
  }

  #page<T>(limit: number, list: (limit: number) => readonly T[]): Page<T> {
    if (!this.#hasTables) return { items: [], more: false };
    const found = list(limit + 1);
    return { items: found.slice(0, limit), more: found.length > limit };
  }

  /** A refusal leaves nothing behind, not even tables. */
  #change<T>(actor: string, decide: (moment: Moment) => Result<Change<T>>): Result<T> {
    const hadTables = this.#hasTables;
    let outcome: Result<T> | undefined;
    try {
      this.ctx.storage.transactionSync(() => {
        if (!hadTables) migrate(this.ctx.storage.sql);
        this.#hasTables = true;
        outcome = this.#decide(actor, decide);
        if (!outcome.ok) throw new Refused();
      });
    } catch (error) {
      this.#hasTables = hadTables;
      if (!(error instanceof Refused)) throw error;
    }
    return outcome as Result<T>;
  }

  #decide<T>(actor: string, decide: (moment: Moment) => Result<Change<T>>): Result<T> {
    const moment = { nowUs: this.clock(), number: this.#store.newestAudit() + 1 };
    const decided = decide(moment);
    if (!decided.ok) return decided;
    const { value, audit } = decided.value;
    if (audit !== undefined) {
      this.#store.addAudit({ number: moment.number, timeUs: moment.nowUs, actor, ...audit });
      this.#store.sweepAudit(moment.number - AUDIT_KEPT_RECORDS, moment.nowUs - AUDIT_KEPT_US);
    }
    return ok(value);
  }
}

/** Rolls a transaction back. */
class Refused extends Error {}
