/**
 * Keeps those who guess from guessing fast. Failed sign-ins are counted by address where the
 * deployment has the rate limit FAILED_SIGN_INS; past it the address is not listened to for a while.
 * Credentials that are remembered as good pass all the same.
 */

import { BoundedMap } from "../core/bounded-map.ts";
import { MAX_PAUSED_ADDRESSES, SIGN_IN_PAUSE_MS } from "../core/limits.ts";
import { type DomainError, fail } from "../core/result.ts";
import type { Env } from "../env.ts";

export const TOO_MANY_FAILURES: DomainError = fail(
  "RESOURCE_EXHAUSTED",
  "Too many failed sign-ins from this address. Try again in a minute.",
).error;

export class SignInGuard {
  readonly #limit: Env["FAILED_SIGN_INS"];
  /** When the address is listened to again, milliseconds. */
  readonly #pausedUntil = new BoundedMap<number>(MAX_PAUSED_ADDRESSES);

  constructor({ FAILED_SIGN_INS }: Pick<Env, "FAILED_SIGN_INS">) {
    this.#limit = FAILED_SIGN_INS;
  }

  isPaused(request: Request, nowMs: number): boolean {
    if (this.#limit === undefined) return false;
    const until = this.#pausedUntil.get(addressOf(request));
    return until !== undefined && nowMs < until;
  }

  /** Counts a failure. True: that was one too many. */
  async fail(request: Request, nowMs: number): Promise<boolean> {
    if (this.#limit === undefined) return false;
    const key = addressOf(request);
    const { success } = await this.#limit.limit({ key });
    if (!success) this.#pausedUntil.set(key, nowMs + SIGN_IN_PAUSE_MS);
    return !success;
  }
}

/** The caller's address as the platform tells it; of IPv6 the network, which is one customer's. */
function addressOf(request: Request): string {
  const address = request.headers.get("cf-connecting-ip") ?? "unknown";
  return address.includes(":") ? networkOf(address) : address;
}

/** The first 64 bits. */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const after = tail === "" ? 0 : tail.split(":").length;
    while (groups.length + after < 8) groups.push("0");
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}
