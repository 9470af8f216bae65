/**
 * Who is calling. A deployment is closed until it has an API_TOKEN; then a caller is its holder, a
 * service account or the holder of an API token. A server that is open to loopback asks nobody.
 */
import { readConfig } from "../core/config.ts";
import { type DomainError, fail, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import type { Caller } from "./caller.ts";
import { Desk, EXPECTED } from "./desk.ts";
import { withoutCredential } from "./open-mode.ts";

/**
 * The caller, or why the request is refused: PERMISSION_DENIED on a closed deployment, UNAUTHENTICATED
 * for a credential that is missing, forged or stale, RESOURCE_EXHAUSTED after too many of them. A
 * promise only where the credential is not remembered: a busy client costs a look-up in a map.
 */
export function authenticate(
  request: Request,
  env: Env,
  nowMs: number,
): Promise<Result<Caller>> | Result<Caller> {
  return judge(request, credentialOf(request, env), env, nowMs);
}

/**
 * As authenticate, for interfaces whose calls have no header to show a credential in: `text` is what
 * a client would else send as its bearer token. A header is accepted as well; an empty text is none.
 */
export function authenticateToken(
  request: Request,
  text: string,
  env: Env,
  nowMs: number,
): Promise<Result<Caller>> | Result<Caller> {
  const credential = credentialOf(request, env) ?? (text === "" ? null : `Bearer ${text}`);
  return judge(request, credential, env, nowMs);
}

function judge(
  request: Request,
  credential: string | null,
  env: Env,
  nowMs: number,
): Promise<Result<Caller>> | Result<Caller> {
  const decided = withoutCredential(request, env);
  if (decided !== undefined) return decided;
  if (credential === null) return NO_CREDENTIAL;
  const desk = deskOf(env);
  return desk.recall(credential, nowMs) ?? desk.verify(request, credential, nowMs);
}

/** Whether a refusal is that of a request without any credential, right or wrong. */
export function hasNoCredential(refusal: DomainError): boolean {
  return refusal === NO_CREDENTIAL.error;
}

/** Forgets all that was verified: what this isolate changed counts in it at once. */
export function forgetVerified(env: Env): void {
  deskOf(env).forget();
}

const NO_CREDENTIAL = fail(
  "UNAUTHENTICATED",
  `Request is missing required authentication credential. ${EXPECTED}`,
);

/** As the text of an Authorization header. From the query only where the deployment says so. */
function credentialOf(request: Request, env: Env): string | null {
  const header = request.headers.get("authorization");
  if (header !== null || !readConfig(env).queryTokens) return header;
  const query = new URL(request.url).searchParams;
  for (const name of ["access_token", "oauth_token", "key"]) {
    const value = query.get(name);
    if (value !== null) return `Bearer ${value}`;
  }
  return null;
}

const desks = new WeakMap<object, Desk>();

/** Where this deployment's credentials are verified. */
export function deskOf(env: Env): Desk {
  let found = desks.get(env);
  if (found === undefined) {
    found = new Desk(env);
    desks.set(env, found);
  }
  return found;
}
