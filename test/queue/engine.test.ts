/** The lifecycle, arrow by arrow, each once more across a restart of the object. */

import { describe, expect, it, vi } from "vitest";
import { encodeMeta } from "../../src/core/model.ts";
import { LEASE_US } from "../../src/queue/flights.ts";
import { Store } from "../../src/queue/store.ts";
import { error, value, withEngine } from "../support/engine.ts";
import {
  DAY,
  HOUR,
  httpMeta,
  MINUTE,
  NOW,
  SECOND,
  settings,
  taskSpec,
} from "../support/factory.ts";

const GONE =
  "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.";
const NEVER = "Requested entity was not found.";

describe("created", () => {
  it("due now: leased in the row it is stored in, and ordered at once", () =>
    withEngine((rig) => {
      const { id, scheduleTimeUs } = rig.create();
      expect(scheduleTimeUs).toBe(rig.now);
      const orders = rig.engine.takeOrders();
      expect(orders.map((order) => [order.taskId, order.attempt])).toEqual([[id, 1]]);
      expect(rig.count("claim")).toBe(0);
      expect(rig.tick()).toEqual([]);
    }));

  it("with a later schedule time: waits for exactly that time", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + 10 * SECOND });
      expect(rig.tick()).toEqual([]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(NOW + 10 * SECOND);
      rig.advance(10 * SECOND - 1);
      expect(rig.tick()).toEqual([]);
      rig.advance(1);
      expect(rig.tick().map((order) => order.taskId)).toEqual([id]);
    }));

  it("with a schedule time in the past: now", () =>
    withEngine((rig) => {
      expect(rig.create({ scheduleTimeUs: NOW - HOUR }).scheduleTimeUs).toBe(NOW);
    }));

  it("in a paused queue: waits, and goes out when resumed", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const { id } = rig.create();
      expect(rig.tick()).toEqual([]);
      expect(rig.engine.isBusy(rig.now)).toBe(false);
      rig.restart();
      expect(rig.tick()).toEqual([]);
      rig.engine.resume();
      expect(rig.tick().map((order) => order.taskId)).toEqual([id]);
    }));

  it("a big one keeps meta and body apart and gets them back", () =>
    withEngine((rig) => {
      const body = new Uint8Array(100_000).fill(7);
      const { id } = rig.create({ body, scheduleTimeUs: NOW + SECOND });
      expect(rig.count("payload")).toBe(1);
      rig.restart();
      expect(value(rig.engine.getTask(id, true, rig.now)).body).toEqual(body);
      expect(value(rig.engine.getTask(id, false, rig.now)).body).toBeUndefined();
      rig.advance(SECOND);
      const [order] = rig.tick();
      expect(order?.body).toEqual(body);
      rig.respond(order!, 200);
      expect(rig.count("payload")).toBe(0);
    }));

  it("refused when the queue does not exist", () =>
    withEngine((rig) => {
      rig.sql.exec("DELETE FROM queue");
      rig.restart();
      expect(error(rig.engine.createTask(taskSpec(), NOW))).toEqual({
        code: "NOT_FOUND",
        cause: "NO_QUEUE",
        message:
          "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.",
      });
      expect(rig.count("task")).toBe(0);
    }));

  it("a time in the past is now in a push queue, whatever the task says of it", () =>
    withEngine((rig) => {
      const task = rig.create({ scheduleTimeUs: NOW - HOUR, keepsPast: true });
      expect(task.scheduleTimeUs).toBe(rig.now);
    }));
});

