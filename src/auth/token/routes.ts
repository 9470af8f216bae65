/**
 * The token endpoint: what a service account signed is exchanged for an access token of this
 * deployment (RFC 7523 §2.1), or for an identity token where the assertion has a target audience.
 * Errors are those of RFC 6749 §5.2.
 *
 * Gap: no other grant is served; there are no users who could consent to one.
 */
import type { Context } from "hono";
import { readConfig } from "../../core/config.ts";
import { ACCESS_TOKEN_LIFETIME_S } from "../../core/limits.ts";
import type { Env } from "../../env.ts";
import { readBounded } from "../../protocol/bounded-body.ts";
import { keyStub } from "../../stubs.ts";
import { mintAccessToken } from "../access-token.ts";
import { deskOf } from "../authenticate.ts";
import type { KnownAccount } from "../credentials.ts";
import { verifySignature } from "../desk.ts";
import { type Assertion, isMeantFor, readAssertion } from "../jwt.ts";
import { withoutCredential } from "../open-mode.ts";
import { CLOUD_PLATFORM, hasKnownScope } from "../scopes.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** The largest body taken, in bytes. */
const MAX_BODY = 32 * 1024;
/** Longest target audience, in characters. */
const MAX_AUDIENCE = 1000;
/** Google's token endpoints: clients name these whatever the key file says (auth.md §3). */
const GOOGLE_AUDIENCES = [
  "https://oauth2.googleapis.com/token",
  "https://www.googleapis.com/oauth2/v4/token",
  "https://accounts.google.com/o/oauth2/token",
];

type ErrorName =
  | "access_denied"
  | "invalid_grant"
  | "invalid_request"
  | "invalid_scope"
  | "temporarily_unavailable"
  | "unsupported_grant_type";

interface Refusal {
  readonly status: 400 | 403 | 405 | 413 | 429;
  readonly error: ErrorName;
  readonly description: string;
}

/** Answers POST /token. */
export async function answerToken({ req, env }: Context<{ Bindings: Env }>): Promise<Response> {
  const nowMs = Date.now();
  const decided = withoutCredential(req.raw, env);
  if (decided?.ok === false) {
    return refuse({ status: 403, error: "access_denied", description: decided.error.message });
  }
  const assertion = await readRequest(req.raw);
  if (typeof assertion !== "string") return refuse(assertion);
  if (decided !== undefined) return answer(OPEN_TOKEN);
  const { guard } = deskOf(env);
  if (guard.isPaused(req.raw, nowMs)) return refuse(TOO_MANY);
  const exchanged = await exchange(assertion, req.raw, env, nowMs);
  if (!("error" in exchanged)) return answer(exchanged);
  const isForged = exchanged.error === "invalid_grant";
  const isOneTooMany = isForged && (await guard.fail(req.raw, nowMs));
  return refuse(isOneTooMany ? TOO_MANY : exchanged);
}

/** What a server gives that asks nobody for credentials: there it is as good as any other. */
const OPEN_TOKEN = {
  access_token: "open",
  expires_in: ACCESS_TOKEN_LIFETIME_S,
  token_type: "Bearer",
};

// ---- The request -------------------------------------------------------------------------------

/** The assertion. */
async function readRequest(request: Request): Promise<string | Refusal> {
  if (request.method !== "POST") {
    return {
      status: 405,
      error: "invalid_request",
      description: "Tokens are asked for with POST.",
    };
  }
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    return invalid("The request must be application/x-www-form-urlencoded.");
  }
  const bytes = await readBounded(request, MAX_BODY);
  if (bytes === undefined) {
    const description = `The request exceeds the limit of ${MAX_BODY} bytes.`;
    return { status: 413, error: "invalid_request", description };
  }
  const form = new URLSearchParams(new TextDecoder().decode(bytes));
  if ([...form.keys()].length !== new Set(form.keys()).size) {
    return invalid("A parameter is given more than once.");
  }
  const grant = form.get("grant_type");
  if (grant === null) return invalid("The parameter grant_type is missing.");
  if (grant !== GRANT) {
    const description = `The only grant type is ${GRANT}.`;
    return { status: 400, error: "unsupported_grant_type", description };
  }
  return form.get("assertion") ?? invalid("The parameter assertion is missing.");
}

