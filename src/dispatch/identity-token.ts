/**
 * Tokens that prove to a target who called (push.md §8): JWTs of this deployment's own key.
 * Receivers check them against the issuer's published keys.
 *
 * Gap: an oauthToken on the live service is an access token that Google's APIs accept. Here it is an
 * access token of this deployment (RFC 9068, audience: the issuer): its own APIs honour it within
 * the token's scope, Google's refuse it.
 */
import { BoundedMap } from "../core/bounded-map.ts";
import { MAX_CACHED_TOKENS, TOKEN_LIFETIME_S, TOKEN_REUSE_MS } from "../core/limits.ts";
import type { AuthorizationToken } from "../core/model.ts";
import type { KeyService, TokenType } from "./key-service.ts";
import type { RequestToken } from "./request.ts";

/** The scope of an oauthToken that names none (push.md §8). */
const DEFAULT_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

export interface CachedToken {
  readonly token: string;
  readonly signedMs: number;
  /** The epoch of the signing keys: after another one began the token may be refused. */
  readonly epoch: number;
}

/** Tokens of this isolate, oldest first. A token kept here is no more than a signature saved. */
const isolateCache = new BoundedMap<CachedToken>(MAX_CACHED_TOKENS);

export interface TokenPorts {
  readonly signToken: KeyService["signToken"];
  /** The epoch of the signing keys, see SigningMaterial. */
  readonly epoch: () => number | Promise<number>;
  /** The account as the project knows it; undefined: the project has none of that address. */
  readonly findAccount: (
    project: string,
    email: string,
  ) => Promise<{ readonly uniqueId: string; readonly disabled: boolean } | undefined>;
  /** The audience of access tokens. */
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** Gives the tokens that the attempts of one invocation need. */
export class TokenSource {
  readonly #ports: TokenPorts;
  readonly #cache: BoundedMap<CachedToken>;
  /** Signatures under way; of this invocation alone, for one may not await another's I/O. */
  readonly #pending = new Map<string, Promise<string>>();

  constructor(ports: TokenPorts, cache: BoundedMap<CachedToken> = isolateCache) {
    this.#ports = ports;
    this.#cache = cache;
  }

  /** The token's text. Rejects when it cannot be signed, or may not: the account is disabled. */
  async tokenFor(request: RequestToken): Promise<string> {
    const epoch = await this.#ports.epoch();
    const key = JSON.stringify([request.project, request.token, request.audience]);
    const cached = this.#cache.get(key);
    const isFresh =
      cached?.epoch === epoch && this.#ports.nowMs() - cached.signedMs < TOKEN_REUSE_MS;
    if (cached !== undefined && isFresh) return cached.token;
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#sign(key, request, epoch).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #sign(key: string, { project, token, audience }: RequestToken, epoch: number) {
    const signedMs = this.#ports.nowMs();
    const email = token.serviceAccountEmail;
    const account = await this.#ports.findAccount(project, email);
    if (account?.disabled === true) throw new Error(`the service account ${email} is disabled`);
    const subject = account?.uniqueId ?? email;
    const signed = await this.#ports.signToken(
      token.kind === "oidc"
        ? identityClaims(email, subject, audience)
        : accessClaims(token, subject, this.#ports.issuer),
      TOKEN_LIFETIME_S,
      TOKEN_TYPES[token.kind],
    );
    this.#cache.set(key, { token: signed, signedMs, epoch });
    return signed;
  }
}

const TOKEN_TYPES: Readonly<Record<AuthorizationToken["kind"], TokenType>> = {
  oidc: "JWT",
  oauth: "at+jwt",
};

type Claims = Readonly<Record<string, unknown>>;

/** Issuer and times are the signer's. The subject is the account's number, or its address. */
function identityClaims(email: string, subject: string, audience: string): Claims {
  return { aud: audience, sub: subject, azp: subject, email, email_verified: true };
}

/** The claims RFC 9068 §2.2 asks for, and the address, which is how accounts are known here. */
function accessClaims(
  { serviceAccountEmail, scope }: Extract<AuthorizationToken, { kind: "oauth" }>,
  subject: string,
  issuer: string,
): Claims {
  return {
    aud: issuer,
    sub: subject,
    client_id: serviceAccountEmail,
    email: serviceAccountEmail,
    email_verified: true,
    scope: scope || DEFAULT_SCOPE,
  };
}