describe("names", () => {
  it("a live name is taken", () =>
    withEngine((rig) => {
      rig.create({ id: "a" });
      expect(error(rig.engine.createTask(taskSpec({ id: "a" }), rig.now))).toEqual({
        code: "ALREADY_EXISTS",
        cause: "TASK_EXISTS",
        message: "Requested entity already exists",
      });
      expect(rig.count("task")).toBe(1);
    }));

  it.each(["completed", "deleted", "exhausted"] as const)(
    "a name stays taken for the tombstone's time after its task is %s, and is free after it",
    (how) =>
      withEngine(
        (rig) => {
          rig.create({ id: "a" });
          const [order] = rig.engine.takeOrders();
          if (how === "completed") rig.respond(order!, 204);
          if (how === "exhausted") rig.respond(order!, 500);
          if (how === "deleted") value(rig.engine.deleteTask("a", rig.now));
          expect(rig.count("task")).toBe(0);
          rig.advance(HOUR - 1);
          rig.restart();
          expect(error(rig.engine.createTask(taskSpec({ id: "a" }), rig.now)).code).toBe(
            "ALREADY_EXISTS",
          );
          expect(error(rig.engine.getTask("a", false, rig.now)).message).toBe(GONE);
          rig.advance(1);
          expect(error(rig.engine.getTask("a", false, rig.now)).message).toBe(NEVER);
          expect(rig.create({ id: "a" }).id).toBe("a");
        },
        settings({ retryConfig: { ...settings().retryConfig, maxAttempts: 1 } }),
      ),
  );

  it("alarms that find nothing to do do not read all tombstones each time", () =>
    withEngine((rig) => {
      const reads = vi.spyOn(Store.prototype, "tombstonesAfter");
      rig.create({ id: "a" });
      for (const order of rig.engine.takeOrders()) rig.respond(order, 200);
      for (let alarm = 0; alarm < 30; alarm++) {
        rig.engine.startTombstoneSweep(rig.now);
        rig.engine.sweep(rig.now);
        rig.advance(25 * SECOND);
      }
      expect(rig.count("tombstone")).toBe(1);
      expect(reads.mock.calls.length).toBeLessThanOrEqual(3);
      reads.mockRestore();
    }));

  it("tombstones are swept once their time is over", () =>
    withEngine((rig) => {
      for (const id of ["a", "b", "c"]) rig.create({ id });
      for (const order of rig.engine.takeOrders()) rig.respond(order, 200);
      expect(rig.count("tombstone")).toBe(3);
      rig.restart();
      const wakeAtUs = rig.engine.wakeAtUs(rig.now);
      expect(wakeAtUs).toBeLessThanOrEqual(rig.now + HOUR);
      rig.advance(HOUR);
      rig.engine.sweep(rig.now);
      expect(rig.count("tombstone")).toBe(0);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(Number.POSITIVE_INFINITY);
    }));

  it("unnamed tasks get digits that find them again after they moved", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      expect(id).toMatch(/^\d{16,40}$/);
      rig.respond(rig.engine.takeOrders()[0]!, 500);
      rig.restart();
      expect(value(rig.engine.getTask(id, false, rig.now))).toMatchObject({ id, dispatchCount: 1 });
      value(rig.engine.deleteTask(id, rig.now));
      expect(error(rig.engine.getTask(id, false, rig.now)).message).toBe(GONE);
    }));

  it("a number that this queue never gave was never there", () =>
    withEngine((rig) => {
      expect(error(rig.engine.getTask("1234567890123456789", false, rig.now)).message).toBe(NEVER);
      expect(error(rig.engine.deleteTask("nobody", rig.now)).message).toBe(NEVER);
    }));

  it("a caller cannot take the id of a live unnamed task", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      expect(error(rig.engine.createTask(taskSpec({ id }), rig.now)).code).toBe("ALREADY_EXISTS");
    }));
});

