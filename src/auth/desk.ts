/**
 * Where the credentials of a deployment are verified, and remembered by their texts. What was verified
 * counts for VERIFIED_FOR_MS at most, which is how soon a revoked credential stops.
 */

import { BoundedMap } from "../core/bounded-map.ts";
import { readConfig } from "../core/config.ts";
import {
  MAX_CREDENTIAL_SIZE,
  MAX_REFUSED_CREDENTIALS,
  MAX_SKEW_S,
  MAX_VERIFIED_CREDENTIALS,
  REFUSED_FOR_MS,
  VERIFIED_FOR_MS,
} from "../core/limits.ts";
import { type DomainError, fail, ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { accessStub } from "../stubs.ts";
import { isAccessToken, verifyAccessToken } from "./access-token.ts";
import { parseApiToken } from "./api-token.ts";
import { type Caller, OWNER } from "./caller.ts";
import { AccountCache, type KnownAccount, OwnKeys } from "./credentials.ts";
import { sha256 } from "./encoding.ts";
import { type Assertion, isMeantFor, readAssertion } from "./jwt.ts";
import { hasKnownScope, limitingScopes } from "./scopes.ts";
import { SignInGuard, TOO_MANY_FAILURES } from "./sign-in-guard.ts";

/** What callers may show. */
export const EXPECTED =
  "Expected a token of a service account, an API token or the deployment's own token as " +
  "`Authorization: Bearer <token>`.";
const WRONG_CREDENTIAL = fail(
  "UNAUTHENTICATED",
  `Request had invalid authentication credentials. ${EXPECTED}`,
);

function refuse(fault: string): ReturnType<typeof fail> {
  return fail("UNAUTHENTICATED", `Request had invalid authentication credentials: ${fault}.`);
}

/** One text for an unknown account, an unknown or disabled key and a forged signature. */
const NOT_SIGNED = refuse("the token is not signed with a usable key of its service account");

type Failure = ReturnType<typeof fail>;

interface Verdict {
  readonly result: Result<Caller>;
  readonly untilMs: number;
}

/** Where the credentials of a deployment are verified and remembered. */
export class Desk {
  readonly accounts: AccountCache;
  readonly ownKeys: OwnKeys;
  readonly guard: SignInGuard;
  readonly #env: Env;
  readonly #verified = new BoundedMap<Verdict>(MAX_VERIFIED_CREDENTIALS);
  readonly #refused = new BoundedMap<Verdict>(MAX_REFUSED_CREDENTIALS);
  #ownerHash: ArrayBuffer | undefined;

  constructor(env: Env) {
    this.#env = env;
    this.accounts = new AccountCache(env);
    this.ownKeys = new OwnKeys(env);
    this.guard = new SignInGuard(env);
  }

  recall(credential: string, nowMs: number): Result<Caller> | undefined {
    const verdict = this.#verified.get(credential) ?? this.#refused.get(credential);
    return verdict !== undefined && nowMs < verdict.untilMs ? verdict.result : undefined;
  }

  async verify(request: Request, credential: string, nowMs: number): Promise<Result<Caller>> {
    if (this.guard.isPaused(request, nowMs)) return refused(TOO_MANY_FAILURES);
    const verdict = await this.#judge(request, credential, nowMs);
    if (verdict.result.ok) {
      this.#verified.set(credential, verdict);
      return verdict.result;
    }
    this.#verified.delete(credential);
    if (credential.length <= MAX_CREDENTIAL_SIZE) this.#refused.set(credential, verdict);
    const isOneTooMany = await this.guard.fail(request, nowMs);
    return isOneTooMany ? refused(TOO_MANY_FAILURES) : verdict.result;
  }

  forget(): void {
    this.accounts.forget();
    this.ownKeys.forget();
    this.#verified.clear();
    this.#refused.clear();
  }

  async #judge(request: Request, credential: string, nowMs: number): Promise<Verdict> {
    const no = (result: Failure): Verdict => ({ result, untilMs: nowMs + REFUSED_FOR_MS });
    if (credential.length > MAX_CREDENTIAL_SIZE) return no(refuse("the token is too large"));
    const text = /^bearer +(\S+) *$/i.exec(credential)?.[1];
    if (text === undefined) return no(WRONG_CREDENTIAL);
    const hash = await sha256(text);
    // Hashes have one length, whatever the lengths of what they were made from.
    if (crypto.subtle.timingSafeEqual(hash, await this.#owner())) {
      return { result: ok(OWNER), untilMs: Number.POSITIVE_INFINITY };
    }
    const place = parseApiToken(text);
    if (place !== undefined) {
      return (await this.#judgeApiToken(place, hash, nowMs)) ?? no(WRONG_CREDENTIAL);
    }
    if (!text.includes(".")) return no(WRONG_CREDENTIAL);
    if (isAccessToken(text)) {
      return (await this.#judgeAccessToken(text, nowMs)) ?? no(WRONG_CREDENTIAL);
    }
    const judged = await this.#judgeAssertion(request, text, nowMs);
    return "ok" in judged ? no(judged) : judged;
  }

  async #owner(): Promise<ArrayBuffer> {
    this.#ownerHash ??= await sha256(readConfig(this.#env).apiToken ?? "");
    return this.#ownerHash;
  }

  async #judgeApiToken(
    { project, id }: { readonly project: string; readonly id: string },
    hash: ArrayBuffer,
    nowMs: number,
  ): Promise<Verdict | undefined> {
    const found = await accessStub(this.#env, project).useToken(id, hash);
    if (found === null) return undefined;
    const { member, roles, expireTimeUs = Number.POSITIVE_INFINITY } = found;
    return {
      result: ok({ kind: "token", id, project, member, roles: [...roles] }),
      untilMs: Math.min(nowMs + VERIFIED_FOR_MS, expireTimeUs / 1000),
    };
  }

  async #judgeAccessToken(text: string, nowMs: number): Promise<Verdict | undefined> {
    const { accounts, ownKeys } = this;
    const { issuer } = readConfig(this.#env);
    const grant = await verifyAccessToken(text, { accounts, ownKeys, issuer }, nowMs);
    if (grant === undefined) return undefined;
    const { known, project, scopes, expiresAt } = grant;
    const { email } = known.account;
    return {
      result: ok({ kind: "serviceAccount", email, project, ...limitingScopes(scopes) }),
      untilMs: Math.min(known.goodUntilMs, expiresAt * 1000),
    };
  }

  async #judgeAssertion(request: Request, text: string, nowMs: number): Promise<Verdict | Failure> {
    const assertion = readAssertion(text, nowMs);
    if ("fault" in assertion) return refuse(assertion.fault);
    const fault = purposeFault(assertion, audiencesOf(request.url));
    if (fault !== undefined) return refuse(fault);
    const signer = await verifySignature(this.accounts, assertion, nowMs);
    if (!signer.ok) return signer;
    const { email, project, scopes, expiresAt } = assertion;
    return {
      result: ok({ kind: "serviceAccount", email, project, ...limitingScopes(scopes) }),
      untilMs: Math.min(signer.value.known.goodUntilMs, (expiresAt + MAX_SKEW_S) * 1000),
    };
  }
}

/** Who signed, and with which key. */
interface Signer {
  readonly known: KnownAccount;
  readonly keyId: string;
}

/** The account that signed; UNAUTHENTICATED when it did not, or may not any more. */
export async function verifySignature(
  accounts: AccountCache,
  assertion: Assertion,
  nowMs: number,
): Promise<Result<Signer>> {
  const { email, project } = assertion;
  const known = await accounts.find(email, project, assertion.keyId, nowMs);
  const keyId = await known?.signingKey(assertion, nowMs);
  if (known === null || keyId === undefined) return NOT_SIGNED;
  // Told to those only who hold a key of the account.
  if (known.account.disabled) return refuse("the service account is disabled");
  return ok({ known, keyId });
}

/**
 * A token says what it is for by its audience, or by its scope, or by both (auth.md §3): an audience
 * must be this service, a scope one that opens something here.
 */
function purposeFault({ claims, scopes }: Assertion, audiences: string[]): string | undefined {
  const hasAudience = claims["aud"] !== undefined;
  if (!hasAudience && scopes === undefined) return "the token has neither audience nor scope";
  if (hasAudience && !isMeantFor(claims, audiences)) return "the token is for another audience";
  if (scopes !== undefined && !hasKnownScope(scopes)) return "the token's scope opens nothing here";
  return undefined;
}

/** Clients name the service they know, wherever they are pointed to. */
const SERVICE_AUDIENCES = [
  "https://cloudtasks.googleapis.com",
  "https://taskqueue.googleapis.com",
  "https://www.googleapis.com",
  "https://iam.googleapis.com",
];

function audiencesOf(url: string): string[] {
  const bases = [...SERVICE_AUDIENCES, new URL(url).origin];
  return bases.flatMap((base) => [base, `${base}/`]);
}

function refused(error: DomainError): Result<never> {
  return { ok: false, error };
}
