/**
 * The figures of a queue that no table tells cheaply: how many tasks there are, how many attempts ended
 * and how many leases were given lately.
 *
 * They are counted in memory as tasks come and go, which costs no row. Across the object's lives:
 *  - A queue whose figures nobody asked for in the last hour keeps nothing.
 *  - Otherwise the recent counts are written when the queue has come to rest, and once a minute while
 *    it does not: one row. A crash loses what came after.
 *  - The number of tasks is written with them, but only at rest and where counting anew would take long.
 *    The first task that comes or goes after that writes it off again (one more row), so what is read is
 *    always exact. Where it is not known (fewer tasks, or a crash in full run) they are counted, once in
 *    a life, when somebody asks.
 * Tasks that were purged count no more from the purge on; expired ones until they are swept.
 */
import type { CountedBuckets } from "../core/sliding-count.ts";
import { SlidingCount } from "../core/sliding-count.ts";
import type { Store } from "./store.ts";

/** From here on the number of tasks is kept: counting fewer takes a few milliseconds. */
export const LARGE = 20_000;
/** A queue without change for this long is at rest; it stays in memory longer than that anyway. */
const REST_US = 2e6;
/** How often the figures of a queue that does not rest are written. */
const KEEP_EVERY_US = 60e6;
/** For how long after they were asked for the figures are kept. */
const WATCHED_US = 3600e6;

const SECOND_US = 1e6;

/** What is kept of the recent counts. */
interface KeptCounts {
  readonly executed: CountedBuckets;
  /** Absent in what an earlier version kept. */
  readonly executedHour?: CountedBuckets;
  readonly leased: CountedBuckets;
  readonly leasedHour: CountedBuckets;
}

/** What is counted, at the moment it is asked for. */
interface Figures {
  readonly tasks: number;
  readonly executed: number;
  readonly executedHour: number;
  readonly leased: number;
  readonly leasedHour: number;
}

export class Tally {
  readonly #store: Store;
  /** Tasks created since the last purge; null: not known. */
  #count: number | null;
  #purgeTimeUs: number;
  /** Whether the table says how many there are. */
  #isCountKept: boolean;
  readonly #executed: SlidingCount;
  readonly #executedHour: SlidingCount;
  readonly #leased: SlidingCount;
  readonly #leasedHour: SlidingCount;
  #askedUs: number;
  /** When they were last written in this life, or it began. */
  #keptUs: number;
  /** When something changed that is not kept; null: all is. */
  #changedUs: number | null = null;

  constructor(store: Store, purgeTimeUs: number, nowUs: number) {
    this.#store = store;
    this.#keptUs = nowUs;
    this.#purgeTimeUs = purgeTimeUs;
    const row = store.readTally();
    const kept = row === undefined ? undefined : (JSON.parse(row.counts) as KeptCounts);
    this.#count = row?.tasks ?? null;
    this.#isCountKept = this.#count !== null;
    this.#askedUs = row?.asked ?? Number.NEGATIVE_INFINITY;
    this.#executed = new SlidingCount(60, SECOND_US, kept?.executed);
    this.#executedHour = new SlidingCount(360, 10 * SECOND_US, kept?.executedHour);
    this.#leased = new SlidingCount(60, SECOND_US, kept?.leased);
    this.#leasedHour = new SlidingCount(360, 10 * SECOND_US, kept?.leasedHour);
  }

  /** The queue is new, and so empty. */
  start(): void {
    this.#count = 0;
  }

  added(nowUs: number): void {
    this.#change(1, nowUs);
  }

  /** A task created at `sequence` is gone. */
  removed(sequence: number, nowUs: number): void {
    if (sequence >= this.#purgeTimeUs) this.#change(-1, nowUs);
  }

  /** None is left of the tasks created before. */
  purged(purgeTimeUs: number, nowUs: number): void {
    this.#change(0, nowUs);
    this.#count = 0;
    this.#purgeTimeUs = purgeTimeUs;
  }

  /** An attempt of a pushed task ended. */
  executed(nowUs: number): void {
    this.#executed.add(1, nowUs);
    this.#executedHour.add(1, nowUs);
    this.#changedUs = nowUs;
  }

  leased(count: number, nowUs: number): void {
    this.#leased.add(count, nowUs);
    this.#leasedHour.add(count, nowUs);
    this.#changedUs = nowUs;
  }

  /** The figures, for somebody who asks. */
  ask(nowUs: number): Figures {
    this.#askedUs = nowUs;
    if (this.#count === null) {
      this.#count = this.#store.countTasks(this.#purgeTimeUs);
      this.#changedUs ??= nowUs;
    }
    return {
      tasks: this.#count,
      executed: this.#executed.total(nowUs),
      executedHour: this.#executedHour.total(nowUs),
      leased: this.#leased.total(nowUs),
      leasedHour: this.#leasedHour.total(nowUs),
    };
  }

  /** When there is something to write; Infinity when there is not. */
  get keepAtUs(): number {
    if (this.#changedUs === null || this.#changedUs - this.#askedUs > WATCHED_US) {
      return Number.POSITIVE_INFINITY;
    }
    return Math.min(this.#changedUs + REST_US, this.#keptUs + KEEP_EVERY_US);
  }

  /** Writes the figures when it is time. */
  keep(nowUs: number): void {
    if (this.#changedUs === null || this.keepAtUs > nowUs) return;
    const isAtRest = nowUs - this.#changedUs >= REST_US;
    const tasks = isAtRest && (this.#count ?? 0) >= LARGE ? this.#count : null;
    const counts: KeptCounts = {
      executed: this.#executed.counted(nowUs),
      executedHour: this.#executedHour.counted(nowUs),
      leased: this.#leased.counted(nowUs),
      leasedHour: this.#leasedHour.counted(nowUs),
    };
    this.#changedUs = null;
    this.#keptUs = nowUs;
    const isWorthIt =
      tasks !== null || this.#isCountKept || Object.values(counts).some((list) => list.length > 0);
    if (!isWorthIt) return;
    this.#store.writeTally({ tasks, counts: JSON.stringify(counts), asked: this.#askedUs });
    this.#isCountKept = tasks !== null;
  }

  #change(by: number, nowUs: number): void {
    if (this.#count !== null) {
      this.#count += by;
      this.#changedUs = nowUs;
    }
    if (!this.#isCountKept) return;
    this.#store.forgetTally();
    this.#isCountKept = false;
  }
}