describe("outcomes", () => {
  it.each([200, 204, 299])("%i completes the task", (status) =>
    withEngine((rig) => {
      const { id } = rig.create();
      const order = rig.engine.takeOrders()[0]!;
      expect(rig.respond(order, status)).toMatchObject({ result: "completed", taskId: id });
      expect(rig.count("task")).toBe(0);
      expect(error(rig.engine.getTask(id, false, rig.now)).message).toBe(GONE);
    }),
  );

  it.each([199, 300, 302, 404, 429, 500, 503])("%i retries after the backoff", (status) =>
    withEngine((rig) => {
      const { id } = rig.create();
      const order = rig.engine.takeOrders()[0]!;
      rig.advance(SECOND);
      expect(rig.respond(order, status)).toMatchObject({ result: "retried" });
      const task = value(rig.engine.getTask(id, false, rig.now));
      expect(task.scheduleTimeUs).toBe(rig.now + 0.1 * SECOND);
      expect(task).toMatchObject({
        dispatchCount: 1,
        responseCount: 1,
        firstAttempt: { dispatchTimeUs: NOW },
        lastAttempt: {
          scheduleTimeUs: NOW,
          dispatchTimeUs: NOW,
          responseTimeUs: NOW + SECOND,
        },
      });
    }),
  );

  it("follows the schedule of the retry config, attempt by attempt, across restarts", () =>
    withEngine(
      (rig) => {
        rig.create();
        let [order] = rig.engine.takeOrders();
        const delays: number[] = [];
        for (let attempt = 1; attempt <= 8; attempt++) {
          expect(order?.attempt).toBe(attempt);
          rig.respond(order!, 500);
          rig.restart();
          rig.tick();
          const wakeAtUs = rig.engine.wakeAtUs(rig.now);
          delays.push((wakeAtUs - rig.now) / SECOND);
          rig.now = wakeAtUs;
          [order] = rig.tick();
        }
        expect(delays).toEqual([10, 20, 40, 80, 160, 240, 300, 300]);
      },
      settings({
        retryConfig: {
          maxAttempts: -1,
          maxRetryDurationUs: 0,
          minBackoffUs: 10 * SECOND,
          maxBackoffUs: 300 * SECOND,
          maxDoublings: 3,
        },
      }),
    ));

  it("a task's own retry config replaces the queue's", () =>
    withEngine((rig) => {
      const own = { ...settings().retryConfig, maxAttempts: 1 };
      rig.create({ meta: encodeMeta(httpMeta({ retryConfig: own })) });
      expect(rig.respond(rig.engine.takeOrders()[0]!, 500)).toMatchObject({ result: "exhausted" });
    }));

  it("Retry-After wins where it asks for more than the backoff", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      rig.respond(rig.engine.takeOrders()[0]!, 503, 20 * SECOND);
      expect(value(rig.engine.getTask(id, false, rig.now)).scheduleTimeUs).toBe(NOW + 20 * SECOND);
    }));

  it("Retry-After counts from the response also where the attempt was forced", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      value(rig.engine.runTask(id, false, rig.now));
      const [order] = rig.engine.takeOrders();
      rig.advance(15 * SECOND);
      rig.respond(order!, 503, 20 * SECOND);
      expect(value(rig.engine.getTask(id, false, rig.now)).scheduleTimeUs).toBe(NOW + 35 * SECOND);
    }));

  it("gives up after the last attempt", () =>
    withEngine(
      (rig) => {
        const { id } = rig.create();
        expect(rig.respond(rig.engine.takeOrders()[0]!, 500)).toMatchObject({ result: "retried" });
        rig.advance(MINUTE);
        expect(rig.respond(rig.tick()[0]!, 500)).toMatchObject({ result: "exhausted" });
        expect(error(rig.engine.getTask(id, false, rig.now)).message).toBe(GONE);
      },
      settings({ retryConfig: { ...settings().retryConfig, maxAttempts: 2 } }),
    ));

  it("tells the next attempt how the one before ended", () =>
    withEngine((rig) => {
      rig.create();
      rig.respond(rig.engine.takeOrders()[0]!, 404);
      rig.advance(SECOND);
      const second = rig.tick()[0]!;
      expect(second.history).toEqual({
        executedResponses: 1,
        responses: 1,
        previous: { kind: "response", status: 404 },
      });
      rig.outcome(second, { end: { kind: "timeout" } });
      rig.advance(SECOND);
      rig.restart();
      expect(rig.tick()[0]?.history).toEqual({
        executedResponses: 1,
        responses: 1,
        previous: { kind: "timeout" },
      });
    }));

  it("a second report of the same attempt changes nothing", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      const order = rig.engine.takeOrders()[0]!;
      rig.respond(order, 500);
      const before = value(rig.engine.getTask(id, true, rig.now));
      expect(rig.respond(order, 200)).toBeNull();
      expect(value(rig.engine.getTask(id, true, rig.now))).toEqual(before);
    }));

  it("a report of a deleted task changes nothing", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      const order = rig.engine.takeOrders()[0]!;
      value(rig.engine.deleteTask(id, rig.now));
      expect(rig.respond(order, 500)).toBeNull();
      expect(rig.count("task")).toBe(0);
    }));
});

