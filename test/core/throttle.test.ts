/** System throttling: what slows a queue down, how far, and how it recovers (push.md §3). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AttemptEnd } from "../../src/core/attempt.ts";
import { isSlowingEnd, slowDown, throttleFactor, UNTHROTTLED } from "../../src/core/throttle.ts";

const SECOND_US = 1e6;
const START_US = 1_790_000_000 * SECOND_US;

describe("which ends slow the queue down", () => {
  const response = (status: number): AttemptEnd => ({ kind: "response", status });
  it.each<{ end: AttemptEnd; http: boolean; appEngine: boolean }>([
    { end: response(200), http: false, appEngine: false },
    { end: response(404), http: false, appEngine: false },
    { end: response(429), http: true, appEngine: false },
    { end: response(500), http: false, appEngine: false },
    { end: response(503), http: true, appEngine: true },
    { end: { kind: "timeout" }, http: false, appEngine: false },
    { end: { kind: "unreachable", message: "refused" }, http: false, appEngine: false },
    { end: { kind: "lost" }, http: false, appEngine: false },
  ])("$end: http $http, appEngine $appEngine", ({ end, http, appEngine }) => {
    expect(isSlowingEnd(end, "http")).toBe(http);
    expect(isSlowingEnd(end, "appEngine")).toBe(appEngine);
  });
});

describe("the share of the rate in force", () => {
  it("halves with a slowing answer and doubles in 5 s without one", () => {
    const slowed = slowDown(UNTHROTTLED, START_US);
    const shares = [0, 1, 3, 5, 60].map((s) => throttleFactor(slowed, START_US + s * SECOND_US));
    expect(shares.map((share) => Number(share.toFixed(3)))).toEqual([0.5, 0.574, 0.758, 1, 1]);
  });

  it("takes answers that come within a second as one signal", () => {
    const slowed = slowDown(UNTHROTTLED, START_US);
    expect(slowDown(slowed, START_US + 999_999)).toEqual(slowed);
    expect(slowDown(slowed, START_US + SECOND_US).factor).toBeCloseTo(0.287, 3);
  });

  it("sinks to 1/64 and no further, and is whole again half a minute later", () => {
    let throttle = UNTHROTTLED;
    for (let second = 0; second < 100; second++) {
      throttle = slowDown(throttle, START_US + second * SECOND_US);
    }
    expect(throttle.factor).toBe(1 / 64);
    expect(throttleFactor(throttle, throttle.asOfUs + 30 * SECOND_US)).toBe(1);
  });

  it("is always above nothing and never above the whole, also on a clock that steps back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -10 * SECOND_US, max: 20 * SECOND_US }), { maxLength: 40 }),
        (steps) => {
          let throttle = UNTHROTTLED;
          let nowUs = START_US;
          for (const step of steps) {
            nowUs += step;
            throttle = slowDown(throttle, nowUs);
            expect(throttleFactor(throttle, nowUs)).toBeGreaterThanOrEqual(1 / 64);
            expect(throttleFactor(throttle, nowUs)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });
});
