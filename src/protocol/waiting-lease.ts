/**
 * Waiting leases, the same in every face that leases: a lease call that finds nothing may say with
 * `Prefer: wait=N` (RFC 7240 §4.3) how long it will wait, and is answered as soon as a task becomes
 * available.
 */
import type { TaskRecord } from "../core/model.ts";
import { ok, type Result } from "../core/result.ts";
import type { PullService } from "../queue/service.ts";
import type { WaitingClient } from "./waiting-client.ts";

/** The longest wait, in seconds; a longer one asked for is cut to it. */
export const MAX_WAIT_S = 60;

export type LeaseRequest = Parameters<PullService["leaseTasks"]>[0];

/**
 * The seconds that a request's `Prefer` headers ask to wait, at most 60; undefined where they ask
 * for nothing that can be read, for a preference is no demand. An answer that honours it says so in
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

type LeasableQueue = Pick<PullService, "leaseTasks" | "waitForTasks" | "stopWaiting">;

/**
 * Leases tasks, and where there are none waits up to `waitMs` for some. Empty when the time is
 * over. The first lease is tried at once; after that the caller keeps one place in the queue's
 * line, also when another was faster to the task it was woken for. A client that has gone gives up
 * its place, and nothing is leased for it. `nowMs` is the clock, milliseconds.
 */
export async function leaseWithWait(
  queue: LeasableQueue,
  request: LeaseRequest,
  waitMs: number,
  nowMs: () => number,
  client?: WaitingClient,
): Promise<Result<readonly TaskRecord[]>> {
  const endMs = nowMs() + waitMs;
  const first = await queue.leaseTasks(request);
  if (!first.ok || first.value.length > 0 || waitMs <= 0) return first;

  const place = crypto.randomUUID();
  let left: Promise<void> | undefined;
  const leave = () => {
    left = queue.stopWaiting(place);
  };
  client?.signal.addEventListener("abort", leave, { once: true });
  try {
    return await waitInLine(queue, { ...request, place }, endMs, nowMs, client);
  } finally {
    client?.signal.removeEventListener("abort", leave);
    // A call that nobody waits for may never arrive.
    await left;
  }
}

async function waitInLine(
  queue: LeasableQueue,
  request: LeaseRequest & { readonly place: string },
  endMs: number,
  nowMs: () => number,
  client: WaitingClient | undefined,
): Promise<Result<readonly TaskRecord[]>> {
  const { selection, place } = request;
  for (;;) {
    const waitMs = endMs - nowMs();
    if (waitMs <= 0) return ok([]);
    const isReady = await queue.waitForTasks({ selection, waitMs, place });
    if (!isReady.ok) return isReady;
    if (!isReady.value || (client !== undefined && !(await client.isThere()))) return ok([]);
    const leased = await queue.leaseTasks(request);
    if (!leased.ok || leased.value.length > 0) return leased;
  }
}
