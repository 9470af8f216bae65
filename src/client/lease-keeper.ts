/** Keeps the leases of a worker's tasks: renews them together, and says when one is lost. */
import { TaskLeaseExpiredError } from "./errors.ts";
import { modifyLeases } from "./lease-calls.ts";
import type { Queue } from "./queue.ts";
import type { Task } from "./task.ts";

/** A task whose handler runs. */
export interface Held {
  readonly task: Task;
  /** When the lease ends, at the earliest: milliseconds of uptime. */
  expiresMs: number;
  /** Not before: after a renewal that failed. Milliseconds of uptime. */
  notBeforeMs: number;
  readonly lost: AbortController;
}

/** The part of a lease that is left when it counts as lost, so that no clock needs to be exact. */
const MARGIN = { share: 0.1, mostMs: 1000 } as const;

export class LeaseKeeper {
  readonly #queue: Queue;
  readonly #leaseMs: number;
  readonly #marginMs: number;
  readonly #report: (error: unknown, task?: Task) => void;
  readonly #held = new Set<Held>();
  /** The renewal under way, and the tasks in it. */
  #renewal: { readonly batch: ReadonlySet<Held>; readonly done: Promise<void> } | undefined;
  #isWatching = false;
  /** Ends the watch's sleep: something is there that it did not reckon with. */
  #nap = new AbortController();

  constructor(queue: Queue, leaseSeconds: number, report: (error: unknown, task?: Task) => void) {
    this.#queue = queue;
    this.#leaseMs = leaseSeconds * 1000;
    this.#marginMs = Math.min(this.#leaseMs * MARGIN.share, MARGIN.mostMs);
    this.#report = report;
  }

  /** Takes care of a lease from now on. */
  hold(task: Task, expiresMs: number): Held {
    const held: Held = { task, expiresMs, notBeforeMs: 0, lost: new AbortController() };
    this.#held.add(held);
    if (this.#isWatching) this.#nap.abort();
    else void this.#watch();
    return held;
  }

  /**
   * Renews the lease no more. When it resolves no renewal is under way either, which would change
   * the expiry that names the lease.
   */
  async release(held: Held): Promise<void> {
    this.#held.delete(held);
    if (this.#held.size === 0) this.#nap.abort();
    if (this.#renewal?.batch.has(held)) await this.#renewal.done;
  }

  /** Goes on while there are leases to keep. Never rejects. */
  async #watch(): Promise<void> {
    const { uptime, sleep } = this.#queue.connection.platform;
    this.#isWatching = true;
    while (this.#held.size > 0) {
      const nowMs = uptime();
      for (const held of this.#held) {
        if (held.expiresMs - this.#marginMs <= nowMs) this.#lose(held, lapsed());
      }
      const due = [...this.#held].filter((held) => this.#renewAt(held) <= nowMs);
      if (due.length > 0 && this.#renewal === undefined) this.#renew(nowMs);
      this.#nap = new AbortController();
      await sleep(Math.max(1, this.#wakeAt(nowMs) - nowMs), this.#nap.signal);
    }
    this.#isWatching = false;
  }

  /** At half of its time. */
  #renewAt({ expiresMs, notBeforeMs }: Held): number {
    return Math.max(expiresMs - this.#leaseMs / 2, notBeforeMs);
  }

  #wakeAt(nowMs: number): number {
    let wakeMs = nowMs + this.#leaseMs / 2;
    for (const held of this.#held) {
      // While a renewal is under way its end wakes the watch.
      const renewMs = this.#renewal === undefined ? this.#renewAt(held) : Infinity;
      wakeMs = Math.min(wakeMs, renewMs, held.expiresMs - this.#marginMs);
    }
    return wakeMs;
  }

  /** Renews all that have a quarter of their time behind them, in one call. */
  #renew(nowMs: number): void {
    const batch = [...this.#held].filter(
      ({ expiresMs }) => expiresMs - nowMs < this.#leaseMs * 0.75,
    );
    if (batch.length === 0) return;
    const done = this.#call(batch, nowMs).finally(() => {
      this.#renewal = undefined;
      this.#nap.abort();
    });
    this.#renewal = { batch: new Set(batch), done };
  }

  /** Never rejects. */
  async #call(batch: readonly Held[], nowMs: number): Promise<void> {
    const { connection, name } = this.#queue;
    const { random, uptime } = connection.platform;
    const earliest = Math.min(...batch.map(({ expiresMs }) => expiresMs));
    const deadline = Math.max(0.05, (earliest - nowMs) / 1000);
    const again = (held: Held) => {
      held.notBeforeMs = uptime() + (this.#leaseMs / 20) * (1 + random());
    };
    try {
      const tasks = batch.map(({ task }) => task);
      const errors = await modifyLeases(connection, name, tasks, this.#leaseMs / 1000, {
        deadline,
      });
      for (const [index, held] of batch.entries()) {
        const error = errors[index];
        // Counted from before the call: the server granted it later.
        if (error === undefined) held.expiresMs = nowMs + this.#leaseMs;
        else if (isLost(error.reason)) this.#lose(held, error);
        else again(held);
      }
    } catch (error) {
      this.#report(error);
      for (const held of batch) again(held);
    }
  }

  #lose(held: Held, error: unknown): void {
    if (!this.#held.delete(held) && held.lost.signal.aborted) return;
    held.lost.abort(error);
    this.#report(error, held.task);
  }
}

function isLost(reason: string | undefined): boolean {
  return (
    reason === "TASK_LEASE_EXPIRED" || reason === "UNKNOWN_TASK" || reason === "TOMBSTONED_TASK"
  );
}

function lapsed(): TaskLeaseExpiredError {
  return new TaskLeaseExpiredError("The lease could not be renewed in time.");
}