describe("leases", () => {
  it.each(["stored leased", "claimed by a tick"] as const)(
    "an attempt that was %s is not repeated by the object's next life before its lease expires",
    (how) =>
      withEngine((rig) => {
        const later = how === "claimed by a tick" ? SECOND : 0;
        const { id } = rig.create({ scheduleTimeUs: NOW + later });
        rig.advance(later);
        if (later === 0) rig.engine.takeOrders();
        else expect(rig.tick()).toHaveLength(1);
        const claimedAt = rig.now;
        rig.restart();
        rig.advance(10 * SECOND);
        expect(rig.tick()).toEqual([]);
        expect(rig.engine.wakeAtUs(rig.now)).toBe(claimedAt + LEASE_US);
        rig.now = claimedAt + LEASE_US;
        const again = rig.tick();
        expect(again.map((order) => [order.taskId, order.attempt])).toEqual([[id, 2]]);
        expect(value(rig.engine.getTask(id, false, rig.now)).dispatchCount).toBe(2);
      }),
  );

  it.each(["stored leased", "claimed by a tick"] as const)(
    "an attempt that was %s may be reported to the object's next life",
    (how) =>
      withEngine((rig) => {
        const later = how === "claimed by a tick" ? SECOND : 0;
        rig.create({ scheduleTimeUs: NOW + later });
        rig.advance(later);
        const order = later === 0 ? rig.engine.takeOrders()[0]! : rig.tick()[0]!;
        rig.restart();
        expect(rig.respond(order, 200)).toMatchObject({ result: "completed" });
        expect(rig.count("task")).toBe(0);
      }),
  );

  it("a report that comes after the lease went to another attempt is refused", () =>
    withEngine((rig) => {
      rig.create();
      const first = rig.engine.takeOrders()[0]!;
      rig.restart();
      rig.advance(LEASE_US);
      const second = rig.tick()[0]!;
      expect(rig.respond(first, 200)).toBeNull();
      expect(rig.respond(second, 200)).toMatchObject({ result: "completed" });
    }));

  it("running attempts are renewed by one row for all of them", () =>
    withEngine((rig) => {
      for (let index = 0; index < 20; index++) rig.create();
      for (const order of rig.engine.takeOrders()) rig.engine.assign(order, 1);
      rig.advance(11 * SECOND);
      rig.engine.renew(rig.now);
      expect(rig.count("claim")).toBe(1);
      rig.advance(LEASE_US - SECOND);
      rig.restart();
      expect(rig.tick()).toEqual([]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(NOW + 11 * SECOND + LEASE_US);
    }));

  it("a lane that ends without reporting leaves its attempts to their lease", () =>
    withEngine((rig) => {
      rig.create();
      for (const order of rig.engine.takeOrders()) rig.engine.assign(order, 7);
      rig.engine.orphanLane(7);
      rig.advance(11 * SECOND);
      rig.engine.renew(rig.now);
      rig.now = NOW + LEASE_US;
      expect(rig.tick().map((order) => order.attempt)).toEqual([2]);
    }));

  it("claim rows are written over, never piled up", () =>
    withEngine((rig) => {
      for (let round = 0; round < 50; round++) {
        rig.create({ scheduleTimeUs: rig.now + SECOND });
        rig.advance(SECOND);
        for (const order of rig.tick()) rig.respond(order, 200);
      }
      expect(rig.count("claim")).toBe(1);
      rig.restart();
      expect(rig.tick()).toEqual([]);
    }));

  it("attempt numbers are never given twice, however often the object dies", () =>
    withEngine((rig) => {
      rig.create({ scheduleTimeUs: NOW + SECOND });
      rig.advance(SECOND);
      const numbers: number[] = [];
      for (let life = 0; life < 4; life++) {
        numbers.push(...rig.tick().map((order) => order.attempt));
        rig.restart();
        rig.advance(LEASE_US);
      }
      expect(numbers).toEqual([1, 2, 3, 4]);
    }));
});

describe("limits", () => {
  it("concurrency holds across a restart", () =>
    withEngine(
      (rig) => {
        for (let index = 0; index < 10; index++) rig.create();
        const first = rig.engine.takeOrders();
        expect(first).toHaveLength(3);
        rig.restart();
        expect(rig.tick()).toEqual([]);
        rig.respond(first[0]!, 200);
        expect(rig.tick()).toHaveLength(1);
      },
      settings({ rateLimits: { ...settings().rateLimits, maxConcurrentDispatches: 3 } }),
    ));

  it("a slow queue's tokens are the same after a restart", () =>
    withEngine(
      (rig) => {
        for (let index = 0; index < 10; index++) rig.create();
        expect(rig.engine.takeOrders()).toHaveLength(5);
        rig.restart();
        expect(rig.tick()).toEqual([]);
        rig.now = rig.engine.wakeAtUs(rig.now);
        expect(rig.now).toBe(NOW + SECOND);
        expect(rig.tick()).toHaveLength(1);
      },
      settings({
        rateLimits: { maxDispatchesPerSecond: 1, maxBurstSize: 5, maxConcurrentDispatches: 1000 },
      }),
    ));

  it("503 lowers the rate in force, and it recovers by itself", () =>
    withEngine(
      (rig) => {
        for (let index = 0; index < 1000; index++) rig.create();
        const orders = rig.engine.takeOrders();
        expect(orders).toHaveLength(100);
        rig.respond(orders[0]!, 503);
        const slowed = rig.tick().length;
        rig.advance(0.1 * SECOND);
        const tenthSlow = rig.tick().length;
        rig.advance(MINUTE);
        rig.tick();
        rig.advance(0.1 * SECOND);
        const tenthFast = rig.tick().length;
        expect(slowed).toBe(0);
        expect(tenthSlow).toBeLessThanOrEqual(51);
        expect(tenthFast).toBeGreaterThan(tenthSlow);
      },
      settings({
        rateLimits: {
          maxDispatchesPerSecond: 1000,
          maxBurstSize: 100,
          maxConcurrentDispatches: 5000,
        },
      }),
    ));

  it("due tasks go out in the order of their schedule time, ties in the order of creation", () =>
    withEngine((rig) => {
      const ids = [3, 1, 2, 1].map((at) => rig.create({ scheduleTimeUs: NOW + at * SECOND }).id);
      rig.advance(5 * SECOND);
      expect(rig.tick().map((order) => order.taskId)).toEqual([ids[1], ids[3], ids[2], ids[0]]);
    }));

  it("lanes without room leave tasks waiting, and say that no time will change that", () =>
    withEngine((rig) => {
      rig.engine.capacity = 0;
      rig.create();
      expect(rig.engine.takeOrders()).toEqual([]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(Number.POSITIVE_INFINITY);
      expect(rig.engine.isBusy(rig.now)).toBe(true);
      expect(rig.tick()).toHaveLength(1);
    }));

  it("bodies under way are bounded in memory", () =>
    withEngine((rig) => {
      for (let index = 0; index < 60; index++) {
        rig.create({ body: new Uint8Array(1_000_000), scheduleTimeUs: NOW + SECOND });
      }
      rig.advance(SECOND);
      const first = rig.tick();
      expect(first.length).toBeGreaterThan(20);
      expect(first.length).toBeLessThan(40);
      for (const order of first) rig.respond(order, 200);
      expect(rig.tick().length).toBeGreaterThan(20);
    }));
});

describe("run", () => {
  it("dispatches a waiting task of a paused queue at once", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      rig.restart();
      const task = value(rig.engine.runTask(id, false, rig.now));
      expect(task).toMatchObject({ dispatchCount: 1, lastAttempt: { dispatchTimeUs: NOW } });
      const [order] = rig.engine.takeOrders();
      expect(order).toMatchObject({ taskId: id, attempt: 1 });
      expect(rig.respond(order!, 200)).toMatchObject({ result: "completed" });
    }));

  it("on failure schedules the next attempt at the call's time plus the backoff", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      value(rig.engine.runTask(id, false, rig.now));
      const [order] = rig.engine.takeOrders();
      rig.advance(5 * SECOND);
      rig.respond(order!, 500);
      const at = value(rig.engine.getTask(id, false, rig.now)).scheduleTimeUs;
      expect(at).toBe(NOW + 0.1 * SECOND);
    }));

  it("a running attempt is superseded: its late report changes nothing", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      const [first] = rig.engine.takeOrders();
      value(rig.engine.runTask(id, false, rig.now));
      const [second] = rig.engine.takeOrders();
      expect(second?.attempt).toBe(2);
      expect(rig.respond(first!, 200)).toBeNull();
      expect(rig.respond(second!, 200)).toMatchObject({ result: "completed" });
    }));

  it("takes the place of a task that is due", () =>
    withEngine((rig) => {
      rig.engine.capacity = 0;
      const due = rig.create();
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      rig.engine.capacity = 1;
      value(rig.engine.runTask(id, false, rig.now));
      rig.engine.tick(rig.now);
      expect(rig.engine.takeOrders().map((order) => order.taskId)).toEqual([id]);
      expect(rig.tick().map((order) => order.taskId)).toEqual([due.id]);
    }));

  it("called again before the attempt began makes one attempt of it", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + HOUR });
      value(rig.engine.runTask(id, false, rig.now));
      value(rig.engine.runTask(id, false, rig.now));
      rig.engine.tick(rig.now);
      expect(rig.engine.takeOrders().map((order) => order.attempt)).toEqual([2]);
    }));

  it("waits for a lane with its lease renewed, until it is deleted", () =>
    withEngine((rig) => {
      const ids = [1, 2, 3].map(() => rig.create({ scheduleTimeUs: NOW + HOUR }).id);
      for (const id of ids) value(rig.engine.runTask(id, false, rig.now));
      expect(rig.engine.takeOrders(1).map((order) => order.taskId)).toEqual([ids[0]]);
      expect(rig.engine.waitingOrders).toBe(2);
      for (let renewals = 0; renewals < 5; renewals++) {
        rig.advance(10 * SECOND);
        rig.engine.renew(rig.now);
      }
      value(rig.engine.deleteTask(ids[1]!, rig.now));
      rig.engine.tick(rig.now);
      expect(rig.engine.takeOrders(1).map((order) => order.taskId)).toEqual([ids[2]]);
    }));

  it("a finished task cannot be run", () =>
    withEngine((rig) => {
      const { id } = rig.create();
      rig.respond(rig.engine.takeOrders()[0]!, 200);
      expect(error(rig.engine.runTask(id, false, rig.now))).toEqual({
        code: "NOT_FOUND",
        cause: "TASK_GONE",
        message: GONE,
      });
    }));
});

