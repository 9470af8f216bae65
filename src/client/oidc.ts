/** Identity tokens of push tasks: JWTs (RS256) of the server's own keys. */
import { decodeBase64 } from "./base64.ts";
import type { Fetch } from "./connection.ts";
import { bytesOf, textOf } from "./payload.ts";
import { platform } from "./platform.ts";
import type { Verdict, Verifier } from "./task-handler.ts";
import type { WebKey } from "./web-key.ts";

export interface OidcOptions {
  /** The server, whose keys are at `/.well-known/jwks.json`. */
  readonly baseUrl: string | URL;
  /** The server's ISSUER setting. */
  readonly issuer: string;
  /** Whom tokens must be for: the audience of the task's token, by default the task's whole URL. */
  readonly audience: string | readonly string[];
  /** The accounts that tokens may speak for: whoever has a key file gets tokens for any audience. */
  readonly serviceAccountEmail: string | readonly string[];
  /** Seconds that clocks may differ; 60. */
  readonly toleranceSeconds?: number | undefined;
  /** Instead of the global fetch, for the keys; a service binding's, for one. */
  readonly fetch?: Fetch | undefined;
  /** The clock, milliseconds. */
  readonly now?: (() => number) | undefined;
}

/** How long keys are used before they are asked for again. */
const KEYS_LIFE_MS = 600_000;
/** How often they are asked for at most, whatever unknown keys tokens name. */
const KEYS_PAUSE_MS = 30_000;
/** The same after they could not be had. */
const FAILED_PAUSE_MS = 5000;
/** How long a handler waits for them. */
const KEYS_DEADLINE_MS = 5000;

interface Claims {
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
  readonly iat?: unknown;
  readonly email?: unknown;
  readonly email_verified?: unknown;
}

/**
 * Believes requests with an identity token of the server (`oidcToken` of the task): right signature,
 * issuer and audience, not expired, and of the account that is named. 401 for a token that is none
 * of the server's, 403 for one that is for or from somebody else.
 *
 * @example
 * const verify = verifyOidc({
 *   baseUrl: "https://tasks.example.com",
 *   issuer: "https://tasks.example.com",
 *   audience: "https://my-app.example.com/work",
 *   serviceAccountEmail: "mailer@my-project.iam.gserviceaccount.com",
 * });
 * const handle = taskHandler((task) => console.log(task.json()), { verify });
 * export default { fetch: handle };
 */
export function verifyOidc(options: OidcOptions): Verifier {
  const { audience, serviceAccountEmail, toleranceSeconds = 60, now = platform.now } = options;
  const keys = new KeySet(options, now);
  const audiences = new Set(typeof audience === "string" ? [audience] : audience);
  const emails = new Set(
    typeof serviceAccountEmail === "string" ? [serviceAccountEmail] : serviceAccountEmail,
  );
  return async (request) => {
    const [, token] =
      /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    if (token === undefined) return refused(401, "it has no identity token");
    const claims = await readToken(token, keys);
    if (claims === undefined) return refused(401, "its token is not signed by the server");
    const nowS = now() / 1000;
    if (!(Number(claims.exp) > nowS - toleranceSeconds)) return refused(401, "its token expired");
    const starts = Number(claims.nbf ?? claims.iat ?? 0);
    if (!(starts < nowS + toleranceSeconds)) return refused(401, "its token is not valid yet");
    if (claims.iss !== options.issuer) return refused(401, "its token is of another issuer");
    const given: readonly unknown[] = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    if (!given.some((one) => typeof one === "string" && audiences.has(one))) {
      return refused(403, "its token is for another audience");
    }
    const { email } = claims;
    if (typeof email !== "string" || claims.email_verified !== true || !emails.has(email)) {
      return refused(403, "its token is of another account");
    }
    return { ok: true, trust: { by: "oidc", email } };
  };
}

/** The claims of a token whose signature holds. */
async function readToken(token: string, keys: KeySet): Promise<Claims | undefined> {
  const [head = "", payload = "", signature = ""] = token.split(".");
  const { alg, kid, typ } = readJson(head) ?? {};
  if (alg !== "RS256" || typeof kid !== "string") return undefined;
  // An access token has the same signature, and is for the interface, not for a handler.
  if (typ !== undefined && typ !== "JWT") return undefined;
  const key = await keys.find(kid);
  if (key === undefined) return undefined;
  const bytes = readBytes(signature);
  if (bytes === undefined) return undefined;
  const signed = bytesOf(`${head}.${payload}`);
  const isValid = await crypto.subtle.verify("RSASSA-PKCS1-v1_5", key, bytes, signed);
  return isValid ? readJson(payload) : undefined;
}

function readBytes(part: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return decodeBase64(part);
  } catch {
    return undefined;
  }
}

function readJson(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(textOf(decodeBase64(part)));
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The server's public keys, asked for when one is needed that is not known, or they are old. */
class KeySet {
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #now: () => number;
  #keys: ReadonlyMap<string, WebKey> = new Map();
  #pauseUntilMs = Number.NEGATIVE_INFINITY;
  #freshUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ baseUrl, fetch: send }: OidcOptions, now: () => number) {
    this.#url = `${String(new URL(baseUrl)).replace(/\/+$/, "")}/.well-known/jwks.json`;
    this.#fetch = send ?? ((url, init) => fetch(url, init));
    this.#now = now;
  }

  async find(kid: string): Promise<WebKey | undefined> {
    const nowMs = this.#now();
    const isOld = nowMs >= this.#freshUntilMs;
    if (isOld || !this.#keys.has(kid)) await this.#refresh(nowMs);
    return this.#keys.get(kid);
  }

  /**
   * Where the server does not answer the old keys stay. Calls at the same time each ask for
   * themselves: in a Worker one must not wait for another's.
   */
  async #refresh(nowMs: number): Promise<void> {
    if (nowMs < this.#pauseUntilMs && this.#keys.size > 0) return;
    let pauseMs = FAILED_PAUSE_MS;
    try {
      const response = await this.#fetch(this.#url, {
        headers: { accept: "application/json" },
        signal: AbortSignal.timeout(KEYS_DEADLINE_MS),
      });
      // In a Worker a body that nobody reads keeps its connection.
      if (!response.ok) return await response.body?.cancel();
      const { keys } = (await response.json()) as { readonly keys: readonly NamedKey[] };
      this.#keys = new Map(await Promise.all(keys.filter(isSigning).map(importNamed)));
      this.#freshUntilMs = nowMs + KEYS_LIFE_MS;
      pauseMs = KEYS_PAUSE_MS;
    } catch {
      // The old keys stay.
    } finally {
      this.#pauseUntilMs = nowMs + pauseMs;
    }
  }
}

/** A public key as a JWK set has it (RFC 7517). */
interface NamedKey {
  readonly kty?: string;
  readonly kid?: string;
  readonly use?: string;
  readonly n?: string;
  readonly e?: string;
}

function isSigning({ kty, kid, use }: NamedKey): boolean {
  return kty === "RSA" && typeof kid === "string" && (use === undefined || use === "sig");
}

async function importNamed({ kty = "RSA", n = "", e = "", kid = "" }: NamedKey) {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("jwk", { kty, n, e }, algorithm, false, ["verify"]);
  return [kid, key] as const;
}

function refused(status: 401 | 403, reason: string): Verdict {
  return { ok: false, status, reason };
}
