/**
 * Who may call: the holder of the deployment's API_TOKEN, or anyone who reaches a server that is
 * open to loopback. With neither set everything is refused, so that a fresh deployment is closed.
 */
import type { DeploymentConfig } from "../core/config.ts";
import { type DomainError, fail } from "../core/result.ts";

/**
 * The refusal of a request (PERMISSION_DENIED, UNAUTHENTICATED), or undefined when it may be
 * served. A promise only where a credential has to be hashed.
 */
export function authorize(
  request: Request,
  config: Pick<DeploymentConfig, "open" | "apiToken">,
): Promise<DomainError | undefined> | DomainError | undefined {
  return judge(request.url, request.headers.get("authorization"), config);
}

/**
 * As authorize, for App Engine's calls: they have no header to show a token in, so their security
 * ticket is the token. A header is accepted as well.
 */
export function authorizeTicket(
  request: Request,
  ticket: string,
  config: Pick<DeploymentConfig, "open" | "apiToken">,
): Promise<DomainError | undefined> | DomainError | undefined {
  const header = request.headers.get("authorization");
  return judge(request.url, header ?? (ticket === "" ? null : `Bearer ${ticket}`), config);
}

function judge(
  url: string,
  header: string | null,
  config: Pick<DeploymentConfig, "open" | "apiToken">,
): Promise<DomainError | undefined> | DomainError | undefined {
  if (config.open) return isLoopback(url) ? undefined : NOT_LOOPBACK;
  if (config.apiToken === undefined) return CLOSED;
  if (header === null) return NO_CREDENTIAL;
  return isAccepted(header, config.apiToken) ? undefined : verify(header, config.apiToken);
}

const NOT_LOOPBACK = fail(
  "PERMISSION_DENIED",
  "This server is open to loopback only (OPEN_MODE=loopback): call it as localhost, 127.0.0.1 or " +
    "[::1], or start it with an API_TOKEN.",
).error;
const CLOSED = fail(
  "PERMISSION_DENIED",
  "This deployment has no API token, so it refuses every call. Set one with " +
    "`wrangler secret put API_TOKEN` and send it as `Authorization: Bearer <token>`.",
).error;
const NO_CREDENTIAL = fail(
  "UNAUTHENTICATED",
  "Request is missing required authentication credential. Expected the deployment's API token as " +
    "`Authorization: Bearer <token>`.",
).error;
const WRONG_CREDENTIAL = fail(
  "UNAUTHENTICATED",
  "Request had invalid authentication credentials. Expected the deployment's API token as " +
    "`Authorization: Bearer <token>`.",
).error;

const LOOPBACK =
  /^https?:\/\/(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?(?:[/?#]|$)/i;

/**
 * Judged by the name the caller used, so that a web page cannot reach in through a name of its own.
 */
function isLoopback(url: string): boolean {
  return LOOPBACK.test(url);
}

/**
 * The last header found right, by the token it was right for: the next one costs a comparison, not
 * two hashes.
 */
let accepted: { readonly token: string; readonly header: string } | undefined;

function isAccepted(header: string, token: string): boolean {
  return accepted?.token === token && isSame(header, accepted.header);
}

async function verify(header: string, token: string): Promise<DomainError | undefined> {
  const given = /^bearer +(\S+) *$/i.exec(header)?.[1];
  if (given === undefined) return WRONG_CREDENTIAL;
  // Hashes have one length, whatever the lengths of what they were made from.
  const [left, right] = await Promise.all([sha256(given), sha256(token)]);
  if (!crypto.subtle.timingSafeEqual(left, right)) return WRONG_CREDENTIAL;
  accepted = { token, header };
  return undefined;
}

/** Takes as long for a wrong text as for the right one of that length. */
function isSame(text: string, other: string): boolean {
  if (text.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < text.length; index++) {
    difference |= text.charCodeAt(index) ^ other.charCodeAt(index);
  }
  return difference === 0;
}

function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
