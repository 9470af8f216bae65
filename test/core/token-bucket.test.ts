/** The token bucket of a queue (push.md §5): a burst, then the rate, whatever the clock does. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  available,
  type BucketRate,
  fullBucket,
  keepingOf,
  nextTokenUs,
  refill,
  type TokenBucket,
  take,
} from "../../src/core/token-bucket.ts";

const SECOND_US = 1e6;
const START_US = 1_790_000_000 * SECOND_US;

/** Takes all there is, up to `wanted`. */
function dispatch(
  bucket: TokenBucket,
  rate: BucketRate,
  nowUs: number,
  wanted: number,
): { readonly bucket: TokenBucket; readonly taken: number } {
  const full = refill(bucket, rate, nowUs);
  const taken = Math.min(wanted, available(full, nowUs));
  return { bucket: take(full, taken), taken };
}

describe("a queue of 5 a second with a burst of 10, always busy", () => {
  it("dispatches the burst at once and then one each 200 ms", () => {
    const rate = { perSecond: 5, burst: 10 };
    let bucket = fullBucket(rate, START_US);
    const taken = [0, 100, 200, 300, 400, 600, 1600, 1700, 9999].map((ms) => {
      const turn = dispatch(bucket, rate, START_US + ms * 1000, 100);
      bucket = turn.bucket;
      return [ms, turn.taken];
    });
    expect(taken).toEqual([
      [0, 10],
      [100, 0],
      [200, 1],
      [300, 0],
      [400, 1],
      [600, 1],
      [1600, 5],
      [1700, 0],
      [9999, 10],
    ]);
  });
});

describe("the next token", () => {
  it.each([
    { perSecond: 1, tokens: 0, inUs: 1_000_000 },
    { perSecond: 1, tokens: 0.25, inUs: 750_000 },
    { perSecond: 500, tokens: 0, inUs: 2000 },
    { perSecond: 3, tokens: 0, inUs: 333_334 },
    { perSecond: 0.01, tokens: 0, inUs: 100_000_000 },
    { perSecond: 5, tokens: 1, inUs: 0 },
    { perSecond: 5, tokens: 7.5, inUs: 0 },
  ])("$perSecond/s, $tokens tokens left: in $inUs µs", ({ perSecond, tokens, inUs }) => {
    const bucket = { tokens, asOfUs: START_US };
    expect(nextTokenUs(bucket, { perSecond, burst: 10 })).toBe(START_US + inUs);
  });

  it("never comes at rate 0", () => {
    const rate = { perSecond: 0, burst: 10 };
    expect(nextTokenUs({ tokens: 0, asOfUs: START_US }, rate)).toBe(Number.POSITIVE_INFINITY);
    expect(nextTokenUs({ tokens: 3, asOfUs: START_US }, rate)).toBe(START_US);
  });
});

describe("a clock that steps back", () => {
  const rate = { perSecond: 10, burst: 5 };
  const empty = take(fullBucket(rate, START_US), 5);
  const tokensAt = (bucket: TokenBucket, nowUs: number) =>
    available(refill(bucket, rate, nowUs), nowUs);

  it("by less than a second gives no tokens until it is back", () => {
    const backUs = START_US - 0.9 * SECOND_US;
    const back = refill(empty, rate, backUs);
    expect(available(back, backUs)).toBe(0);
    expect(tokensAt(back, START_US)).toBe(0);
    expect(tokensAt(back, START_US + 100_000)).toBe(1);
  });

  it("by more goes on from there with what was left, so the queue does not stand still for so long", () => {
    const backUs = START_US - 3600 * SECOND_US;
    const back = refill(empty, rate, backUs);
    expect(available(back, backUs)).toBe(0);
    expect(tokensAt(back, backUs + 100_000)).toBe(1);
    const rest = refill(take(fullBucket(rate, START_US), 3), rate, backUs);
    expect(available(rest, backUs)).toBe(2);
  });
});

