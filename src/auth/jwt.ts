/**
 * JWTs that service accounts sign themselves (auth.md §3): what stands in one, and what it must say.
 * RS256 and nothing else: the algorithm is this code's choice, never the token's.
 */
import { projectOfEmail } from "../core/account-names.ts";
import { MAX_CREDENTIAL_SIZE, MAX_JWT_LIFETIME_S, MAX_SKEW_S } from "../core/limits.ts";
import { decodeBase64url, decodeJson, utf8 } from "./encoding.ts";

/** A token that says what it must. Its signature is still to be checked. */
export interface Assertion {
  /** The account that it says it is of. */
  readonly email: string;
  readonly project: string;
  /** The key that it says it is signed with. */
  readonly keyId: string | undefined;
  readonly scopes: readonly string[] | undefined;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** What is wrong with a token, for its sender; nothing that the sender did not know. */
export interface Fault {
  readonly fault: string;
}

/** Reads a token and judges its claims, all but the audience and the scope. */
export function readAssertion(text: string, nowMs: number): Assertion | Fault {
  if (text.length > MAX_CREDENTIAL_SIZE) return { fault: "the token is too large" };
  const [head = "", body = "", mac = "", ...rest] = text.split(".");
  const header = decodeJson(head);
  const claims = decodeJson(body);
  const signature = decodeBase64url(mac);
  if (header === undefined || claims === undefined || rest.length > 0) {
    return { fault: "the token is not a JWT" };
  }
  const fault =
    headerFault(header) ?? timeFault(claims, Math.floor(nowMs / 1000)) ?? scopeFault(claims);
  if (fault !== undefined) return { fault };
  if (signature === undefined) return { fault: "the token is not signed" };
  const issuer = readIssuer(claims);
  if ("fault" in issuer) return issuer;
  const { kid } = header;
  return {
    ...issuer,
    keyId: typeof kid === "string" && kid !== "" ? kid : undefined,
    scopes: readScopes(claims["scope"]),
    expiresAt: claims["exp"] as number,
    claims,
    signed: utf8(`${head}.${body}`),
    signature,
  };
}

/** Whether the audience of the token, if it has one, is one of these. */
export function isMeantFor(
  claims: Readonly<Record<string, unknown>>,
  audiences: string[],
): boolean {
  const { aud } = claims;
  const given = Array.isArray(aud) ? aud : [aud];
  return given.some((one) => typeof one === "string" && audiences.includes(one));
}

function headerFault(header: Readonly<Record<string, unknown>>): string | undefined {
  const { alg, typ, crit } = header;
  if (alg !== "RS256") return "the token must be signed with RS256";
  if (crit !== undefined) return "the token has critical extensions, of which none is known";
  if (typ !== undefined && !(typeof typ === "string" && typ.toUpperCase() === "JWT")) {
    return "the token's type is not JWT";
  }
  return undefined;
}

/** Seconds. */
function timeFault(claims: Readonly<Record<string, unknown>>, now: number): string | undefined {
  const { iat, exp, nbf } = claims;
  if (!isTime(iat)) return "the token has no time of issue (iat)";
  if (!isTime(exp)) return "the token has no time of expiry (exp)";
  if (exp + MAX_SKEW_S <= now) return "the token has expired";
  if (iat - MAX_SKEW_S > now) return "the token was issued in the future";
  if (exp - iat > MAX_JWT_LIFETIME_S + MAX_SKEW_S || exp <= iat) {
    return "the token's lifetime must be one hour at most";
  }
  if (nbf !== undefined && !(isTime(nbf) && nbf - MAX_SKEW_S <= now)) {
    return "the token is not valid yet (nbf)";
  }
  return undefined;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function readIssuer(
  claims: Readonly<Record<string, unknown>>,
): { readonly email: string; readonly project: string } | Fault {
  const { iss, sub } = claims;
  const project = typeof iss === "string" ? projectOfEmail(iss) : null;
  if (typeof iss !== "string" || project === null) {
    return { fault: "the token's issuer (iss) is not a service account" };
  }
  if (sub !== undefined && sub !== iss) {
    return { fault: "a service account cannot act for another subject (sub)" };
  }
  return { email: iss, project };
}

/** Scopes in another form are a limit all the same: to pass over them would lift it. */
function scopeFault({ scope }: Readonly<Record<string, unknown>>): string | undefined {
  return scope === undefined || typeof scope === "string"
    ? undefined
    : "the token's scope is not text";
}

function readScopes(scope: unknown): readonly string[] | undefined {
  if (typeof scope !== "string") return undefined;
  const scopes = scope.split(" ").filter((one) => one !== "");
  return scopes.length === 0 ? undefined : scopes;
}
