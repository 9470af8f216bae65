import { describe, expect, it } from "vitest";
import { SlidingCount } from "../../src/core/sliding-count.ts";

const SECOND = 1e6;
const NOW = 1_790_000_000 * SECOND;

describe("a sliding count", () => {
  it("counts what happened within its span, to the length of a bucket", () => {
    const count = new SlidingCount(60, SECOND);
    count.add(2, NOW);
    count.add(3, NOW + 30 * SECOND);
    count.add(0, NOW + 31 * SECOND);
    expect(count.total(NOW + 59 * SECOND)).toBe(5);
    expect(count.total(NOW + 60 * SECOND)).toBe(3);
    expect(count.total(NOW + 89 * SECOND)).toBe(3);
    expect(count.total(NOW + 90 * SECOND)).toBe(0);
  });

  it("keeps one bucket for what happens together, and none for nothing", () => {
    const count = new SlidingCount(60, SECOND);
    for (let index = 0; index < 100; index++) count.add(1, NOW + index);
    count.add(0, NOW + SECOND);
    expect(count.counted(NOW)).toEqual([[1_790_000_000, 100]]);
  });

  it("goes on from what an earlier one counted", () => {
    const first = new SlidingCount(60, SECOND);
    first.add(4, NOW);
    const second = new SlidingCount(60, SECOND, first.counted(NOW));
    second.add(1, NOW);
    expect([second.total(NOW), first.total(NOW)]).toEqual([5, 4]);
  });

  it("forgets what lies ahead after the clock stepped back", () => {
    const count = new SlidingCount(60, SECOND);
    count.add(4, NOW + 10 * SECOND);
    count.add(1, NOW);
    expect(count.total(NOW)).toBe(1);
  });
});