describe("removal", () => {
  it("delete before the attempt begins means that it never begins", () =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + SECOND });
      value(rig.engine.deleteTask(id, rig.now));
      rig.restart();
      rig.advance(HOUR);
      expect(rig.tick()).toEqual([]);
    }));

  it.each(["delete", "purge"] as const)(
    "%s in the turn that claims the attempt means that it never begins, and frees its place",
    (how) =>
      withEngine((rig) => {
        rig.engine.capacity = 1;
        const { id } = rig.create();
        if (how === "delete") value(rig.engine.deleteTask(id, rig.now));
        else value(rig.engine.purge(rig.now));
        const next = rig.create();
        rig.engine.tick(rig.now);
        expect(rig.engine.takeOrders().map((order) => order.taskId)).toEqual([next.id]);
      }),
  );

  it("purge hides everything created before it at once, and removes the rows in slices", () =>
    withEngine((rig) => {
      const ids = Array.from(
        { length: 5000 },
        (_, index) =>
          rig.create({ scheduleTimeUs: NOW + SECOND, ...(index < 10 ? { id: `n${index}` } : {}) })
            .id,
      );
      const running = rig.create();
      const [order] = rig.engine.takeOrders();
      expect(value(rig.engine.purge(rig.now)).purgeTimeUs).toBeGreaterThanOrEqual(NOW);
      const after = rig.create({ scheduleTimeUs: NOW + SECOND });
      expect(error(rig.engine.getTask(ids[4000]!, false, rig.now)).message).toBe(GONE);
      expect(error(rig.engine.getTask(running.id, false, rig.now)).message).toBe(GONE);
      expect(rig.respond(order!, 500)).toBeNull();
      const listed = value(rig.engine.listTasks(1000, undefined, false, rig.now));
      expect(listed.tasks.map((task) => task.id)).toEqual([after.id]);
      rig.engine.sweep(rig.now);
      expect(rig.count("task")).toBeGreaterThan(1);
      rig.restart();
      while (rig.engine.wakeAtUs(rig.now) <= rig.now) rig.engine.sweep(rig.now);
      expect(rig.count("task")).toBe(1);
      expect(rig.count("tombstone")).toBe(10);
      rig.advance(SECOND);
      expect(rig.tick().map((found) => found.taskId)).toEqual([after.id]);
    }));

  it.each(["RUNNING", "PAUSED"] as const)("tasks of a %s queue leave after 31 days", (state) =>
    withEngine((rig) => {
      const { id } = rig.create({ scheduleTimeUs: NOW + 30 * DAY });
      if (state === "PAUSED") rig.engine.pause();
      else rig.engine.capacity = 0;
      rig.now = NOW + 31 * DAY;
      expect(value(rig.engine.getTask(id, false, rig.now)).id).toBe(id);
      rig.advance(1);
      expect(error(rig.engine.getTask(id, false, rig.now)).message).toBe(GONE);
      rig.restart();
      expect(rig.tick()).toEqual([]);
      rig.engine.sweep(rig.now);
      rig.engine.sweep(rig.now);
      expect(rig.count("task")).toBe(0);
    }),
  );
});

