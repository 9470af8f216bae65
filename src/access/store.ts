/** Every statement on API tokens, policies and the record of changes. No decisions. */
import type { AuditRow, PolicyRow, TokenRow } from "./schema.ts";
import type { ApiToken, AuditRecord, Binding, Policy } from "./service.ts";

const TOKEN = "id, hash, display_name, member, roles, create_us, expire_us, last_used_us";
const AUDIT = "number, time_us, actor, method, resource";

/** Old records looked at with each new one: the excess is never more than one or two. */
const AUDIT_SWEEP = 100;

export interface StoredToken extends ApiToken {
  readonly hash: ArrayBuffer;
}

export class Store {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // --- tokens --------------------------------------------------------------------------------

  findToken(id: string): StoredToken | undefined {
    const row = this.#sql
      .exec<TokenRow>(`SELECT ${TOKEN} FROM token WHERE id = ? LIMIT 1`, id)
      .toArray()[0];
    return row === undefined ? undefined : { ...decodeToken(row), hash: row.hash };
  }

  listTokens(after: string, limit: number): ApiToken[] {
    return this.#sql
      .exec<TokenRow>(`SELECT ${TOKEN} FROM token WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
      .toArray()
      .map(decodeToken);
  }

  countTokens(): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM token").one().n;
  }

  addToken(token: StoredToken): void {
    this.#sql.exec(
      `INSERT INTO token(${TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)`,
      token.id,
      token.hash,
      token.displayName,
      token.member,
      JSON.stringify(token.roles),
      token.createTimeUs,
      token.expireTimeUs ?? null,
    );
  }

  noteUse(id: string, timeUs: number): void {
    this.#sql.exec("UPDATE token SET last_used_us = ? WHERE id = ?", timeUs, id);
  }

  removeToken(id: string): void {
    this.#sql.exec("DELETE FROM token WHERE id = ?", id);
  }

  removeTokensOf(member: string): void {
    this.#sql.exec("DELETE FROM token WHERE member = ?", member);
  }

  removeTokensExpiredBy(timeUs: number): void {
    this.#sql.exec("DELETE FROM token WHERE expire_us < ?", timeUs);
  }

  // --- policies ------------------------------------------------------------------------------

  findPolicy(target: string): Policy | undefined {
    const row = this.#sql
      .exec<PolicyRow>(
        "SELECT target, version, bindings, etag FROM policy WHERE target = ? LIMIT 1",
        target,
      )
      .toArray()[0];
    return row === undefined ? undefined : decodePolicy(row);
  }

  writePolicy(target: string, policy: Policy): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO policy(target, version, bindings, etag) VALUES (?, ?, ?, ?)",
      target,
      policy.version,
      JSON.stringify(policy.bindings),
      policy.etag,
    );
  }

  removePolicy(target: string): void {
    this.#sql.exec("DELETE FROM policy WHERE target = ?", target);
  }

  /** The policies whose text names the member, by their targets. */
  listPoliciesNaming(member: string): [target: string, policy: Policy][] {
    return this.#sql
      .exec<PolicyRow>(
        `SELECT target, version, bindings, etag FROM policy
         WHERE instr(bindings, ?) > 0 ORDER BY target LIMIT 10000`,
        JSON.stringify(member),
      )
      .toArray()
      .map((row) => [row.target, decodePolicy(row)]);
  }

  // --- record of changes ---------------------------------------------------------------------

  newestAudit(): number {
    const sql = "SELECT coalesce(max(number), 0) AS newest FROM audit";
    return this.#sql.exec<{ newest: number }>(sql).one().newest;
  }

  addAudit({ number, timeUs, actor, method, resource }: AuditRecord): void {
    this.#sql.exec(
      `INSERT INTO audit(${AUDIT}) VALUES (?, ?, ?, ?, ?)`,
      number,
      timeUs,
      actor,
      method,
      resource,
    );
  }

  /** Newest first. */
  listAudit(before: number, limit: number): AuditRecord[] {
    return this.#sql
      .exec<AuditRow>(
        `SELECT ${AUDIT} FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?`,
        before,
        limit,
      )
      .toArray()
      .map(decodeAudit);
  }

  /** Deletes records up to a number and those made before a time, never the newest. */
  sweepAudit(upTo: number, beforeUs: number): void {
    this.#sql.exec(
      `DELETE FROM audit WHERE (number <= ?1 OR time_us < ?2)
         AND number < (SELECT max(number) FROM audit)
         AND number IN (SELECT number FROM audit ORDER BY number LIMIT ?3)`,
      upTo,
      beforeUs,
      AUDIT_SWEEP,
    );
  }
}

function decodeToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    displayName: row.display_name,
    member: row.member,
    roles: JSON.parse(row.roles) as string[],
    createTimeUs: row.create_us,
    ...(row.expire_us === null ? {} : { expireTimeUs: row.expire_us }),
    ...(row.last_used_us === null ? {} : { lastUsedUs: row.last_used_us }),
  };
}

function decodePolicy(row: PolicyRow): Policy {
  return {
    version: row.version,
    bindings: JSON.parse(row.bindings) as Binding[],
    etag: row.etag,
  };
}

function decodeAudit(row: AuditRow): AuditRecord {
  const { number, actor, method, resource } = row;
  return { number, timeUs: row.time_us, actor, method, resource };
}
