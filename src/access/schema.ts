/**
 * The tables of a project's access object, their row types, and the migrations that make them.
 *
 * Migrations only move forward: append to MIGRATIONS, never edit one that was released, and keep
 * every step readable by the version before it (a rollback runs the old code on the new tables).
 */
import { migrateBy } from "../object-schema.ts";

export type AccountRow = {
  email: string;
  /** 21 decimal digits, as Google's; never used again, unlike an email. */
  unique_id: string;
  display_name: string;
  description: string;
  disabled: 0 | 1;
  /** Number of the audit record of its last change. */
  revision: number;
  create_us: number;
};

export type KeyRow = {
  account: string;
  id: string;
  /** base64url, as in a JWK. */
  n: string;
  e: string;
  disabled: 0 | 1;
  valid_after_us: number;
  valid_before_us: number;
};

export type TokenRow = {
  id: string;
  /** SHA-256 of the whole token. The secret in it has 256 bits, so a plain hash is enough. */
  hash: ArrayBuffer;
  display_name: string;
  member: string;
  /** JSON array of role names. */
  roles: string;
  create_us: number;
  /** Null: never. */
  expire_us: number | null;
  /** Null: never; else at most a minute behind. */
  last_used_us: number | null;
};

export type PolicyRow = {
  /** `project`, or `LOCATION/QUEUE`. */
  target: string;
  version: number;
  /** JSON array of bindings. */
  bindings: string;
  etag: string;
};

export type AuditRow = {
  /** Rises with every change of the project; the newest record is never deleted, so none comes twice. */
  number: number;
  time_us: number;
  actor: string;
  method: string;
  resource: string;
};

export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE account(
     email TEXT PRIMARY KEY CHECK (email <> ''),
     unique_id TEXT NOT NULL,
     display_name TEXT NOT NULL,
     description TEXT NOT NULL,
     disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
     revision INTEGER NOT NULL CHECK (revision > 0),
     create_us INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE account_key(
     account TEXT NOT NULL REFERENCES account(email),
     id TEXT NOT NULL CHECK (id <> ''),
     n TEXT NOT NULL,
     e TEXT NOT NULL,
     disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
     valid_after_us INTEGER NOT NULL,
     valid_before_us INTEGER NOT NULL,
     PRIMARY KEY (account, id)
   ) WITHOUT ROWID;
   CREATE TABLE token(
     id TEXT PRIMARY KEY CHECK (id <> ''),
     hash BLOB NOT NULL CHECK (length(hash) = 32),
     display_name TEXT NOT NULL,
     member TEXT NOT NULL,
     roles TEXT NOT NULL,
     create_us INTEGER NOT NULL,
     expire_us INTEGER,
     last_used_us INTEGER
   ) WITHOUT ROWID;
   CREATE TABLE policy(
     target TEXT PRIMARY KEY CHECK (target <> ''),
     version INTEGER NOT NULL CHECK (version IN (1, 3)),
     bindings TEXT NOT NULL,
     etag TEXT NOT NULL CHECK (etag <> '')
   ) WITHOUT ROWID;
   CREATE TABLE audit(
     number INTEGER PRIMARY KEY CHECK (number > 0),
     time_us INTEGER NOT NULL,
     actor TEXT NOT NULL,
     method TEXT NOT NULL,
     resource TEXT NOT NULL
   );`,
];

/** Brings the tables up to date, in one transaction with the caller's. */
export function migrate(sql: SqlStorage): void {
  migrateBy(MIGRATIONS, sql);
}
