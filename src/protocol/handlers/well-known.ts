/**
 * What a handler of webhooks needs to verify the identity tokens it gets, open to anyone (OpenID
 * Connect Discovery 1.0 §3, §4):
 *
 *   GET /.well-known/openid-configuration
 *   GET /.well-known/jwks.json              the public keys: what signs now, next, and signed lately
 */
import type { Hono } from "hono";
import { DEFAULT_ISSUER, readConfig } from "../../core/config.ts";
import { PUBLIC_KEYS_MAX_AGE_S, PUBLIC_KEYS_REUSE_MS } from "../../core/limits.ts";
import type { Env } from "../../env.ts";
import { keyStub } from "../../stubs.ts";

const HEADERS = { "cache-control": `public, max-age=${PUBLIC_KEYS_MAX_AGE_S}` };

/** The published keys as an isolate last saw them: a flood of requests reaches no object. */
const lastKeys = new WeakMap<object, { readonly keys: readonly JsonWebKey[]; asOfMs: number }>();

export function mountWellKnown(app: Hono<{ Bindings: Env }>, nowMs: () => number): void {
  app.get("/.well-known/jwks.json", async ({ env, json }) => {
    let last = lastKeys.get(env);
    if (last === undefined || nowMs() - last.asOfMs >= PUBLIC_KEYS_REUSE_MS) {
      const { keys } = await keyStub(env).publicKeys();
      last = { keys: keys.map((key) => ({ ...key })), asOfMs: nowMs() };
      lastKeys.set(env, last);
    }
    return json({ keys: last.keys }, 200, HEADERS);
  });
  app.get("/.well-known/openid-configuration", ({ env, json, req }) => {
    const { issuer } = readConfig(env);
    return json(openIdConfiguration(issuer, new URL(req.url).origin), 200, HEADERS);
  });
}

/** Without the setting ISSUER nobody knows the deployment's own address but who just called it. */
function openIdConfiguration(issuer: string, origin: string) {
  const base = issuer === DEFAULT_ISSUER ? origin : issuer.replace(/\/$/, "");
  return {
    issuer,
    jwks_uri: `${base}/.well-known/jwks.json`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    claims_supported: ["iss", "sub", "aud", "azp", "email", "email_verified", "iat", "exp"],
  };
}
