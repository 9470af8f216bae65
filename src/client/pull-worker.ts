/**
 * Works off a pull queue: leases tasks, runs a handler for each, keeps the leases while it runs, and
 * acknowledges what is done.
 */
import { AcknowledgeLine } from "./acknowledge-line.ts";
import {
  DeadlineExceededError,
  InternalError,
  InvalidLeaseTimeError,
  InvalidMaxTasksError,
  QueuePausedError,
  TaskQueueError,
  TransientError,
} from "./errors.ts";
import { type Leased, leaseTasks, modifyLeases } from "./lease-calls.ts";
import { type Held, LeaseKeeper } from "./lease-keeper.ts";
import { MAX_LEASE_SECONDS, MAX_TASKS_PER_LEASE, MAX_WAIT_SECONDS } from "./limits.ts";
import type { Queue } from "./queue.ts";
import { reporter } from "./report.ts";
import type { Task } from "./task.ts";
import { STATE } from "./task-state.ts";

export interface PullContext {
  /**
   * Aborts when the task's lease is lost, or may be: from then on another worker may have the task,
   * and what this one does about it counts for nothing.
   */
  readonly signal: AbortSignal;
}

export interface PullWorkerOptions {
  readonly queue: Queue;
  /** Its return means done; what it throws releases the task, to be tried again later. */
  readonly handler: (task: Task, context: PullContext) => unknown;
  /** Only tasks of this tag. */
  readonly tag?: string | undefined;
  /** Tasks at a time, 1 to 1000; 10. */
  readonly concurrency?: number | undefined;
  /** Seconds of a lease, which is renewed while the handler runs; 60. */
  readonly leaseSeconds?: number | undefined;
  /** Seconds that a call waits for tasks, at most 60; 30. With 0 it asks in pauses, up to 30 s. */
  readonly waitSeconds?: number | undefined;
  /** When a task whose handler threw is tried again: seconds after its first lease, and at most. */
  readonly backoff?:
    | { readonly firstSeconds?: number | undefined; readonly maxSeconds?: number | undefined }
    | undefined;
  /** Aborted, the worker leases no more, finishes what it has, and returns. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told what handlers throw, and what goes wrong with calls; of a task where it is about one. What it
   * throws is dropped.
   */
  readonly onError?: ((error: unknown, task?: Task) => void) | undefined;
}

/** Between calls that fail: doubling from the first to the last, milliseconds. */
const PAUSE_MS = { first: 250, last: 30_000 } as const;

/**
 * Runs until its signal aborts, then finishes what it has and returns. Rejects, as finished, where
 * the queue cannot be worked off: it does not exist, is a push queue, or the caller may not.
 *
 * A task is handled at least once. It never leases more tasks than it has handlers free, and renews
 * them all with one call; when a lease may have run out by this machine's clock, the handler's signal
 * aborts and nothing is acknowledged.
 *
 * @example
 * const stop = new AbortController();
 * await queue.add(new Task({ method: "PULL", payload: "hello" }));
 * await pullWorker({
 *   queue,
 *   concurrency: 5,
 *   signal: stop.signal,
 *   handler: async (task) => {
 *     console.log(task.text());
 *     stop.abort();
 *   },
 * });
 */
export function pullWorker(options: PullWorkerOptions): Promise<void> {
  return new PullWorker(options).run();
}

class PullWorker {
  readonly #options: PullWorkerOptions;
  readonly #queue: Queue;
  readonly #concurrency: number;
  readonly #leaseSeconds: number;
  readonly #waitSeconds: number;
  readonly #report: (error: unknown, task?: Task) => void;
  readonly #keeper: LeaseKeeper;
  readonly #acknowledgements: AcknowledgeLine;
  readonly #running = new Set<Promise<void>>();
  /** Ends the wait for a free place. */
  #wake: () => void = () => {};

  constructor(options: PullWorkerOptions) {
    const { queue, concurrency = 10, leaseSeconds = 60, waitSeconds = 30 } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_TASKS_PER_LEASE) {
      throw new InvalidMaxTasksError(`concurrency must be 1 to ${MAX_TASKS_PER_LEASE}.`);
    }
    if (!(leaseSeconds > 0) || leaseSeconds > MAX_LEASE_SECONDS) {
      throw new InvalidLeaseTimeError(`leaseSeconds must be above 0, up to ${MAX_LEASE_SECONDS}.`);
    }
    if (!(waitSeconds >= 0)) throw new TypeError("waitSeconds must be 0 or more seconds.");
    this.#options = options;
    this.#queue = queue;
    this.#concurrency = concurrency;
    this.#leaseSeconds = leaseSeconds;
    this.#waitSeconds = Math.min(waitSeconds, MAX_WAIT_SECONDS);
    this.#report = reporter(options.onError);
    this.#keeper = new LeaseKeeper(queue, leaseSeconds, this.#report);
    this.#acknowledgements = new AcknowledgeLine(queue, this.#report);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const wake = () => this.#wake();
    signal?.addEventListener("abort", wake);
    let failures = 0;
    try {
      while (signal?.aborted !== true) {
        if (this.#running.size >= this.#concurrency) {
          await this.#freePlace();
          continue;
        }
        const isFine = await this.#leaseSome();
        failures = isFine ? 0 : failures + 1;
        if (failures > 0) await this.#pause(failures);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      await Promise.all(this.#running);
    }
  }