function invalid(description: string): Refusal {
  return { status: 400, error: "invalid_request", description };
}

// ---- The exchange ------------------------------------------------------------------------------

type Granted =
  | { readonly id_token: string }
  | {
      readonly access_token: string;
      readonly expires_in: number;
      readonly token_type: "Bearer";
      readonly scope: string;
    };

async function exchange(
  text: string,
  request: Request,
  env: Env,
  nowMs: number,
): Promise<Granted | Refusal> {
  const assertion = readAssertion(text, nowMs);
  if ("fault" in assertion) return notGranted(`Invalid JWT: ${assertion.fault}.`);
  const own = `${new URL(request.url).origin}/token`;
  if (!isMeantFor(assertion.claims, [...GOOGLE_AUDIENCES, own])) {
    return notGranted("Invalid JWT: the token is for another audience.");
  }
  const wanted = readWanted(assertion);
  if ("error" in wanted) return wanted;
  const signer = await verifySignature(deskOf(env).accounts, assertion, nowMs);
  if (!signer.ok) return notGranted("Invalid JWT Signature, or the account may not sign in.");
  const { known, keyId } = signer.value;
  if ("audience" in wanted) return { id_token: await identityToken(env, known, wanted.audience) };
  const { email, uniqueId } = known.account;
  const { scopes } = wanted;
  const grant = { email, uniqueId, keyId, scopes };
  return {
    access_token: await mintAccessToken(env, readConfig(env).issuer, grant),
    expires_in: ACCESS_TOKEN_LIFETIME_S,
    token_type: "Bearer",
    scope: scopes.join(" "),
  };
}

/** An access token for scopes, or an identity token for an audience. */
function readWanted({
  claims,
  scopes,
}: Assertion): { readonly scopes: readonly string[] } | { readonly audience: string } | Refusal {
  const audience = claims["target_audience"];
  if (typeof audience === "string" && audience !== "" && audience.length <= MAX_AUDIENCE) {
    return { audience };
  }
  if (audience !== undefined) return invalid("The target audience cannot be read.");
  if (scopes !== undefined && hasKnownScope(scopes)) return { scopes };
  const description = `No scope of this service was asked for, such as ${CLOUD_PLATFORM}.`;
  return { status: 400, error: "invalid_scope", description };
}

/** As Google's for service accounts: the receiver knows the account by its number and its email. */
function identityToken(env: Env, { account }: KnownAccount, audience: string): Promise<string> {
  const { email, uniqueId } = account;
  const claims = { aud: audience, sub: uniqueId, azp: uniqueId, email, email_verified: true };
  return keyStub(env).signToken(claims, ACCESS_TOKEN_LIFETIME_S);
}

function notGranted(description: string): Refusal {
  return { status: 400, error: "invalid_grant", description };
}

// ---- The answer --------------------------------------------------------------------------------

const TOO_MANY: Refusal = {
  status: 429,
  error: "temporarily_unavailable",
  description: "Too many failed sign-ins from this address. Try again in a minute.",
};

const HEADERS = {
  "content-type": "application/json; charset=UTF-8",
  "cache-control": "no-store",
  pragma: "no-cache",
  "x-content-type-options": "nosniff",
};

function answer(body: object): Response {
  return new Response(JSON.stringify(body), { headers: HEADERS });
}

function refuse({ status, error, description }: Refusal): Response {
  const body = JSON.stringify({ error, error_description: description });
  const allow = status === 405 ? { allow: "POST" } : {};
  return new Response(body, { status, headers: { ...HEADERS, ...allow } });
}
