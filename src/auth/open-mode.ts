/** Deployments that ask nobody for credentials, and those that no credential opens yet. */
import { readConfig } from "../core/config.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { ANONYMOUS, type Caller } from "./caller.ts";

const ANYONE = ok(ANONYMOUS);
const NOT_LOOPBACK = fail(
  "PERMISSION_DENIED",
  "This server is open to loopback only (OPEN_MODE=loopback): call it as localhost, 127.0.0.1 or " +
    "[::1], not from web pages of other hosts, or start it with an API_TOKEN.",
);
const CLOSED = fail(
  "PERMISSION_DENIED",
  "This deployment has no API token, so it refuses every call. Set one with " +
    "`wrangler secret put API_TOKEN` and send it as `Authorization: Bearer <token>`.",
);

/**
 * The answer where it does not depend on a credential: anyone may call a server that is open to
 * loopback by a name of loopback, and nobody a deployment that has no API_TOKEN (PERMISSION_DENIED).
 * Undefined: a credential decides.
 */
export function withoutCredential(request: Request, env: Env): Result<Caller> | undefined {
  const config = readConfig(env);
  if (config.open) return isFromHere(request) ? ANYONE : NOT_LOOPBACK;
  return config.apiToken === undefined ? CLOSED : undefined;
}

const LOOPBACK =
  /^https?:\/\/(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?(?:[/?#]|$)/i;

/**
 * Judged by the name the caller used, so that a web page cannot reach in through a name of its own;
 * and by the page, which browsers tell of with every request that could change something: whoever may
 * make tasks here can have this machine call its neighbours.
 */
function isFromHere({ url, headers }: Request): boolean {
  if (!LOOPBACK.test(url)) return false;
  const page = headers.get("origin");
  return page === null || LOOPBACK.test(page);
}
