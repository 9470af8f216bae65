/** The retry schedules that the contract prints, and the properties between its lines (push.md §4). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RetryConfig } from "../../src/core/model.ts";
import { backoffUs, isExhausted } from "../../src/core/retry-policy.ts";

const SECOND_US = 1e6;

interface Backoff {
  readonly min: number;
  readonly max: number;
  readonly doublings: number;
}

/** A retry config of the given backoff in seconds; no limit of attempts or age unless given. */
function config(backoff: Partial<Backoff> = {}, limits: Partial<RetryConfig> = {}): RetryConfig {
  return {
    maxAttempts: -1,
    maxRetryDurationUs: 0,
    minBackoffUs: Math.round((backoff.min ?? 0.1) * SECOND_US),
    maxBackoffUs: Math.round((backoff.max ?? 3600) * SECOND_US),
    maxDoublings: backoff.doublings ?? 16,
    ...limits,
  };
}

/** The delays before retries 1, 2, …, in seconds. */
function schedule(retries: number, retryConfig: RetryConfig): number[] {
  return Array.from({ length: retries }, (_, i) => backoffUs(i + 1, retryConfig) / SECOND_US);
}

describe("the delay before each retry, in seconds", () => {
  const schedules: readonly (Backoff & { readonly delays: readonly number[] })[] = [
    // Documented: doubles three times, then grows by the last step, then is capped.
    { min: 10, max: 300, doublings: 3, delays: [10, 20, 40, 80, 160, 240, 300, 300, 300] },
    // Documented: without doublings the growth is linear from the start.
    {
      min: 10,
      max: 200,
      doublings: 0,
      delays: [
        10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200,
        200,
      ],
    },
    { min: 10, max: 200, doublings: 3, delays: [10, 20, 40, 80, 160, 200, 200] },
    // The defaults.
    {
      min: 0.1,
      max: 3600,
      doublings: 16,
      delays: [
        0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6, 819.2, 1638.4,
        3276.8, 3600, 3600, 3600,
      ],
    },
    { min: 1, max: 10, doublings: 5, delays: [1, 2, 4, 8, 10, 10] },
    {
      min: 2,
      max: 60,
      doublings: 1,
      delays: [2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 60],
    },
    // One delay for all retries.
    { min: 5, max: 5, doublings: 16, delays: [5, 5, 5, 5] },
    // No delay at all.
    { min: 0, max: 0, doublings: 16, delays: [0, 0, 0] },
  ];

  it.each(schedules)("min $min, max $max, $doublings doublings", ({ delays, ...backoff }) => {
    expect(schedule(delays.length, config(backoff))).toEqual(delays);
  });

  it("stays a number far beyond the exponents that doubles hold", () => {
    const doublings = 2 ** 31 - 1;
    expect(backoffUs(5000, config({ min: 0, max: 60, doublings }))).toBe(0);
    expect(backoffUs(5000, config({ min: 0.1, max: 60, doublings }))).toBe(60 * SECOND_US);
  });
});

describe("properties of the delay", () => {
  const anyConfig = fc
    .record({
      a: fc.integer({ min: 0, max: 3600 * SECOND_US }),
      b: fc.integer({ min: 0, max: 3600 * SECOND_US }),
      doublings: fc.oneof(
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      ),
    })
    .map(({ a, b, doublings }) =>
      config(
        {},
        { minBackoffUs: Math.min(a, b), maxBackoffUs: Math.max(a, b), maxDoublings: doublings },
      ),
    );
  const anyRetry = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1e6 }));

  it("is never below the minimum nor above the maximum", () => {
    fc.assert(
      fc.property(anyConfig, anyRetry, (retryConfig, retry) => {
        const delay = backoffUs(retry, retryConfig);
        expect(delay).toBeGreaterThanOrEqual(retryConfig.minBackoffUs);
        expect(delay).toBeLessThanOrEqual(retryConfig.maxBackoffUs);
      }),
    );
  });

  it("never shrinks from one retry to the next", () => {
    fc.assert(
      fc.property(anyConfig, anyRetry, (retryConfig, retry) => {
        expect(backoffUs(retry + 1, retryConfig)).toBeGreaterThanOrEqual(
          backoffUs(retry, retryConfig),
        );
      }),
    );
  });

  it("grows by one and the same step once the doublings are used up", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 16 }),
        fc.integer({ min: 1, max: 50 }),
        (minBackoffUs, maxDoublings, beyond) => {
          const retryConfig = config({}, { minBackoffUs, maxBackoffUs: 9e15, maxDoublings });
          const retry = maxDoublings + 1 + beyond;
          const step = backoffUs(retry + 1, retryConfig) - backoffUs(retry, retryConfig);
          expect(step).toBe(minBackoffUs * 2 ** maxDoublings);
        },
      ),
    );
  });

  it("is a whole number of microseconds", () => {
    fc.assert(
      fc.property(anyConfig, anyRetry, (retryConfig, retry) => {
        expect(Number.isSafeInteger(backoffUs(retry, retryConfig))).toBe(true);
      }),
    );
  });
});

describe("when a task is given up", () => {
  const table: readonly {
    readonly maxAttempts: number;
    readonly maxAge: number;
    readonly attempts: number;
    readonly age: number;
    readonly givenUp: boolean;
  }[] = [
    // Only attempts are limited: they count the first try.
    { maxAttempts: 3, maxAge: 0, attempts: 2, age: 9e9, givenUp: false },
    { maxAttempts: 3, maxAge: 0, attempts: 3, age: 0, givenUp: true },
    { maxAttempts: 1, maxAge: 0, attempts: 1, age: 0, givenUp: true },
    // Only the age is limited.
    { maxAttempts: -1, maxAge: 60, attempts: 1000, age: 60, givenUp: false },
    { maxAttempts: -1, maxAge: 60, attempts: 1, age: 60.000001, givenUp: true },
    // Both: both must be passed.
    { maxAttempts: 3, maxAge: 60, attempts: 3, age: 60, givenUp: false },
    { maxAttempts: 3, maxAge: 60, attempts: 2, age: 61, givenUp: false },
    { maxAttempts: 3, maxAge: 60, attempts: 3, age: 61, givenUp: true },
    { maxAttempts: 3, maxAge: 60, attempts: 40, age: 61, givenUp: true },
    // Neither: for ever.
    { maxAttempts: -1, maxAge: 0, attempts: 1e6, age: 9e9, givenUp: false },
  ];

  it.each(table)(
    "$maxAttempts attempts, $maxAge s: after $attempts attempts and $age s: $givenUp",
    ({ maxAttempts, maxAge, attempts, age, givenUp }) => {
      const limits = { maxAttempts, maxRetryDurationUs: maxAge * SECOND_US };
      expect(isExhausted(attempts, Math.round(age * SECOND_US), config({}, limits))).toBe(givenUp);
    },
  );

  it("is never taken back by one more attempt or by more time", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 20 }).filter((n) => n !== 0),
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 2e9 }),
        fc.nat(1e9),
        (maxAttempts, maxRetryDurationUs, attempts, age, later) => {
          const retryConfig = config({}, { maxAttempts, maxRetryDurationUs });
          fc.pre(isExhausted(attempts, age, retryConfig));
          expect(isExhausted(attempts + 1, age + later, retryConfig)).toBe(true);
        },
      ),
    );
  });
});
