/**
 * What a queue should be, told with plain maps and a generous reading of its promises: the model that
 * the engine is held against. It knows the tasks that were acknowledged and what became of each, the
 * leases that attempts hold, and how many tokens there can be at most.
 */
import type { AttemptOrder } from "../../src/core/attempt.ts";
import type { QueueSettings, QueueState } from "../../src/core/model.ts";

export type Fate = "live" | "finished" | "deleted" | "purged" | "exhausted" | "expired";

/** An attempt that holds its task. Its expiry is known to lie between two bounds, microseconds. */
export interface ModelLease {
  readonly attempt: number;
  /** When RunTask was called, for an attempt that it forced. */
  readonly forcedUs: number | null;
  /** The lane that runs it; null once the lane or the object's life that opened it is gone. */
  lane: number | null;
  untilAtLeastUs: number;
  untilAtMostUs: number;
  /** Whether the clock has stepped back since: a new life may meet it late then. */
  hasSteppedBack: boolean;
}

export interface ModelTask {
  readonly id: string;
  readonly named: boolean;
  readonly createTimeUs: number;
  scheduleTimeUs: number;
  fate: Fate;
  goneUs: number;
  /** Number of the last attempt. */
  attempts: number;
  /** Whether the last attempt's outcome may still come and count. */
  open: boolean;
  lease: ModelLease | null;
}

/** An attempt that was given out, for as long as the model remembers it for late reports. */
export interface GivenAttempt {
  readonly order: AttemptOrder;
  readonly task: ModelTask;
}

/**
 * Tokens by one reading of the rules: time that passes adds, a clock that steps back adds nothing.
 * The model keeps two: the most there can be, and the least.
 */
export class ModelBucket {
  #tokens: number;
  #asOfUs: number;
  #rate: number;
  #burst: number;

  constructor(settings: QueueSettings, nowUs: number) {
    this.#rate = settings.rateLimits.maxDispatchesPerSecond;
    this.#burst = settings.rateLimits.maxBurstSize;
    this.#tokens = this.#burst;
    this.#asOfUs = nowUs;
  }

  /** Tokens before the take; the take succeeds whatever there is. */
  take(nowUs: number): number {
    const before = this.tokens(nowUs);
    this.#tokens -= 1;
    return before;
  }

  /** The tokens at a moment; time counts from the moment before that was asked for. */
  tokens(nowUs: number): number {
    this.#refill(nowUs);
    return this.#tokens;
  }

  change(settings: QueueSettings, nowUs: number): void {
    this.#refill(nowUs);
    this.#rate = settings.rateLimits.maxDispatchesPerSecond;
    this.#burst = settings.rateLimits.maxBurstSize;
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** Nothing is in the bucket, and nothing comes into it before a moment. */
  emptyUntil(timeUs: number): void {
    this.#tokens = 0;
    this.#asOfUs = Math.max(this.#asOfUs, timeUs);
  }

  /** The clock stepped to another moment: no time has passed. */
  step(nowUs: number): void {
    this.#asOfUs = nowUs;
  }

  #refill(nowUs: number): void {
    if (nowUs <= this.#asOfUs) return;
    const gained = ((nowUs - this.#asOfUs) / 1e6) * this.#rate;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#asOfUs = nowUs;
  }
}

export class Model {
  readonly tasks = new Map<string, ModelTask>();
  /** What became of the last task of each name that is gone. */
  readonly buried = new Map<string, ModelTask>();
  /** The most tokens there can be. */
  readonly fullest: ModelBucket;
  /** The least there can be: slowed down or restarted, the queue may have had none for a while. */
  readonly emptiest: ModelBucket;
  settings: QueueSettings;
  state: QueueState = "RUNNING";

  constructor(settings: QueueSettings, nowUs: number) {
    this.settings = settings;
    this.fullest = new ModelBucket(settings, nowUs);
    this.emptiest = new ModelBucket(settings, nowUs);
  }

  live(): ModelTask[] {
    return [...this.tasks.values()].filter((task) => task.fate === "live");
  }

  /** All leases, those of tasks included that may have expired while an attempt ran. */
  leases(): ModelLease[] {
    return leasesOf([...this.tasks.values()]);
  }

  /** Leases that count against the cap by any reading of the rules. */
  surelyHeld(nowUs: number): ModelLease[] {
    return leasesOf(this.live()).filter((lease) => isHeld(lease, nowUs) && !lease.hasSteppedBack);
  }

  /** Leases that may count against the cap. */
  maybeHeld(nowUs: number): ModelLease[] {
    return this.leases().filter((lease) => lease.lane !== null || nowUs < lease.untilAtMostUs);
  }

  end(task: ModelTask, fate: Exclude<Fate, "live">, nowUs: number): void {
    task.fate = fate;
    task.goneUs = nowUs;
    task.open = false;
    // What runs of a task that expired goes on; every other end takes the lease away.
    if (fate !== "expired") task.lease = null;
    if (task.named) this.buried.set(task.id, task);
  }

  /**
   * Tasks that have lived too long are gone for readers. Whether a clock that steps back shows them
   * again is nobody's promise.
   */
  expire(nowUs: number): void {
    for (const task of this.live()) {
      if (task.createTimeUs < nowUs - this.settings.taskTtlUs) this.end(task, "expired", nowUs);
    }
  }
}

function leasesOf(tasks: readonly ModelTask[]): ModelLease[] {
  return tasks.flatMap(({ lease }) => (lease === null ? [] : [lease]));
}

/** A lane's lease is renewed for as long as the lane runs; another lasts until its expiry. */
export function isHeld(lease: ModelLease, nowUs: number): boolean {
  return lease.lane !== null || nowUs < lease.untilAtLeastUs;
}
