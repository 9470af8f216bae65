/** The methods of the object that holds this deployment's signing key. */

export interface KeyService {
  /** Signs a JWT (RS256) with the current key; the issuer, iat and exp are added here. Seconds. */
  signToken(claims: Readonly<Record<string, unknown>>, lifetimeSeconds: number): Promise<string>;
  /** The public keys, as a JWK set. */
  publicKeys(): Promise<{ readonly keys: readonly JsonWebKey[] }>;
}