describe("properties", () => {
  const anyRate = fc.record({
    perSecond: fc.oneof(
      fc.integer({ min: 1, max: 5000 }),
      fc.double({ min: 0.001, max: 500, noNaN: true }),
    ),
    burst: fc.integer({ min: 1, max: 500 }),
  });
  /** Steps of time, also back, each with the tasks that are waiting then. */
  const anyTurns = fc.array(
    fc.record({
      stepUs: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 0, max: 3 * SECOND_US }) },
        { weight: 1, arbitrary: fc.integer({ min: -2 * SECOND_US, max: -1 }) },
      ),
      wanted: fc.integer({ min: 0, max: 600 }),
    }),
    { minLength: 1, maxLength: 60 },
  );

  it("never holds more than the burst nor less than nothing", () => {
    fc.assert(
      fc.property(anyRate, anyTurns, (rate, turns) => {
        let bucket = fullBucket(rate, START_US);
        let nowUs = START_US;
        for (const { stepUs, wanted } of turns) {
          nowUs += stepUs;
          bucket = dispatch(bucket, rate, nowUs, wanted).bucket;
          expect(bucket.tokens).toBeGreaterThanOrEqual(0);
          expect(refill(bucket, rate, nowUs).tokens).toBeLessThanOrEqual(rate.burst);
        }
      }),
    );
  });

  it("never dispatches more than burst + rate × time in any window of a rising clock", () => {
    fc.assert(
      fc.property(anyRate, anyTurns, (rate, turns) => {
        let bucket = fullBucket(rate, START_US);
        let nowUs = START_US;
        const done: { readonly atUs: number; readonly taken: number }[] = [];
        for (const { stepUs, wanted } of turns) {
          nowUs += Math.abs(stepUs);
          const turn = dispatch(bucket, rate, nowUs, wanted);
          bucket = turn.bucket;
          done.push({ atUs: nowUs, taken: turn.taken });
        }
        for (const [first, { atUs: fromUs }] of done.entries()) {
          let sum = 0;
          for (const { atUs, taken } of done.slice(first)) {
            sum += taken;
            const allowed = rate.burst + (rate.perSecond * (atUs - fromUs)) / SECOND_US;
            expect(sum).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
    );
  });

  it("gives no token twice over a clock that steps back: only time that passed counts", () => {
    fc.assert(
      fc.property(anyRate, anyTurns, (rate, turns) => {
        let bucket = fullBucket(rate, START_US);
        let nowUs = START_US;
        let passedUs = 0;
        let sum = 0;
        for (const { stepUs, wanted } of turns) {
          nowUs += stepUs;
          passedUs += Math.max(0, stepUs);
          const turn = dispatch(bucket, rate, nowUs, wanted);
          bucket = turn.bucket;
          sum += turn.taken;
        }
        const allowed = rate.burst + (rate.perSecond * passedUs) / SECOND_US;
        expect(sum).toBeLessThanOrEqual(allowed + 1e-6);
      }),
    );
  });

  it("has a token at the moment it names as the next, and none a millisecond before", () => {
    fc.assert(
      fc.property(anyRate, fc.double({ min: 0, max: 0.999, noNaN: true }), (rate, tokens) => {
        const bucket = { tokens, asOfUs: START_US };
        const nextUs = nextTokenUs(bucket, rate);
        expect(available(refill(bucket, rate, nextUs), nextUs)).toBeGreaterThanOrEqual(1);
        const beforeUs = nextUs - 1000;
        if (beforeUs >= START_US) {
          expect(available(refill(bucket, rate, beforeUs), beforeUs)).toBe(0);
        }
      }),
    );
  });
});

describe("what is kept of a bucket", () => {
  it.each([
    { perSecond: 0.1, burst: 10, kept: "exact" },
    { perSecond: 10, burst: 10, kept: "exact" },
    { perSecond: 11, burst: 10, kept: "ahead" },
    { perSecond: 300, burst: 100, kept: "ahead" },
    { perSecond: 400, burst: 100, kept: "none" },
    { perSecond: 500, burst: 100, kept: "none" },
  ] as const)("$perSecond/s, burst $burst: $kept", ({ kept, ...rate }) => {
    expect(keepingOf(rate)).toBe(kept);
  });

  it("takes no more than a quarter of a second to fill again where nothing is kept", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 500 }), (r, b) => {
        const rate = { perSecond: r, burst: b };
        fc.pre(keepingOf(rate) === "none");
        const empty = { tokens: 0, asOfUs: START_US };
        expect(refill(empty, rate, START_US + 250_000).tokens).toBeCloseTo(b, 6);
      }),
    );
  });
});
