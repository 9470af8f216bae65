/** Waiting for tasks: who is called, when, and whose turn it is. */

import { describe, expect, it } from "vitest";
import { MAX_WAITERS } from "../../src/queue/waiters.ts";
import { error, value } from "../support/engine.ts";
import { MINUTE, NOW, SECOND, settings } from "../support/factory.ts";
import { leaseRequest, withPull } from "../support/pull.ts";

const ANY = { kind: "any" } as const;

describe("a waiter is called", () => {
  it("at once when a task is there", () =>
    withPull((pull) => {
      pull.create();
      pull.wait("a");
      expect(pull.called()).toEqual(["a"]);
      expect(pull.called()).toEqual([]);
    }));

  it("when a task is created, one waiter a task, first come first served", () =>
    withPull((pull) => {
      for (const place of ["a", "b", "c"]) pull.wait(place);
      expect(pull.called()).toEqual([]);
      pull.createMany(2);
      expect(pull.called()).toEqual(["a", "b"]);
      expect(pull.called()).toEqual([]);
      pull.create();
      expect(pull.called()).toEqual(["c"]);
    }));

  it("at exactly the time of the next task, and wakes for it", () =>
    withPull((pull, rig) => {
      pull.create({ scheduleTimeUs: NOW + 5 * SECOND });
      pull.wait("a");
      expect(pull.called()).toEqual([]);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + 5 * SECOND);
      rig.advance(5 * SECOND - 1);
      expect(pull.called()).toEqual([]);
      rig.advance(1);
      expect(pull.called()).toEqual(["a"]);
    }));

  it("when a lease lapses, is cancelled, or is shortened", () =>
    withPull((pull, rig) => {
      pull.create();
      let lease = pull.leaseOne();
      pull.wait("a");
      expect(pull.called()).toEqual([]);
      expect(rig.engine.memoryWakeAtUs).toBe(lease.scheduleTimeUs);
      lease = value(pull.renew(lease, SECOND));
      expect(pull.called()).toEqual([]);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + SECOND);
      rig.advance(SECOND);
      expect(pull.called()).toEqual(["a"]);
      lease = pull.leaseOne({ place: "a" });
      pull.wait("b");
      expect(pull.called()).toEqual([]);
      value(pull.renew(lease, 0));
      expect(pull.called()).toEqual(["b"]);
    }));

  it("when the queue goes on after a pause, not before", () =>
    withPull((pull, rig) => {
      rig.engine.pause();
      pull.wait("a");
      pull.create();
      expect(pull.called()).toEqual([]);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + MINUTE);
      rig.engine.resume();
      expect(pull.called()).toEqual(["a"]);
    }));

  it("for its own tag only, and before a later one that takes any", () =>
    withPull((pull) => {
      pull.wait("a", { tag: "a" });
      pull.wait("any");
      pull.wait("b", { tag: "b" });
      pull.create({ tag: "b" });
      expect(pull.called()).toEqual(["any"]);
      pull.create({ tag: "a" });
      expect(pull.called()).toEqual(["a"]);
      pull.create({ tag: "c" });
      expect(pull.called()).toEqual([]);
      pull.create({ tag: "b" });
      expect(pull.called()).toEqual(["b"]);
    }));

  it("not for a task that the dispatcher still attempts", () =>
    withPull((pull, rig) => {
      rig.engine.updateSettings(settings(), rig.now);
      rig.create();
      const [order] = rig.tick();
      rig.engine.updateSettings(settings({ type: "PULL" }), rig.now);
      pull.wait("a");
      expect(pull.called()).toEqual([]);
      rig.respond(order!, 500);
      expect(pull.called()).toEqual([]);
      rig.advance(SECOND);
      expect(pull.called()).toEqual(["a"]);
    }));
});

