/**
 * Access tokens of this deployment (RFC 9068), signed with its own keys: what the token endpoint
 * gives, and what tasks with an oauthToken carry. One is verified without a stored row, and ends with
 * its account and with the key that it was exchanged for.
 */
import { projectOfEmail } from "../core/account-names.ts";
import { ACCESS_TOKEN_LIFETIME_S } from "../core/limits.ts";
import type { Env } from "../env.ts";
import { keyStub } from "../stubs.ts";
import type { AccountCache, KnownAccount, OwnKeys } from "./credentials.ts";
import { decodeBase64url, decodeJson, utf8 } from "./encoding.ts";
import { isSignedBy } from "./rsa.ts";

const TYPE = "at+jwt";
/** Claim of our own: the account's key that signed what the token was exchanged for. */
const KEY_CLAIM = "account_key";

export interface AccessTokenRequest {
  readonly email: string;
  /** The account's number: one made later under the same email is another. */
  readonly uniqueId: string;
  readonly keyId: string | undefined;
  readonly scopes: readonly string[];
}

/** Makes a token that is good for ACCESS_TOKEN_LIFETIME_S. */
export function mintAccessToken(
  env: Env,
  issuer: string,
  { email, uniqueId, keyId, scopes }: AccessTokenRequest,
): Promise<string> {
  const claims = {
    aud: issuer,
    sub: uniqueId,
    client_id: email,
    email,
    email_verified: true,
    scope: scopes.join(" "),
    ...(keyId === undefined ? {} : { [KEY_CLAIM]: keyId }),
  };
  return keyStub(env).signToken(claims, ACCESS_TOKEN_LIFETIME_S, TYPE);
}

/** Whether it says it is one. */
export function isAccessToken(text: string): boolean {
  return decodeJson(text.slice(0, Math.max(0, text.indexOf("."))))?.["typ"] === TYPE;
}

export interface Grant {
  readonly known: KnownAccount;
  readonly project: string;
  readonly scopes: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

/** What the token grants; undefined when it is forged or no longer good. */
export async function verifyAccessToken(
  text: string,
  { accounts, ownKeys, issuer }: { accounts: AccountCache; ownKeys: OwnKeys; issuer: string },
  nowMs: number,
): Promise<Grant | undefined> {
  const claims = await readSigned(text, ownKeys, nowMs);
  if (claims === undefined || claims["iss"] !== issuer || claims["aud"] !== issuer)
    return undefined;
  const { email, sub, scope, exp, [KEY_CLAIM]: keyId } = claims;
  if (typeof email !== "string" || typeof scope !== "string" || typeof exp !== "number") {
    return undefined;
  }
  const project = projectOfEmail(email);
  if (project === null || exp * 1000 <= nowMs) return undefined;
  const key = typeof keyId === "string" ? keyId : undefined;
  const known = await accounts.find(email, project, key, nowMs);
  if (known === null || known.account.disabled || known.account.uniqueId !== sub) return undefined;
  if (key !== undefined && known.usableKeys(key, nowMs).length === 0) return undefined;
  return { known, project, scopes: scope.split(" "), expiresAt: exp };
}

/** The claims of a token that one of the deployment's own keys signed. */
async function readSigned(
  text: string,
  ownKeys: OwnKeys,
  nowMs: number,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const [head = "", body = "", mac = "", ...rest] = text.split(".");
  const { alg, kid, typ, crit } = decodeJson(head) ?? {};
  const signature = decodeBase64url(mac);
  const isOurs = alg === "RS256" && typ === TYPE && crit === undefined && rest.length === 0;
  if (!isOurs || typeof kid !== "string" || signature === undefined) return undefined;
  const key = await ownKeys.find(kid, nowMs);
  if (key === undefined || !(await isSignedBy(key, signature, utf8(`${head}.${body}`)))) {
    return undefined;
  }
  return decodeJson(body);
}
