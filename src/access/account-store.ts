/** Every statement on service accounts and their keys. Rows in, accounts out; no decisions. */

import type { AccountRow, KeyRow } from "./schema.ts";
import type { AccountKey, ServiceAccount } from "./service.ts";

const ACCOUNT = "email, unique_id, display_name, description, disabled, revision, create_us";
const KEY = "account, id, n, e, disabled, valid_after_us, valid_before_us";

export type StoredAccount = Omit<ServiceAccount, "etag"> & { readonly revision: number };

export class AccountStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** By email or by unique id. */
  find(name: string): StoredAccount | undefined {
    const row =
      this.#account("email = ?", name) ??
      (/^\d+$/.test(name) ? this.#account("unique_id = ?", name) : undefined);
    return row === undefined ? undefined : decodeAccount(row);
  }

  count(): number {
    return this.#count("account", "1 = ?", 1);
  }

  list(after: string, limit: number): StoredAccount[] {
    return this.#sql
      .exec<AccountRow>(
        `SELECT ${ACCOUNT} FROM account WHERE email > ? ORDER BY email LIMIT ?`,
        after,
        limit,
      )
      .toArray()
      .map(decodeAccount);
  }

  write(account: StoredAccount): void {
    this.#sql.exec(
      `INSERT INTO account(${ACCOUNT}) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (email) DO UPDATE SET display_name = excluded.display_name,
         description = excluded.description, disabled = excluded.disabled,
         revision = excluded.revision`,
      account.email,
      account.uniqueId,
      account.displayName,
      account.description,
      account.disabled ? 1 : 0,
      account.revision,
      account.createTimeUs,
    );
  }

  remove(email: string): void {
    this.#sql.exec("DELETE FROM account_key WHERE account = ?", email);
    this.#sql.exec("DELETE FROM account WHERE email = ?", email);
  }

  findKey(email: string, id: string): AccountKey | undefined {
    const row = this.#sql
      .exec<KeyRow>(
        `SELECT ${KEY} FROM account_key WHERE account = ? AND id = ? LIMIT 1`,
        email,
        id,
      )
      .toArray()[0];
    return row === undefined ? undefined : decodeKey(row);
  }

  /** All of them: an account has few. */
  listKeys(email: string): AccountKey[] {
    return this.#sql
      .exec<KeyRow>(
        `SELECT ${KEY} FROM account_key WHERE account = ? ORDER BY valid_after_us, id LIMIT 100`,
        email,
      )
      .toArray()
      .map(decodeKey);
  }

  countKeys(email: string): number {
    return this.#count("account_key", "account = ?", email);
  }

  writeKey(email: string, key: AccountKey): void {
    this.#sql.exec(
      `INSERT INTO account_key(${KEY}) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (account, id) DO UPDATE SET disabled = excluded.disabled`,
      email,
      key.id,
      key.publicKey.n,
      key.publicKey.e,
      key.disabled ? 1 : 0,
      key.validAfterUs,
      key.validBeforeUs,
    );
  }

  removeKey(email: string, id: string): void {
    this.#sql.exec("DELETE FROM account_key WHERE account = ? AND id = ?", email, id);
  }

  #account(condition: string, value: string): AccountRow | undefined {
    return this.#sql
      .exec<AccountRow>(`SELECT ${ACCOUNT} FROM account WHERE ${condition} LIMIT 1`, value)
      .toArray()[0];
  }

  #count(table: string, condition: string, value: string | number): number {
    return this.#sql
      .exec<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE ${condition}`, value)
      .one().n;
  }
}

function decodeAccount(row: AccountRow): StoredAccount {
  return {
    email: row.email,
    uniqueId: row.unique_id,
    displayName: row.display_name,
    description: row.description,
    disabled: row.disabled === 1,
    revision: row.revision,
    createTimeUs: row.create_us,
  };
}

function decodeKey(row: KeyRow): AccountKey {
  return {
    id: row.id,
    publicKey: { n: row.n, e: row.e },
    disabled: row.disabled === 1,
    validAfterUs: row.valid_after_us,
    validBeforeUs: row.valid_before_us,
  };
}
