/** OAuth scopes, as the discovery documents name them (auth.md §3). */
import { type DomainError, fail } from "../core/result.ts";
import type { Caller } from "./caller.ts";

const PREFIX = "https://www.googleapis.com/auth/";

/** Good for everything, the admin interface included. */
export const CLOUD_PLATFORM = `${PREFIX}cloud-platform`;
const CLOUD_TASKS = `${PREFIX}cloud-tasks`;
const TASK_QUEUE = `${PREFIX}taskqueue`;
const TASK_QUEUE_CONSUMER = `${PREFIX}taskqueue.consumer`;

const KNOWN = [CLOUD_PLATFORM, CLOUD_TASKS, TASK_QUEUE, TASK_QUEUE_CONSUMER];

/** Whether one of the scopes opens anything here. */
export function hasKnownScope(scopes: readonly string[]): boolean {
  return scopes.some((scope) => KNOWN.includes(scope));
}

/** The scopes as a caller carries them: none of them when one stands for everything. */
export function limitingScopes(
  scopes: readonly string[] | undefined,
): { readonly scopes: readonly string[] } | Record<string, never> {
  return scopes === undefined || scopes.includes(CLOUD_PLATFORM) ? {} : { scopes };
}

/** Why the caller's token is not good for this path; undefined when it is. */
export function scopeRefusal(caller: Caller, path: string): DomainError | undefined {
  if (caller.kind !== "serviceAccount" || caller.scopes === undefined) return undefined;
  const { scopes } = caller;
  return scopesFor(path).some((scope) => scopes.includes(scope)) ? undefined : INSUFFICIENT;
}

/** What opens a path besides cloud-platform. */
function scopesFor(path: string): readonly string[] {
  if (/^\/(v2(beta\d)?|v1\/projects\/[^/]+\/locations)(\/|$)/.test(path)) return [CLOUD_TASKS];
  if (/^\/edgetasks\/v1\/projects\/[^/]+\/locations\//.test(path)) return [CLOUD_TASKS];
  if (path === "/rpc_http") return [CLOUD_TASKS, TASK_QUEUE];
  if (/^\/(batch\/)?taskqueue\//.test(path)) return [TASK_QUEUE, TASK_QUEUE_CONSUMER];
  // What is in a batch of everything is judged part by part.
  return path === "/batch" ? KNOWN : [];
}

const INSUFFICIENT = fail("PERMISSION_DENIED", "Request had insufficient authentication scopes.", [
  {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    domain: "googleapis.com",
  },
]).error;
