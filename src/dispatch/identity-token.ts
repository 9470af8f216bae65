/**
 * Tokens that prove to a target who called (push.md §8): JWTs of this deployment's own key.
 * Receivers check them against the issuer's published keys.
 *
 * Gap: an oauthToken on the live service is an access token that Google's APIs accept. Here it is a
 * token of the same issuer with the scope as a claim, so Google's own APIs refuse it.
 */
import { MAX_CACHED_TOKENS, TOKEN_LIFETIME_S, TOKEN_REUSE_MS } from "../core/limits.ts";
import type { AuthorizationToken } from "../core/model.ts";
import type { KeyService } from "./key-service.ts";
import type { RequestToken } from "./request.ts";

/** The scope of an oauthToken that names none (push.md §8). */
const DEFAULT_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

export interface CachedToken {
  readonly token: string;
  readonly signedMs: number;
}

/** Tokens of this isolate, oldest first. A token kept here is no more than a signature saved. */
const isolateCache = new Map<string, CachedToken>();

/** Gives the tokens that the attempts of one invocation need. */
export class TokenSource {
  readonly #signToken: KeyService["signToken"];
  readonly #nowMs: () => number;
  readonly #cache: Map<string, CachedToken>;
  /** Signatures under way; of this invocation alone, for one may not await another's I/O. */
  readonly #pending = new Map<string, Promise<string>>();

  constructor(
    signToken: KeyService["signToken"],
    nowMs: () => number,
    cache: Map<string, CachedToken> = isolateCache,
  ) {
    this.#signToken = signToken;
    this.#nowMs = nowMs;
    this.#cache = cache;
  }

  /** The token's text. Rejects when the key's object cannot be reached. */
  async tokenFor({ token, audience }: RequestToken): Promise<string> {
    const claims = claimsOf(token, audience);
    const key = JSON.stringify([token.kind, claims]);
    const cached = this.#cache.get(key);
    if (cached !== undefined && this.#nowMs() - cached.signedMs < TOKEN_REUSE_MS) {
      return cached.token;
    }
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#sign(key, claims).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #sign(key: string, claims: Readonly<Record<string, unknown>>): Promise<string> {
    const signedMs = this.#nowMs();
    const token = await this.#signToken(claims, TOKEN_LIFETIME_S);
    this.#cache.delete(key);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < MAX_CACHED_TOKENS) break;
      this.#cache.delete(oldest);
    }
    this.#cache.set(key, { token, signedMs });
    return token;
  }
}

/** Issuer and times are the signer's. Accounts have no number here: the address is the subject. */
function claimsOf(token: AuthorizationToken, audience: string): Readonly<Record<string, unknown>> {
  const email = token.serviceAccountEmail;
  const identity = { aud: audience, sub: email, azp: email, email, email_verified: true };
  return token.kind === "oidc" ? identity : { ...identity, scope: token.scope || DEFAULT_SCOPE };
}
