/** Waiting leases: the preference as it is read, and the turns of waiting and leasing. */
import { describe, expect, it, test } from "vitest";
import type { TaskRecord } from "../../src/core/model.ts";
import { encodeMeta } from "../../src/core/model.ts";
import { fail, ok, type Result } from "../../src/core/result.ts";
import {
  type LeaseRequest,
  leaseWithWait,
  readWait,
  waitApplied,
} from "../../src/protocol/waiting-lease.ts";
import type { PullService } from "../../src/queue/service.ts";
import { httpMeta } from "../support/factory.ts";

describe("the preference", () => {
  test.each([
    ["wait=10", 10],
    ["wait=0", 0],
    ["WAIT = 7", 7],
    ['wait="7"', 7],
    ["respond-async, wait=5", 5],
    ["wait=5; foo=bar", 5],
    ["wait=5, wait=9", 5],
    ["wait=60", 60],
    ["wait=61", 60],
    ["wait=999999999", 60],
    ["wait", undefined],
    ["wait=", undefined],
    ["wait=-1", undefined],
    ["wait=1.5", undefined],
    ["await=5", undefined],
    ["return=minimal", undefined],
  ])("%s", (prefer, seconds) => {
    expect(readWait(new Headers({ prefer }))).toBe(seconds);
    expect(waitApplied(new Headers({ prefer }))).toEqual(
      seconds === undefined ? {} : { "preference-applied": `wait=${seconds}` },
    );
  });

  test("none", () => {
    expect(readWait(new Headers())).toBeUndefined();
  });
});

const REQUEST: LeaseRequest = {
  maxTasks: 1,
  leaseDurationUs: 1e6,
  selection: { kind: "tag", tag: "a" },
  withBody: false,
  maxBytes: 1000,
};
const TASK: TaskRecord = {
  id: "1",
  scheduleTimeUs: 0,
  createTimeUs: 0,
  meta: encodeMeta(httpMeta()),
  dispatchCount: 1,
  responseCount: 0,
};

/**
 * A queue that answers by a script, and tells what it was asked. Time passes while it is waited.
 */
function scripted(
  leases: readonly Result<readonly TaskRecord[]>[],
  waits: readonly (Result<boolean> & { readonly takesMs?: number })[],
) {
  const asked: string[] = [];
  const places = new Set<string>();
  const clock = { nowMs: 1000 };
  const queue: Pick<PullService, "leaseTasks" | "waitForTasks" | "stopWaiting"> = {
    async leaseTasks({ place }) {
      asked.push(place === undefined ? "lease" : "lease in turn");
      if (place !== undefined) places.add(place);
      return leases[asked.filter((what) => what.startsWith("lease")).length - 1] ?? ok([]);
    },
    async waitForTasks({ waitMs, place, selection }) {
      expect(selection).toEqual(REQUEST.selection);
      asked.push(`wait ${waitMs}`);
      places.add(place);
      const answer = waits[asked.filter((what) => what.startsWith("wait")).length - 1];
      clock.nowMs += answer?.takesMs ?? 0;
      return answer ?? ok(false);
    },
    async stopWaiting(place) {
      asked.push(places.has(place) ? "stop" : "stop elsewhere");
    },
  };
  return { queue, asked, places, now: () => clock.nowMs };
}

describe("a lease", () => {
  it("does not wait where tasks are there", async () => {
    const { queue, asked, now } = scripted([ok([TASK])], []);
    expect(await leaseWithWait(queue, REQUEST, 5000, now)).toEqual(ok([TASK]));
    expect(asked).toEqual(["lease"]);
  });

  it("does not wait where it may not", async () => {
    const { queue, asked, now } = scripted([ok([])], []);
    expect(await leaseWithWait(queue, REQUEST, 0, now)).toEqual(ok([]));
    expect(asked).toEqual(["lease"]);
  });

  it("leases again when it is called", async () => {
    const { queue, asked, now } = scripted([ok([]), ok([TASK])], [ok(true)]);
    expect(await leaseWithWait(queue, REQUEST, 5000, now)).toEqual(ok([TASK]));
    expect(asked).toEqual(["lease", "wait 5000", "lease in turn"]);
  });

  it("keeps its place when another was faster, and waits for what is left of the time", async () => {
    const { queue, asked, places, now } = scripted(
      [ok([]), ok([]), ok([TASK])],
      [
        { ...ok(true), takesMs: 2000 },
        { ...ok(true), takesMs: 1000 },
      ],
    );
    expect(await leaseWithWait(queue, REQUEST, 5000, now)).toEqual(ok([TASK]));
    expect(asked).toEqual(["lease", "wait 5000", "lease in turn", "wait 3000", "lease in turn"]);
    expect(places.size).toBe(1);
  });

  it("is empty when the time is over", async () => {
    const timedOut = scripted([], [ok(false)]);
    expect(await leaseWithWait(timedOut.queue, REQUEST, 5000, timedOut.now)).toEqual(ok([]));
    const overtaken = scripted([], [{ ...ok(true), takesMs: 5000 }]);
    expect(await leaseWithWait(overtaken.queue, REQUEST, 5000, overtaken.now)).toEqual(ok([]));
    expect(overtaken.asked).toEqual(["lease", "wait 5000", "lease in turn"]);
  });

  it("hands on what is refused", async () => {
    const paused = fail("FAILED_PRECONDITION", "paused");
    const first = scripted([paused], []);
    expect(await leaseWithWait(first.queue, REQUEST, 5000, first.now)).toEqual(paused);
    const waiting = scripted([ok([])], [paused]);
    expect(await leaseWithWait(waiting.queue, REQUEST, 5000, waiting.now)).toEqual(paused);
    const later = scripted([ok([]), paused], [ok(true)]);
    expect(await leaseWithWait(later.queue, REQUEST, 5000, later.now)).toEqual(paused);
  });

  it("leases nothing for a client that has gone, and gives up its place", async () => {
    const { queue, asked, now } = scripted([ok([]), ok([TASK])], [ok(true)]);
    const gone = new AbortController();
    const client = {
      signal: gone.signal,
      async isThere() {
        asked.push("there?");
        gone.abort();
        return false;
      },
    };
    expect(await leaseWithWait(queue, REQUEST, 5000, now, client)).toEqual(ok([]));
    expect(asked).toEqual(["lease", "wait 5000", "there?", "stop"]);
  });

  it("keeps its place for a client that is there, and does not stop afterwards", async () => {
    const { queue, asked, now } = scripted([ok([]), ok([TASK])], [ok(true)]);
    const later = new AbortController();
    const client = { signal: later.signal, isThere: async () => true };
    expect(await leaseWithWait(queue, REQUEST, 5000, now, client)).toEqual(ok([TASK]));
    later.abort();
    expect(asked).toEqual(["lease", "wait 5000", "lease in turn"]);
  });
});