describe("a turn", () => {
  it("goes to the next when it is not used within a second", () =>
    withPull((pull, rig) => {
      pull.wait("gone");
      pull.wait("next");
      pull.create();
      expect(pull.called()).toEqual(["gone"]);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + SECOND);
      rig.advance(SECOND - 1);
      expect(pull.called()).toEqual([]);
      rig.advance(1);
      expect(pull.called()).toEqual(["next"]);
      expect(pull.lease({ place: "next" })).toHaveLength(1);
      expect(rig.engine.waiters.isEmpty).toBe(true);
    }));

  it("goes to the next at once when its waiter leaves", () =>
    withPull((pull, rig) => {
      pull.wait("gone");
      pull.wait("next");
      pull.create();
      expect(pull.called()).toEqual(["gone"]);
      rig.engine.waiters.leave("gone");
      expect(pull.called()).toEqual(["next"]);
    }));

  it("is kept by a waiter that found nothing and waits again", () =>
    withPull((pull) => {
      pull.wait("a");
      pull.wait("b");
      pull.create();
      expect(pull.called()).toEqual(["a"]);
      const stolen = pull.leaseOne();
      expect(pull.lease({ place: "a" })).toEqual([]);
      pull.wait("a");
      expect(pull.called()).toEqual([]);
      value(pull.renew(stolen, 0));
      expect(pull.called()).toEqual(["a"]);
    }));

  it("is over with a lease, whoever made it where no place is told", () =>
    withPull((pull, rig) => {
      pull.wait("a");
      pull.createMany(3);
      expect(pull.called()).toEqual(["a"]);
      expect(pull.lease({ maxTasks: 1 })).toHaveLength(1);
      pull.wait("b");
      pull.wait("c");
      expect(pull.called()).toEqual(["b", "c"]);
      rig.advance(SECOND);
      expect(pull.called()).toEqual([]);
      expect(rig.engine.waiters.isEmpty).toBe(true);
    }));

  it("is not overtaken by a newcomer that would wait, but by one that would not", () =>
    withPull((pull) => {
      pull.wait("a", { tag: "t" });
      pull.create({ tag: "t" });
      expect(pull.called()).toEqual(["a"]);
      expect(pull.lease({ place: "new" })).toEqual([]);
      expect(pull.lease({ place: "new", selection: { kind: "oldestTag" } })).toEqual([]);
      expect(pull.lease({ place: "new", selection: { kind: "tag", tag: "u" } })).toEqual([]);
      pull.create({ tag: "u" });
      expect(pull.lease({ place: "new", selection: { kind: "tag", tag: "u" } })).toHaveLength(1);
      expect(pull.lease()).toHaveLength(1);
    }));
});

describe("a wait ends", () => {
  it("at its time, with nothing", () =>
    withPull((pull, rig) => {
      pull.wait("a", { waitMs: 2000 });
      pull.wait("b", { waitMs: 3000 });
      rig.advance(2 * SECOND - 1);
      expect(pull.calls()).toEqual([]);
      rig.advance(1);
      expect(pull.calls()).toEqual([{ place: "a", isReady: false }]);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + 3 * SECOND);
    }));

  it("after a minute at the latest", () =>
    withPull((pull, rig) => {
      pull.wait("a", { waitMs: 1e9 });
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + MINUTE);
    }));

  it("when the queue is a pull queue no more", () =>
    withPull((pull, rig) => {
      pull.wait("a");
      rig.engine.updateSettings(settings(), rig.now);
      expect(pull.calls()).toEqual([{ place: "a", isReady: true }]);
      expect(rig.engine.memoryWakeAtUs).toBe(Number.POSITIVE_INFINITY);
    }));

  it("before it begins when too many wait", () =>
    withPull((pull, rig) => {
      for (let index = 0; index < MAX_WAITERS; index++) pull.wait(`w${index}`);
      const more = { place: "more", selection: ANY, waitMs: 1000 };
      expect(error(rig.engine.pull.wait(more, rig.now)).code).toBe("RESOURCE_EXHAUSTED");
      pull.wait("w7");
      rig.engine.waiters.leave("w8");
      expect(rig.engine.pull.wait(more, rig.now).ok).toBe(true);
    }));
});

it("many waiters share many tasks, none called in vain, in order of arrival", () =>
  withPull((pull, rig) => {
    const order: string[] = [];
    for (let index = 0; index < 200; index++) {
      pull.wait(`w${index}`, index % 3 === 0 ? { tag: `t${index % 2}` } : {});
    }
    for (let index = 0; index < 400; index++) {
      pull.create(index % 2 === 0 ? { tag: `t${index % 4 === 0 ? 0 : 1}` } : {});
      for (const place of pull.called()) {
        order.push(place);
        const number = Number(place.slice(1));
        const selection =
          number % 3 === 0 ? ({ kind: "tag", tag: `t${number % 2}` } as const) : ANY;
        const leased = value(
          rig.engine.pull.leaseTasks(leaseRequest({ maxTasks: 1, place, selection }), rig.now),
        );
        expect(leased).toHaveLength(1);
      }
    }
    expect(order).toHaveLength(200);
    const anyOrder = order.filter((place) => Number(place.slice(1)) % 3 !== 0);
    expect(anyOrder).toEqual([...anyOrder].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
  }));
