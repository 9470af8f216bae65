/** RS256 (RFC 7518 §3.3), the one algorithm that is accepted. */
import type { RsaPublicKey } from "../access/service.ts";

const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;

export function importPublicKey({ n, e }: RsaPublicKey): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", { kty: "RSA", n, e, alg: "RS256" }, RS256, false, [
    "verify",
  ]);
}

export function isSignedBy(
  key: CryptoKey,
  signature: Uint8Array,
  signed: Uint8Array,
): Promise<boolean> {
  return crypto.subtle.verify(RS256, key, signature, signed);
}