  /** Waits for a handler to end, or for the end of the work. */
  #freePlace(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Leases and starts tasks. False: it went wrong in a way that may pass. */
  async #leaseSome(): Promise<boolean> {
    const { connection, name } = this.#queue;
    const { tag, signal } = this.#options;
    const { uptime } = connection.platform;
    const sentMs = uptime();
    try {
      const leased = await leaseTasks(connection, name, {
        leaseSeconds: this.#leaseSeconds,
        maxTasks: this.#concurrency - this.#running.size,
        wait: this.#waitSeconds,
        signal,
        ...(tag === undefined ? {} : { groupByTag: true, tag }),
      });
      const nowMs = uptime();
      for (const task of leased.tasks) {
        this.#start(this.#keeper.hold(task, expiryOf(task, leased, sentMs, nowMs)));
      }
      // No task, and no wait either: the server answers so where it can't say what went wrong.
      const hasWaited = this.#waitSeconds > 0 && nowMs - sentMs >= this.#waitSeconds * 500;
      return leased.tasks.length > 0 || hasWaited;
    } catch (error) {
      if (signal?.aborted) return true;
      if (!mayPass(error)) throw error;
      this.#report(error);
      return false;
    }
  }

  async #pause(failures: number): Promise<void> {
    const { random, sleep } = this.#queue.connection.platform;
    const most = Math.min(PAUSE_MS.last, PAUSE_MS.first * 2 ** (failures - 1));
    await sleep(most * (0.5 + random() / 2), this.#options.signal);
  }

  #start(held: Held): void {
    const running = this.#handle(held).finally(() => {
      this.#running.delete(running);
      this.#wake();
    });
    this.#running.add(running);
  }

  /** Runs the handler and settles the task. Never rejects. */
  async #handle(held: Held): Promise<void> {
    const { task, lost } = held;
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#options.handler(task, { signal: lost.signal });
    } catch (error) {
      failure = { error };
      this.#report(error, task);
    }
    await this.#keeper.release(held);
    if (lost.signal.aborted) return;
    if (failure === undefined) await this.#acknowledgements.add(task);
    else await this.#giveBack(task);
  }

  /** Has a task wait before it is leased again. Where that fails its lease runs out by itself. */
  async #giveBack(task: Task): Promise<void> {
    const { connection, name } = this.#queue;
    const { firstSeconds = 1, maxSeconds = 3600 } = this.#options.backoff ?? {};
    const doubled = firstSeconds * 2 ** Math.min(Math.max(0, task.retryCount - 1), 40);
    const seconds = Math.min(doubled, maxSeconds, MAX_LEASE_SECONDS);
    const jittered = seconds * (0.5 + connection.platform.random() / 2);
    try {
      const [error] = await modifyLeases(connection, name, [task], jittered, {});
      if (error !== undefined) throw error;
    } catch (error) {
      this.#report(error, task);
    }
  }
}

/**
 * When a lease ends by this machine's uptime, at the earliest. The server tells what the lease had
 * left when it answered, and how long it took to answer; the rest of the time since the call was sent
 * went by on the way, and all of it counts as the way back.
 */
function expiryOf(task: Task, leased: Leased, sentMs: number, nowMs: number): number {
  const { requestTimeUs, answerTimeUs } = leased;
  if (requestTimeUs === undefined || answerTimeUs === undefined) return sentMs;
  const onTheWayMs = Math.max(0, nowMs - sentMs - (answerTimeUs - requestTimeUs) / 1000);
  return nowMs - onTheWayMs + (task[STATE].etaUs - answerTimeUs) / 1000;
}

function mayPass(error: unknown): boolean {
  return (
    // What the caller's own token source throws.
    !(error instanceof TaskQueueError) ||
    error instanceof TransientError ||
    error instanceof DeadlineExceededError ||
    error instanceof InternalError ||
    error instanceof QueuePausedError
  );
}
