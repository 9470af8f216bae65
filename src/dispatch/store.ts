/** The table of signing keys, and every statement on it. */

/** A key as it is stored. The private half never leaves the object. */
export interface KeyRow {
  /** RFC 7638 thumbprint of the public key; `kid` of the tokens it signs. */
  readonly kid: string;
  readonly createdMs: number;
  /** RSA key pair as a JWK; holds the public half too. */
  readonly privateJwk: JsonWebKey;
}

/** Keys are only added: the newest one signs, all of them are published. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS signing_key(
  kid TEXT PRIMARY KEY CHECK (kid <> ''),
  created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
  private_jwk TEXT NOT NULL CHECK (json_valid(private_jwk))
) STRICT, WITHOUT ROWID`;

export class KeyStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(SCHEMA);
  }

  /** All keys, the newest first. There are a handful at most. */
  list(): readonly KeyRow[] {
    return this.#sql
      .exec<{ kid: string; created_ms: number; private_jwk: string }>(
        "SELECT kid, created_ms, private_jwk FROM signing_key ORDER BY created_ms DESC, kid LIMIT 100",
      )
      .toArray()
      .map((row) => ({
        kid: row.kid,
        createdMs: row.created_ms,
        privateJwk: JSON.parse(row.private_jwk) as JsonWebKey,
      }));
  }

  add(key: KeyRow): void {
    this.#sql.exec(
      "INSERT INTO signing_key(kid, created_ms, private_jwk) VALUES (?, ?, ?)",
      key.kid,
      key.createdMs,
      JSON.stringify(key.privateJwk),
    );
  }
}
