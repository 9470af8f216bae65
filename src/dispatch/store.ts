/** The tables of the deployment's keys, and every statement on them. */
import { migrateBy } from "../object-schema.ts";
import type { KeyTimes } from "./key-schedule.ts";

/** A signing key as it is stored. The private half never leaves the object. */
export interface KeyRow extends KeyTimes {
  /** RFC 7638 thumbprint of the public key; `kid` of the tokens it signs. */
  readonly kid: string;
  /** RSA key pair as a JWK; holds the public half too. */
  readonly privateJwk: JsonWebKey;
  /** Whether it was made because the ones before could not be trusted any more. */
  readonly revokedOthers: boolean;
}

/**
 * Only appended to; every step stays readable by the version before it. The first one may find its
 * table: it was made before steps were counted.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS signing_key(
     kid TEXT PRIMARY KEY CHECK (kid <> ''),
     created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
     private_jwk TEXT NOT NULL CHECK (json_valid(private_jwk))
   ) STRICT, WITHOUT ROWID`,
  `ALTER TABLE signing_key ADD COLUMN signs_from_ms INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE signing_key ADD COLUMN revoked_others INTEGER NOT NULL DEFAULT 0;
   UPDATE signing_key SET signs_from_ms = created_ms;
   CREATE TABLE webhook_root(
     id INTEGER PRIMARY KEY CHECK (id = 1),
     secret TEXT NOT NULL CHECK (secret <> '')
   ) STRICT`,
];

export class KeyStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.transactionSync(() => migrateBy(MIGRATIONS, storage.sql));
  }

  /** All keys, the newest first. There are a handful at most. */
  list(): readonly KeyRow[] {
    return this.#storage.sql
      .exec<{
        kid: string;
        created_ms: number;
        private_jwk: string;
        signs_from_ms: number;
        revoked_others: number;
      }>(
        `SELECT kid, created_ms, private_jwk, signs_from_ms, revoked_others FROM signing_key
         ORDER BY created_ms DESC, signs_from_ms DESC, kid LIMIT 100`,
      )
      .toArray()
      .map((row) => ({
        kid: row.kid,
        createdMs: row.created_ms,
        signsFromMs: row.signs_from_ms,
        revokedOthers: row.revoked_others === 1,
        privateJwk: JSON.parse(row.private_jwk) as JsonWebKey,
      }));
  }

  /** Adds a key; one that revokes the others takes their place in the same commit. */
  add(key: KeyRow): void {
    this.#storage.transactionSync(() => {
      if (key.revokedOthers) this.#storage.sql.exec("DELETE FROM signing_key");
      this.#storage.sql.exec(
        `INSERT INTO signing_key(kid, created_ms, private_jwk, signs_from_ms, revoked_others)
         VALUES (?, ?, ?, ?, ?)`,
        key.kid,
        key.createdMs,
        JSON.stringify(key.privateJwk),
        key.signsFromMs,
        key.revokedOthers ? 1 : 0,
      );
    });
  }

  remove(kid: string): void {
    this.#storage.sql.exec("DELETE FROM signing_key WHERE kid = ?", kid);
  }

  /** The root of all webhook secrets, in base64; null until one was made. */
  webhookRoot(): string | null {
    const rows = this.#storage.sql
      .exec<{ secret: string }>("SELECT secret FROM webhook_root WHERE id = 1")
      .toArray();
    return rows[0]?.secret ?? null;
  }

  setWebhookRoot(secret: string): void {
    this.#storage.sql.exec("INSERT INTO webhook_root(id, secret) VALUES (1, ?)", secret);
  }
}
