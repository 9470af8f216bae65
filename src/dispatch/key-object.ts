/**
 * Holds the deployment's signing key. One object per deployment; the private key is made here on
 * first use, kept in the object's storage, and neither leaves it nor is logged.
 */
import { DurableObject } from "cloudflare:workers";
import { readConfig } from "../core/config.ts";
import type { Env } from "../env.ts";
import type { KeyService } from "./key-service.ts";
import { type KeyRow, KeyStore } from "./store.ts";

/** RS256 (RFC 7518 §3.3), which is what verifiers of Google's tokens expect. */
const ALGORITHM = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } as const;
const KEY_SIZE = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } as const;

interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
}

export class KeyObject extends DurableObject<Env> implements KeyService {
  readonly #store: KeyStore;
  /** Imported once; also what keeps two first calls from making two keys. */
  #signer: Promise<Signer> | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new KeyStore(ctx.storage.sql);
  }

  async signToken(
    claims: Readonly<Record<string, unknown>>,
    lifetimeSeconds: number,
  ): Promise<string> {
    const { kid, key } = await this.#currentSigner();
    const issuedAt = Math.floor(Date.now() / 1000);
    const { issuer } = readConfig(this.env);
    const payload = { ...claims, iss: issuer, iat: issuedAt, exp: issuedAt + lifetimeSeconds };
    const text = `${encodePart({ alg: "RS256", kid, typ: "JWT" })}.${encodePart(payload)}`;
    const signature = await crypto.subtle.sign(ALGORITHM, key, new TextEncoder().encode(text));
    return `${text}.${base64url(new Uint8Array(signature))}`;
  }

  async publicKeys(): Promise<{ readonly keys: readonly JsonWebKey[] }> {
    await this.#currentSigner();
    return { keys: this.#store.list().map(publicKey) };
  }

  #currentSigner(): Promise<Signer> {
    this.#signer ??= this.#loadSigner().catch((error: unknown) => {
      this.#signer = undefined;
      throw error;
    });
    return this.#signer;
  }

  async #loadSigner(): Promise<Signer> {
    const row = this.#store.list()[0] ?? (await this.#makeKey());
    const key = await crypto.subtle.importKey("jwk", row.privateJwk, ALGORITHM, false, ["sign"]);
    return { kid: row.kid, key };
  }

  async #makeKey(): Promise<KeyRow> {
    const pair = await crypto.subtle.generateKey({ ...ALGORITHM, ...KEY_SIZE }, true, [
      "sign",
      "verify",
    ]);
    const { privateKey } = pair as CryptoKeyPair;
    const privateJwk = (await crypto.subtle.exportKey("jwk", privateKey)) as JsonWebKey;
    const row = { kid: await thumbprint(privateJwk), createdMs: Date.now(), privateJwk };
    this.#store.add(row);
    return row;
  }
}

/** The public half, as it is published: named parts only, so that nothing private can slip out. */
function publicKey({ kid, privateJwk }: KeyRow): JsonWebKey & { readonly kid: string } {
  const { n, e } = requireRsa(privateJwk);
  return { kty: "RSA", n, e, alg: "RS256", use: "sig", kid };
}

/** RFC 7638: the hash of the required members in lexicographic order. */
async function thumbprint(jwk: JsonWebKey): Promise<string> {
  const { n, e } = requireRsa(jwk);
  const text = new TextEncoder().encode(JSON.stringify({ e, kty: "RSA", n }));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", text)));
}

function requireRsa(jwk: JsonWebKey): { readonly n: string; readonly e: string } {
  const { n, e } = jwk;
  if (n === undefined || e === undefined) throw new Error("edgetasks bug: not an RSA key");
  return { n, e };
}

function encodePart(part: unknown): string {
  return base64url(new TextEncoder().encode(JSON.stringify(part)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
