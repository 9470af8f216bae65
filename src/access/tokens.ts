/** The rules of API tokens. */
import {
  EXPIRED_TOKEN_KEPT_US,
  MAX_TOKENS_PER_PROJECT,
  TOKEN_USE_INTERVAL_US,
} from "../core/limits.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { AccountStore } from "./account-store.ts";
import { type Change, type Moment, notFound } from "./change.ts";
import type { ApiToken } from "./service.ts";
import type { Store, StoredToken } from "./store.ts";

const ACCOUNT_MEMBER = /^serviceAccount:(.*)$/;

export class Tokens {
  readonly #store: Store;
  readonly #accounts: AccountStore;

  constructor(store: Store, accounts: AccountStore) {
    this.#store = store;
    this.#accounts = accounts;
  }

  create(
    wanted: Pick<ApiToken, "id" | "displayName" | "member" | "roles" | "expireTimeUs">,
    hash: ArrayBuffer,
    { nowUs }: Moment,
  ): Result<Change<ApiToken>> {
    const account = ACCOUNT_MEMBER.exec(wanted.member)?.[1];
    if (account !== undefined && this.#accounts.find(account)?.email !== account) {
      return notFound("Service account", account);
    }
    this.#store.removeTokensExpiredBy(nowUs - EXPIRED_TOKEN_KEPT_US);
    if (this.#store.countTokens() >= MAX_TOKENS_PER_PROJECT) {
      const most = `The project has ${MAX_TOKENS_PER_PROJECT} API tokens already: revoke one first.`;
      return fail("RESOURCE_EXHAUSTED", most);
    }
    const token = { ...wanted, createTimeUs: nowUs };
    this.#store.addToken({ ...token, hash });
    return ok({ value: token, audit: record("create", token.id) });
  }

  get(id: string): Result<ApiToken> {
    const found = this.#store.findToken(id);
    return found === undefined ? notFound("API token", id) : ok(show(found));
  }

  delete(id: string): Result<Change<null>> {
    if (this.#store.findToken(id) === undefined) return notFound("API token", id);
    this.#store.removeToken(id);
    return ok({ value: null, audit: record("delete", id) });
  }

  /** The token, if it is the one that was made with this hash and may still be used. */
  use(id: string, hash: ArrayBuffer, nowUs: number): ApiToken | null {
    const found = this.#store.findToken(id);
    if (found === undefined || hash.byteLength !== found.hash.byteLength) return null;
    if (!crypto.subtle.timingSafeEqual(hash, found.hash)) return null;
    if (found.expireTimeUs !== undefined && found.expireTimeUs <= nowUs) return null;
    if (!this.#isAccountUsable(found.member)) return null;
    if (nowUs - (found.lastUsedUs ?? -Infinity) >= TOKEN_USE_INTERVAL_US) {
      this.#store.noteUse(id, nowUs);
    }
    return show(found);
  }

  #isAccountUsable(member: string): boolean {
    const email = ACCOUNT_MEMBER.exec(member)?.[1];
    return email === undefined || this.#accounts.find(email)?.disabled === false;
  }
}

function show({ hash: _hash, ...token }: StoredToken): ApiToken {
  return token;
}

function record(verb: string, id: string) {
  return { method: `tokens.${verb}`, resource: `tokens/${id}` };
}
