/** How a call proves who makes it. */
import { decodeBase64, encodeBase64Url } from "./base64.ts";
import { bytesOf } from "./payload.ts";
import type { WebKey } from "./web-key.ts";

/** The key of a service account as its JSON file has it; other fields are not read. */
export interface ServiceAccountKey {
  readonly client_email: string;
  /** PKCS #8 in PEM. */
  readonly private_key: string;
  readonly private_key_id?: string | undefined;
  readonly project_id?: string | undefined;
}

/** The audience of tokens that Google's own clients sign for this API (auth.md §3). */
const AUDIENCE = "https://cloudtasks.googleapis.com/";
const LIFETIME_S = 3600;
/** A token is signed anew when it has less than this left. */
const MARGIN_S = 300;

/** Signs tokens with a service account's key: a JWT of an hour, used until it is nearly over. */
export class ServiceAccountTokens {
  readonly #key: ServiceAccountKey;
  readonly #pkcs8: Uint8Array<ArrayBuffer>;
  readonly #now: () => number;
  #signer: WebKey | undefined;
  #current: { readonly token: string; readonly expires: number } | undefined;

  constructor(key: ServiceAccountKey, now: () => number) {
    if (typeof key?.client_email !== "string" || typeof key.private_key !== "string") {
      throw new TypeError("credentials must have client_email and private_key.");
    }
    this.#key = key;
    this.#pkcs8 = readPem(key.private_key);
    this.#now = now;
  }

  /**
   * The token to send now. Calls at the same time each sign their own: in a Worker one must not wait
   * for another's.
   */
  async token(): Promise<string> {
    const nowS = Math.floor(this.#now() / 1000);
    const current = this.#current;
    if (current !== undefined && current.expires - nowS >= MARGIN_S) return current.token;
    const token = await this.#sign(nowS);
    this.#current = { token, expires: nowS + LIFETIME_S };
    return token;
  }

  async #sign(nowS: number): Promise<string> {
    const { client_email: email, private_key_id: kid } = this.#key;
    const head = { alg: "RS256", typ: "JWT", ...(kid === undefined ? {} : { kid }) };
    const claims = { iss: email, sub: email, aud: AUDIENCE, iat: nowS, exp: nowS + LIFETIME_S };
    const signed = [head, claims]
      .map((part) => encodeBase64Url(bytesOf(JSON.stringify(part))))
      .join(".");
    this.#signer ??= await importKey(this.#pkcs8);
    const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", this.#signer, bytesOf(signed));
    return `${signed}.${encodeBase64Url(new Uint8Array(signature))}`;
  }
}

function readPem(pem: string): Uint8Array<ArrayBuffer> {
  const [, base64] =
    /-----BEGIN PRIVATE KEY-----([\s\S]+?)-----END PRIVATE KEY-----/.exec(pem) ?? [];
  try {
    if (base64 !== undefined) return decodeBase64(base64.replace(/\s/g, ""));
  } catch {
    // Said below, without the key.
  }
  throw new TypeError("private_key must be a PKCS #8 key in PEM.");
}

function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<WebKey> {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  return crypto.subtle.importKey("pkcs8", bytes, algorithm, false, ["sign"]);
}