describe("a paused queue", () => {
  it("wakes for its expired tasks hourly at most", () =>
    withEngine((rig) => {
      rig.engine.pause();
      for (let index = 0; index < 100; index++) {
        rig.create();
        rig.advance(SECOND);
      }
      const wakes: number[] = [];
      while (rig.count("task") > 0) {
        rig.now = rig.engine.wakeAtUs(rig.now);
        wakes.push(rig.now);
        rig.engine.tick(rig.now);
        rig.engine.sweep(rig.now);
      }
      expect(wakes).toEqual([NOW + 31 * DAY + 1, NOW + 31 * DAY + 1 + HOUR]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(Number.POSITIVE_INFINITY);
    }));
});

describe("lists", () => {
  it("look at a bounded number of purged rows in a call", () =>
    withEngine((rig) => {
      rig.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO task(at, seq, meta) SELECT ? + i, ? - i, '{}' FROM n`,
        NOW,
        NOW,
      );
      value(rig.engine.purge(rig.now));
      const { id } = rig.create({ scheduleTimeUs: NOW + SECOND });
      const rows = vi.spyOn(Store.prototype, "tasksAfter");
      const pages: string[][] = [];
      let cursor: { scheduleTimeUs: number; sequence: number } | undefined;
      do {
        const page = value(rig.engine.listTasks(1, cursor, false, rig.now));
        pages.push(page.tasks.map((task) => task.id));
        cursor = page.next;
        const looked = rows.mock.results.reduce((sum, { value: found }) => sum + found.length, 0);
        expect(looked).toBeLessThanOrEqual(10_200);
        expect(rows.mock.calls.length).toBeLessThan(60);
        rows.mockClear();
      } while (cursor !== undefined);
      rows.mockRestore();
      expect(pages).toEqual([[], [], [id]]);
    }));

  it("pages through everything once, whatever is written between the pages", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const ids = new Set(
        Array.from(
          { length: 25 },
          (_, index) => rig.create({ scheduleTimeUs: NOW + (index % 7) * SECOND }).id,
        ),
      );
      const seen: string[] = [];
      let cursor: { scheduleTimeUs: number; sequence: number } | undefined;
      do {
        const page = value(rig.engine.listTasks(4, cursor, false, rig.now));
        expect(page.tasks.length).toBeLessThanOrEqual(4);
        seen.push(...page.tasks.map((task) => task.id));
        cursor = page.next;
        rig.create({ scheduleTimeUs: NOW });
        if (seen.length === 8) value(rig.engine.deleteTask(seen[0]!, rig.now));
      } while (cursor !== undefined);
      expect(seen.filter((id) => ids.has(id))).toHaveLength(25);
      expect(new Set(seen).size).toBe(seen.length);
    }));

  it("ends a page early rather than hold too many bodies", () =>
    withEngine((rig) => {
      for (let index = 0; index < 20; index++) {
        rig.create({ body: new Uint8Array(1_000_000), scheduleTimeUs: NOW + SECOND });
      }
      const page = value(rig.engine.listTasks(1000, undefined, true, rig.now));
      expect(page.tasks.length).toBeLessThan(15);
      const rest = value(rig.engine.listTasks(1000, page.next, true, rig.now));
      expect(page.tasks.length + rest.tasks.length).toBeGreaterThanOrEqual(15);
      expect(value(rig.engine.listTasks(1000, undefined, false, rig.now)).tasks).toHaveLength(20);
    }));
});

describe("operations", () => {
  it("a request id makes a repeat the same operation", () =>
    withEngine((rig) => {
      const first = value(rig.engine.keepOperation("batchCreate", "{}", "r1", rig.now));
      const again = value(rig.engine.keepOperation("batchCreate", '{"other":1}', "r1", rig.now));
      expect(again).toEqual(first);
      rig.restart();
      expect(value(rig.engine.findOperation("r1"))).toEqual(first);
      expect(value(rig.engine.getOperation(first.number))).toEqual(first);
      expect(error(rig.engine.getOperation(1)).message).toBe(NEVER);
    }));
});

describe("clock", () => {
  it("stepping back loses nothing and gives nothing twice", () =>
    withEngine((rig) => {
      const ids = [rig.create({ scheduleTimeUs: NOW + SECOND }).id];
      rig.advance(SECOND);
      const [first] = rig.tick();
      rig.now = NOW - HOUR;
      rig.restart();
      ids.push(rig.create().id);
      const orders = [...rig.engine.takeOrders(), ...rig.tick()];
      expect(orders.map((order) => order.taskId)).toEqual([ids[1]]);
      expect(rig.respond(first!, 200)).toMatchObject({ result: "completed" });
      expect(rig.respond(orders[0]!, 200)).toMatchObject({ result: "completed" });
      expect(rig.count("task")).toBe(0);
    }));
});
