/**
 * Waiting leases, the same in every face that leases: a lease call that finds nothing may say with
 * `Prefer: wait=N` (RFC 7240 §4.3) how long it will wait, and is answered as soon as a task becomes
 * available.
 */
import type { TaskRecord } from "../core/model.ts";
import { ok, type Result } from "../core/result.ts";
import type { PullService } from "../queue/service.ts";

/** The longest wait, in seconds; a longer one asked for is cut to it. */
export const MAX_WAIT_S = 60;

export type LeaseRequest = Parameters<PullService["leaseTasks"]>[0];

/**
 * The seconds that a request's `Prefer` headers ask to wait, at most 60; undefined where they ask for
 * nothing that can be read, for a preference is no demand. An answer that honours it says so in
 * `Preference-Applied`, see waitApplied.
 */
export function readWait(headers: Headers): number | undefined {
  const text = headers.get("prefer");
  if (text === null) return undefined;
  for (const preference of text.split(",")) {
    // Only the first of several counts (RFC 7240 §2).
    const [, digits] = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?$/i.exec(preference) ?? [];
    if (digits !== undefined) return Math.min(Number(digits), MAX_WAIT_S);
  }
  return undefined;
}

/** The header of an answer to a request that asked to wait; none where it did not. */
export function waitApplied(headers: Headers): Readonly<Record<string, string>> {
  const seconds = readWait(headers);
  return seconds === undefined ? {} : { "preference-applied": `wait=${seconds}` };
}

/**
 * Leases tasks, and where there are none waits up to `waitMs` for some. Empty when the time is over.
 * The first lease is tried at once; after that the caller keeps one place in the queue's line, also
 * when another was faster to the task it was woken for. The place is given up when `signal` says that
 * the client has gone. `nowMs` is the clock, milliseconds.
 */
export async function leaseWithWait(
  queue: Pick<PullService, "leaseTasks" | "waitForTasks" | "stopWaiting">,
  request: LeaseRequest,
  waitMs: number,
  nowMs: () => number,
  signal?: AbortSignal,
): Promise<Result<readonly TaskRecord[]>> {
  const endMs = nowMs() + waitMs;
  const first = await queue.leaseTasks(request);
  if (!first.ok || first.value.length > 0 || waitMs <= 0) return first;

  const place = crypto.randomUUID();
  const leave = () => {
    void queue.stopWaiting(place);
  };
  signal?.addEventListener("abort", leave, { once: true });
  try {
    return await waitInLine(queue, { ...request, place }, endMs, nowMs);
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

async function waitInLine(
  queue: Pick<PullService, "leaseTasks" | "waitForTasks">,
  request: LeaseRequest & { readonly place: string },
  endMs: number,
  nowMs: () => number,
): Promise<Result<readonly TaskRecord[]>> {
  const { selection, place } = request;
  for (;;) {
    const waitMs = endMs - nowMs();
    if (waitMs <= 0) return ok([]);
    const isReady = await queue.waitForTasks({ selection, waitMs, place });
    if (!isReady.ok) return isReady;
    if (!isReady.value) return ok([]);
    const leased = await queue.leaseTasks(request);
    if (!leased.ok || leased.value.length > 0) return leased;
  }
}
