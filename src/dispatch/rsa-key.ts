/** RSA keys and the JWTs they sign (RS256, RFC 7518 §3.3): what verifiers of Google's tokens expect. */
import { encodeBase64url } from "../core/base64url.ts";

const ALGORITHM = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;
const KEY_SIZE = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } as const;

export interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** A new key pair with its RFC 7638 thumbprint. */
export async function makeKeyPair(): Promise<{ kid: string; privateJwk: JsonWebKey }> {
  const pair = await crypto.subtle.generateKey({ ...ALGORITHM, ...KEY_SIZE }, true, [
    "sign",
    "verify",
  ]);
  const { privateKey } = pair as CryptoKeyPair;
  const privateJwk = (await crypto.subtle.exportKey("jwk", privateKey)) as JsonWebKey;
  return { kid: await thumbprint(privateJwk), privateJwk };
}

export async function importSigner(kid: string, privateJwk: JsonWebKey): Promise<Signer> {
  const key = await crypto.subtle.importKey("jwk", privateJwk, ALGORITHM, false, ["sign"]);
  return { kid, key };
}

export async function signJwt(
  { kid, key }: Signer,
  type: string,
  payload: Readonly<Record<string, unknown>>,
): Promise<string> {
  const text = `${encodePart({ alg: "RS256", kid, typ: type })}.${encodePart(payload)}`;
  const signature = await crypto.subtle.sign(ALGORITHM, key, new TextEncoder().encode(text));
  return `${text}.${encodeBase64url(signature)}`;
}

/** The public half, as it is published: named parts only, so that nothing private can slip out. */
export function publicJwk(kid: string, jwk: JsonWebKey): JsonWebKey & { readonly kid: string } {
  const { n, e } = requireRsa(jwk);
  return { kty: "RSA", n, e, alg: "RS256", use: "sig", kid };
}

/** RFC 7638: the hash of the required members in lexicographic order. */
async function thumbprint(jwk: JsonWebKey): Promise<string> {
  const { n, e } = requireRsa(jwk);
  const text = new TextEncoder().encode(JSON.stringify({ e, kty: "RSA", n }));
  return encodeBase64url(await crypto.subtle.digest("SHA-256", text));
}

function requireRsa(jwk: JsonWebKey): { readonly n: string; readonly e: string } {
  const { n, e } = jwk;
  if (n === undefined || e === undefined) throw new Error("edgetasks bug: not an RSA key");
  return { n, e };
}

function encodePart(part: unknown): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(part)));
}
