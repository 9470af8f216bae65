/** The rules of service accounts and their keys. */
import { MAX_ACCOUNTS_PER_PROJECT, MAX_KEYS_PER_ACCOUNT } from "../core/limits.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { AccountStore, StoredAccount } from "./account-store.ts";
import { type Change, etagOf, type Moment, notFound } from "./change.ts";
import type { AccountChange, AccountKey, Credentials, ServiceAccount } from "./service.ts";
import type { Store } from "./store.ts";

export class Accounts {
  readonly #accounts: AccountStore;
  readonly #store: Store;

  constructor(accounts: AccountStore, store: Store) {
    this.#accounts = accounts;
    this.#store = store;
  }

  create(
    wanted: Pick<ServiceAccount, "email" | "uniqueId" | "displayName" | "description">,
    { nowUs, number }: Moment,
  ): Result<Change<ServiceAccount>> {
    const { email } = wanted;
    if (this.#accounts.find(email) !== undefined) {
      return fail("ALREADY_EXISTS", `Service account ${email} already exists.`);
    }
    if (this.#accounts.count() >= MAX_ACCOUNTS_PER_PROJECT) {
      const most = `Maximum number of service accounts on project reached: ${MAX_ACCOUNTS_PER_PROJECT}.`;
      return fail("RESOURCE_EXHAUSTED", most);
    }
    const account = { ...wanted, disabled: false, revision: number, createTimeUs: nowUs };
    this.#accounts.write(account);
    return ok({ value: show(account), audit: record("serviceAccounts.create", email) });
  }

  get(name: string): Result<ServiceAccount> {
    const found = this.#find(name);
    return found.ok ? ok(show(found.value)) : found;
  }

  list(after: string, limit: number): ServiceAccount[] {
    return this.#accounts.list(after, limit).map(show);
  }

  update(name: string, change: AccountChange, { number }: Moment): Result<Change<ServiceAccount>> {
    const found = this.#find(name);
    if (!found.ok) return found;
    const { etag, ...texts } = change;
    if (etag !== undefined && etag !== etagOf(found.value.revision)) {
      return fail("ABORTED", `Service account ${found.value.email} was changed since it was read.`);
    }
    const account = { ...found.value, ...texts, revision: number };
    this.#accounts.write(account);
    return ok({ value: show(account), audit: record("serviceAccounts.update", account.email) });
  }

  setDisabled(name: string, disabled: boolean, { number }: Moment): Result<Change<null>> {
    const found = this.#find(name);
    if (!found.ok) return found;
    const account = found.value;
    if (account.disabled === disabled) return ok({ value: null });
    this.#accounts.write({ ...account, disabled, revision: number });
    const method = disabled ? "serviceAccounts.disable" : "serviceAccounts.enable";
    return ok({ value: null, audit: record(method, account.email) });
  }

  /** Answers the email; the tokens that were made for the account go with it. */
  delete(name: string): Result<Change<string>> {
    const found = this.#find(name);
    if (!found.ok) return found;
    const { email } = found.value;
    this.#accounts.remove(email);
    this.#store.removeTokensOf(`serviceAccount:${email}`);
    return ok({ value: email, audit: record("serviceAccounts.delete", email) });
  }

  createKey(
    name: string,
    wanted: Pick<AccountKey, "id" | "publicKey" | "validBeforeUs">,
    { nowUs }: Moment,
  ): Result<Change<AccountKey>> {
    const found = this.#find(name);
    if (!found.ok) return found;
    const { email } = found.value;
    if (this.#accounts.countKeys(email) >= MAX_KEYS_PER_ACCOUNT) {
      return fail(
        "FAILED_PRECONDITION",
        `Service account ${email} has ${MAX_KEYS_PER_ACCOUNT} keys already: delete one first.`,
      );
    }
    const key = { ...wanted, disabled: false, validAfterUs: nowUs };
    this.#accounts.writeKey(email, key);
    return ok({ value: key, audit: recordKey("create", email, key.id) });
  }

  getKey(name: string, id: string): Result<AccountKey> {
    const found = this.#findKey(name, id);
    return found.ok ? ok(found.value.key) : found;
  }

  listKeys(name: string): Result<readonly AccountKey[]> {
    const found = this.#find(name);
    return found.ok ? ok(this.#accounts.listKeys(found.value.email)) : found;
  }

  setKeyDisabled(name: string, id: string, disabled: boolean): Result<Change<null>> {
    const found = this.#findKey(name, id);
    if (!found.ok) return found;
    const { email, key } = found.value;
    if (key.disabled === disabled) return ok({ value: null });
    this.#accounts.writeKey(email, { ...key, disabled });
    return ok({ value: null, audit: recordKey(disabled ? "disable" : "enable", email, id) });
  }

  deleteKey(name: string, id: string): Result<Change<null>> {
    const found = this.#findKey(name, id);
    if (!found.ok) return found;
    const { email } = found.value;
    this.#accounts.removeKey(email, id);
    return ok({ value: null, audit: recordKey("delete", email, id) });
  }

  credentials(email: string): Credentials | null {
    const account = this.#accounts.find(email);
    if (account === undefined || account.email !== email) return null;
    return { account: show(account), keys: this.#accounts.listKeys(email) };
  }

  #find(name: string): Result<StoredAccount> {
    const account = this.#accounts.find(name);
    return account === undefined ? notFound("Service account", name) : ok(account);
  }

  #findKey(name: string, id: string): Result<{ email: string; key: AccountKey }> {
    const found = this.#find(name);
    if (!found.ok) return found;
    const { email } = found.value;
    const key = this.#accounts.findKey(email, id);
    return key === undefined ? notFound("Service account key", id) : ok({ email, key });
  }
}

function show({ revision, ...account }: StoredAccount): ServiceAccount {
  return { ...account, etag: etagOf(revision) };
}

function record(method: string, email: string) {
  return { method, resource: `serviceAccounts/${email}` };
}

function recordKey(verb: string, email: string, id: string) {
  return { method: `serviceAccountKeys.${verb}`, resource: `serviceAccounts/${email}/keys/${id}` };
}
