/**
 * Key pairs of service accounts, and the file that Google's clients read them from. The private key
 * is made here, goes out once with the answer, and is kept nowhere.
 */
import type { AccountKey, RsaPublicKey } from "../../access/service.ts";

const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;
const KEY_SIZE = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } as const;

export interface NewKey {
  /** 40 hexadecimal digits. */
  readonly id: string;
  readonly publicKey: RsaPublicKey;
  /** PKCS #8 in PEM. */
  readonly privateKey: string;
}

export async function makeKey(): Promise<NewKey> {
  const pair = await crypto.subtle.generateKey({ ...RS256, ...KEY_SIZE }, true, ["sign", "verify"]);
  const { publicKey, privateKey } = pair as CryptoKeyPair;
  const { n, e } = (await crypto.subtle.exportKey("jwk", publicKey)) as JsonWebKey;
  if (n === undefined || e === undefined) throw new Error("edgetasks bug: not an RSA key");
  const pkcs8 = (await crypto.subtle.exportKey("pkcs8", privateKey)) as ArrayBuffer;
  return {
    id: crypto.getRandomValues(new Uint8Array(20)).toHex(),
    publicKey: { n, e },
    privateKey: pem("PRIVATE KEY", pkcs8),
  };
}

/** The key file (auth.md §3): what GOOGLE_APPLICATION_CREDENTIALS names. */
export function keyFile(
  key: Pick<NewKey, "id" | "privateKey">,
  account: { readonly email: string; readonly uniqueId: string; readonly project: string },
  origin: string,
): object {
  return {
    type: "service_account",
    project_id: account.project,
    private_key_id: key.id,
    private_key: key.privateKey,
    client_email: account.email,
    client_id: account.uniqueId,
    auth_uri: "https://accounts.google.com/o/oauth2/auth",
    token_uri: `${origin}/token`,
    // Node's client refuses every other universe (auth.md §3).
    universe_domain: "googleapis.com",
  };
}

/** SubjectPublicKeyInfo in PEM. */
export async function publicKeyPem({ publicKey: { n, e } }: AccountKey): Promise<string> {
  const jwk = { kty: "RSA", n, e, alg: "RS256" };
  const key = await crypto.subtle.importKey("jwk", jwk, RS256, true, ["verify"]);
  return pem("PUBLIC KEY", (await crypto.subtle.exportKey("spki", key)) as ArrayBuffer);
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines = new Uint8Array(bytes).toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
