/** The token bucket of a queue (push.md §5): a value that is refilled and taken from, returning a value. */

/** Tokens in the bucket at a moment. A moment in the future means: none to be had before it. */
export interface TokenBucket {
  readonly tokens: number;
  readonly asOfUs: number;
}

/** Tokens per second and the most the bucket holds. */
export interface BucketRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A bucket filled to the brim. */
export function fullBucket(rate: BucketRate, nowUs: number): TokenBucket {
  return { tokens: rate.burst, asOfUs: nowUs };
}

/** How far ahead of the clock a kept bucket may lie ("ahead" in keepingOf). */
export const KEEP_AHEAD_US = 1e6;

/**
 * The bucket as it stands now. A bucket that lies further ahead than one is ever kept means that the
 * clock stepped back: it starts over from now, with what it had.
 */
export function refill(bucket: TokenBucket, rate: BucketRate, nowUs: number): TokenBucket {
  if (nowUs < bucket.asOfUs) {
    const hasSteppedBack = bucket.asOfUs - nowUs > KEEP_AHEAD_US;
    return {
      tokens: Math.min(rate.burst, bucket.tokens),
      asOfUs: hasSteppedBack ? nowUs : bucket.asOfUs,
    };
  }
  const gained = ((nowUs - bucket.asOfUs) / 1e6) * rate.perSecond;
  return { tokens: Math.min(rate.burst, bucket.tokens + gained), asOfUs: nowUs };
}

/** Whole tokens that can be taken at `nowUs`; the bucket must be refilled to that moment. */
export function available(bucket: TokenBucket, nowUs: number): number {
  return bucket.asOfUs > nowUs ? 0 : Math.floor(bucket.tokens + 1e-9);
}

/** The bucket without `count` tokens. */
export function take(bucket: TokenBucket, count: number): TokenBucket {
  return { tokens: Math.max(0, bucket.tokens - count), asOfUs: bucket.asOfUs };
}

/** When the next whole token is there, in microseconds since the epoch; Infinity at rate 0. */
export function nextTokenUs(bucket: TokenBucket, rate: BucketRate): number {
  const missing = 1 - bucket.tokens;
  if (missing <= 0) return bucket.asOfUs;
  if (rate.perSecond <= 0) return Number.POSITIVE_INFINITY;
  return bucket.asOfUs + Math.ceil((missing / rate.perSecond) * 1e6);
}

/**
 * What to keep of a bucket so that a restart never finds more tokens than there were, at few rows:
 * "exact" after every take where tokens come slowly; "ahead" at most once a second, as an empty
 * bucket one second on, where they come faster; "none" where a full refill takes a quarter of a
 * second or less, since starting empty then costs next to nothing.
 */
export function keepingOf(rate: BucketRate): "exact" | "ahead" | "none" {
  if (rate.perSecond <= 10) return "exact";
  return rate.burst / rate.perSecond > 0.25 ? "ahead" : "none";
}
