/**
 * How fast a queue may dispatch: its token bucket, slowed by the throttle, kept across restarts at as
 * few rows as `keepingOf` allows. What is kept never holds more tokens than there were.
 */
import type { RateLimits } from "../core/model.ts";
import type { Throttle } from "../core/throttle.ts";
import { slowDown, throttleFactor, UNTHROTTLED } from "../core/throttle.ts";
import type { BucketRate, TokenBucket } from "../core/token-bucket.ts";
import {
  available,
  fullBucket,
  KEEP_AHEAD_US,
  keepingOf,
  nextTokenUs,
  refill,
  take,
} from "../core/token-bucket.ts";
import type { Store } from "./store.ts";

/**
 * Once the bucket is empty, tokens gather for this long before they are granted: claims share a row,
 * so a few together cost less than one by one, and nobody notices 20 ms behind a rate limit.
 */
const GATHER_US = 20e3;

export class Pace {
  readonly #store: Store;
  #limits: RateLimits | null;
  #bucket: TokenBucket;
  #throttle: Throttle;
  #heldUntilUs = 0;
  /** Until when the bucket kept in the table is empty anyway. */
  #keptEmptyUntilUs = 0;

  constructor(store: Store, limits: RateLimits | null, nowUs: number) {
    this.#store = store;
    this.#limits = limits;
    const kept = store.readPace();
    this.#throttle = kept?.throttle ?? UNTHROTTLED;
    this.#bucket = { tokens: 0, asOfUs: nowUs };
    if (limits === null) return;
    if (this.#keeping() === "none") return;
    const rate = this.#rate(nowUs);
    this.#bucket = refill(kept?.bucket ?? fullBucket(rate, nowUs), rate, nowUs);
  }

  /** A new queue starts with a full bucket. */
  start(limits: RateLimits, nowUs: number): void {
    this.#limits = limits;
    this.#bucket = fullBucket(this.#rate(nowUs), nowUs);
  }

  /** New limits: what is in the bucket stays, up to its new size. */
  change(limits: RateLimits, nowUs: number): void {
    this.#bucket = refill(this.#bucket, this.#rate(nowUs), nowUs);
    this.#limits = limits;
    this.#heldUntilUs = 0;
    this.#bucket = refill(this.#bucket, this.#rate(nowUs), nowUs);
    this.#keptEmptyUntilUs = 0;
    this.#store.writePace(this.#bucket, this.#throttle);
  }

  /** How many attempts may start now. */
  grantable(nowUs: number): number {
    this.#bucket = refill(this.#bucket, this.#rate(nowUs), nowUs);
    if (nowUs < this.#heldUntilUs && this.#heldUntilUs - nowUs <= GATHER_US) return 0;
    return available(this.#bucket, nowUs);
  }

  /** Takes tokens for attempts that start now. */
  take(count: number, nowUs: number): void {
    if (count === 0) return;
    this.#bucket = take(this.#bucket, count);
    if (available(this.#bucket, nowUs) === 0) this.#heldUntilUs = nowUs + GATHER_US;
    this.#keep(nowUs);
  }

  /** When attempts may start again. */
  nextGrantUs(nowUs: number): number {
    const next = nextTokenUs(this.#bucket, this.#rate(nowUs));
    return Math.max(next, Math.min(this.#heldUntilUs, nowUs + GATHER_US));
  }

  /** Attempts a second that may start, throttling included. */
  effectiveRate(nowUs: number): number {
    return this.#rate(nowUs).perSecond;
  }

  /** An answer asked for less: lowers the rate in force. */
  slowDown(nowUs: number): void {
    const slower = slowDown(this.#throttle, nowUs);
    if (slower === this.#throttle) return;
    this.#throttle = slower;
    this.#bucket = refill(this.#bucket, this.#rate(nowUs), nowUs);
    this.#keptEmptyUntilUs = 0;
    if (this.#keeping() === "none") this.#store.writePace(this.#bucket, this.#throttle);
    else this.#keep(nowUs);
  }

  /** By the rate that is set, not the one in force: what is kept must be read as it was written. */
  #keeping(): ReturnType<typeof keepingOf> {
    const limits = this.#limits;
    if (limits === null) return "none";
    return keepingOf({ perSecond: limits.maxDispatchesPerSecond, burst: limits.maxBurstSize });
  }

  #rate(nowUs: number): BucketRate {
    const limits = this.#limits;
    if (limits === null) return { perSecond: 0, burst: 0 };
    const factor = throttleFactor(this.#throttle, nowUs);
    return {
      perSecond: limits.maxDispatchesPerSecond * factor,
      burst: Math.max(1, limits.maxBurstSize * factor),
    };
  }

  #keep(nowUs: number): void {
    switch (this.#keeping()) {
      case "none":
        return;
      case "exact":
        this.#store.writePace(this.#bucket, this.#throttle);
        return;
      case "ahead":
        if (nowUs < this.#keptEmptyUntilUs) return;
        this.#keptEmptyUntilUs = nowUs + KEEP_AHEAD_US;
        this.#store.writePace({ tokens: 0, asOfUs: this.#keptEmptyUntilUs }, this.#throttle);
    }
  }
}
