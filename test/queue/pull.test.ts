/** Leases of pull workers, arrow by arrow, each once more across a restart of the object. */

import { describe, expect, it } from "vitest";
import { encodeMeta, type TaskRecord } from "../../src/core/model.ts";
import { MAX_BATCHES, MIN_TASKS } from "../../src/queue/lease-batches.ts";
import { MIGRATIONS, migrate } from "../../src/queue/schema.ts";
import { error, value } from "../support/engine.ts";
import { DAY, HOUR, MINUTE, NOW, SECOND, settings, taskSpec } from "../support/factory.ts";
import { keyOf, leaseRequest, pullSpec, withPull } from "../support/pull.ts";

const GONE =
  "The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.";

const ids = (tasks: readonly TaskRecord[]) => tasks.map(({ id }) => id);
const tagged = (tag: string) => ({ kind: "tag", tag }) as const;
const OLDEST_TAG = { kind: "oldestTag" } as const;

describe("lease", () => {
  it("takes what became available first first, ties by creation, and moves it to its expiry", () =>
    withPull((pull, rig) => {
      const later = pull.create({ scheduleTimeUs: NOW + 2 * SECOND });
      const sooner = pull.create({ scheduleTimeUs: NOW + SECOND });
      const tie = pull.create({ scheduleTimeUs: NOW + SECOND });
      pull.create({ scheduleTimeUs: NOW + HOUR });
      rig.advance(2 * SECOND);
      const leased = pull.lease();
      expect(ids(leased)).toEqual([sooner.id, tie.id, later.id]);
      for (const task of leased) {
        expect(task.scheduleTimeUs).toBe(rig.now + MINUTE);
        expect(task.dispatchCount).toBe(1);
        expect(task.responseCount).toBe(0);
        expect(pull.get(task.id)).toEqual(task);
      }
      expect(pull.lease()).toEqual([]);
      rig.restart();
      expect(pull.lease()).toEqual([]);
      for (const task of leased) expect(pull.get(task.id)).toEqual(task);
    }));

  it("takes no task before its schedule time, and takes it at exactly that time", () =>
    withPull((pull, rig) => {
      const { id } = pull.create({ scheduleTimeUs: NOW + SECOND });
      rig.advance(SECOND - 1);
      expect(pull.lease()).toEqual([]);
      rig.advance(1);
      expect(pull.leaseOne().id).toBe(id);
    }));

  it("takes tasks that were due before they came in the order of their times, where those are kept", () =>
    withPull((pull, rig) => {
      const now = pull.create({ scheduleTimeUs: NOW - HOUR });
      const [first, second, third] = [3, 1, 2].map((hours) =>
        pull.create({ scheduleTimeUs: NOW - hours * HOUR, keepsPast: true }),
      );
      const eldest = pull.create({ scheduleTimeUs: -5, keepsPast: true });
      expect(now.scheduleTimeUs).toBe(rig.now);
      expect(first?.scheduleTimeUs).toBe(NOW - 3 * HOUR);
      expect(eldest.scheduleTimeUs).toBe(1);
      rig.restart();
      const order = [eldest.id, first?.id, third?.id, second?.id, now.id];
      const leased = pull.lease();
      expect(ids(leased)).toEqual(order);
      for (const task of leased) expect(pull.get(task.id)).toEqual(task);
    }));

  it("takes as many as it is asked for, and goes on where it ended", () =>
    withPull((pull) => {
      const all = pull.createMany(25);
      expect(ids(pull.lease({ maxTasks: 10 }))).toEqual(all.slice(0, 10));
      expect(ids(pull.lease({ maxTasks: 10 }))).toEqual(all.slice(10, 20));
      expect(ids(pull.lease({ maxTasks: 10 }))).toEqual(all.slice(20));
      expect(pull.lease({ maxTasks: 0 })).toEqual([]);
    }));

  it("answers payloads where they are wanted, big ones and small ones", () =>
    withPull((pull, rig) => {
      const bodies = [10, 10_000, 0].map((size) => new Uint8Array(size).fill(size % 251));
      for (const body of bodies) pull.create({ body });
      pull.create();
      expect(pull.lease({ withBody: true }).map(({ body }) => body)).toEqual([
        ...bodies,
        undefined,
      ]);
      rig.advance(MINUTE);
      expect(pull.lease().map(({ body }) => body)).toEqual([1, 2, 3, 4].map(() => undefined));
    }));

  it("takes fewer where their payloads are too many bytes, but always one", () =>
    withPull((pull) => {
      const body = new Uint8Array(1000);
      const all = Array.from({ length: 5 }, () => pull.create({ body }).id);
      const small = { withBody: true, maxBytes: 2500 };
      expect(ids(pull.lease(small))).toEqual(all.slice(0, 2));
      expect(ids(pull.lease({ ...small, maxBytes: 1 }))).toEqual(all.slice(2, 3));
      expect(ids(pull.lease(small))).toEqual(all.slice(3));
    }));

  it("is refused by a paused queue, and by a push queue, and where no queue is", () =>
    withPull((pull, rig) => {
      const { id } = pull.create();
      rig.engine.pause();
      const refused = error(rig.engine.pull.leaseTasks(leaseRequest(), rig.now));
      expect(refused.code).toBe("FAILED_PRECONDITION");
      rig.engine.resume();
      expect(pull.leaseOne().id).toBe(id);
      rig.engine.updateSettings(settings(), rig.now);
      const key = { id, scheduleTimeUs: rig.now + MINUTE };
      const answers = () => [
        rig.engine.pull.leaseTasks(leaseRequest(), rig.now),
        rig.engine.pull.acknowledge(key, rig.now),
        rig.engine.pull.renew(key, SECOND, false, rig.now),
        rig.engine.pull.extend(id, SECOND, rig.now),
        rig.engine.pull.each([key], () => rig.engine.pull.acknowledge(key, rig.now)),
        rig.engine.pull.wait({ place: "a", selection: { kind: "any" }, waitMs: 1 }, rig.now),
      ];
      expect(answers().map((answer) => error(answer).code)).toEqual(
        answers().map(() => "FAILED_PRECONDITION"),
      );
      rig.sql.exec("DELETE FROM queue");
      rig.restart();
      expect(answers().map((answer) => error(answer).code)).toEqual(
        answers().map(() => "NOT_FOUND"),
      );
    }));

  it("lapses at exactly its expiry, and the task is leased anew, first come first", () =>
    withPull((pull, rig) => {
      const first = pull.create();
      const lease = pull.leaseOne();
      const second = pull.create({ scheduleTimeUs: lease.scheduleTimeUs - 1 });
      rig.advance(MINUTE - 1);
      expect(ids(pull.lease())).toEqual([second.id]);
      rig.restart();
      rig.advance(1);
      const again = pull.leaseOne();
      expect(again.id).toBe(first.id);
      expect(again.dispatchCount).toBe(2);
      expect(again.createTimeUs).toBe(first.createTimeUs);
    }));

  it("of tasks whose numbers are the same, after a clock stepped back, has each its own place", () =>
    withPull((pull, rig) => {
      pull.create();
      rig.sql.exec("INSERT INTO task(at, seq, meta) SELECT at + 1, seq, meta FROM task");
      rig.advance(SECOND);
      const leased = pull.lease();
      expect(new Set(leased.map((task) => task.scheduleTimeUs)).size).toBe(2);
      for (const task of leased) expect(pull.acknowledge(task).ok).toBe(true);
      expect(rig.count("task")).toBe(0);
    }));

  it("finds a task by its id wherever it has moved, named or not, alone or in a batch", () =>
    withPull((pull, rig) => {
      for (const count of [1, 3 * MIN_TASKS]) {
        const all = [...pull.createMany(count), pull.create({ id: `name-${count}` }).id];
        for (let times = 1; times <= 3; times++) {
          expect(ids(pull.lease()).sort()).toEqual([...all].sort());
          rig.restart();
          for (const id of all) expect(pull.get(id).dispatchCount).toBe(times);
          rig.advance(MINUTE + SECOND);
        }
        for (const id of all) value(rig.engine.deleteTask(id, rig.now));
      }
      expect(rig.count("task")).toBe(0);
    }));
});

describe("by tag", () => {
  it("takes only tasks with exactly that tag, in order", () =>
    withPull((pull, rig) => {
      const a1 = pull.create({ tag: "a", scheduleTimeUs: NOW + 2 });
      const b = pull.create({ tag: "b" });
      const a2 = pull.create({ tag: "a", scheduleTimeUs: NOW + 1 });
      const none = pull.create();
      const empty = pull.create({ tag: "" });
      pull.create({ tag: "a", scheduleTimeUs: NOW + HOUR });
      rig.advance(10);
      const leased = pull.lease({ selection: tagged("a") });
      expect(leased.map(({ id, tag }) => [id, tag])).toEqual([
        [a2.id, "a"],
        [a1.id, "a"],
      ]);
      rig.restart();
      expect(pull.lease({ selection: tagged("a") })).toEqual([]);
      expect(pull.lease({ selection: tagged("A") })).toEqual([]);
      expect(ids(pull.lease({ selection: tagged("") }))).toEqual([empty.id]);
      expect(ids(pull.lease())).toEqual([b.id, none.id]);
    }));

  it("takes tags of any text, 500 characters of it", () =>
    withPull((pull) => {
      for (const tag of ["ünïcödé 🥕", "a=b'\"\u0000c", "x".repeat(500)]) {
        const { id } = pull.create({ tag });
        expect(ids(pull.lease({ selection: tagged(tag) }))).toEqual([id]);
      }
    }));

  it("of the oldest: of what became available first, also where that is no tag", () =>
    withPull((pull, rig) => {
      const b1 = pull.create({ tag: "b" });
      const a1 = pull.create({ tag: "a" });
      const none1 = pull.create();
      const b2 = pull.create({ tag: "b" });
      const none2 = pull.create();
      const empty = pull.create({ tag: "" });
      const lease = () => ids(pull.lease({ selection: OLDEST_TAG }));
      expect(lease()).toEqual([b1.id, b2.id]);
      expect(lease()).toEqual([a1.id]);
      rig.restart();
      expect(lease()).toEqual([none1.id, none2.id]);
      expect(lease()).toEqual([empty.id]);
      expect(lease()).toEqual([]);
    }));

  it("finds untagged tasks between tagged ones, and leaves those alone", () =>
    withPull((pull) => {
      const none = Array.from({ length: 30 }, (_, n) => {
        const { id } = pull.create();
        pull.create({ tag: `t${n}` });
        return id;
      });
      expect(ids(pull.lease({ selection: OLDEST_TAG }))).toEqual(none);
      expect(pull.lease()).toHaveLength(30);
    }));

  it("of the oldest goes on to the next tag when the oldest task's leases are used up", () =>
    withPull(
      (pull, rig) => {
        pull.create({ tag: "a" });
        pull.lease();
        rig.advance(MINUTE);
        const b = pull.create({ tag: "b" });
        expect(ids(pull.lease({ selection: OLDEST_TAG }))).toEqual([b.id]);
        expect(rig.count("task")).toBe(1);
      },
      { retryConfig: { ...settings().retryConfig, maxAttempts: 1 } },
    ));
});

describe("the retry limit", () => {
  const limited = (maxAttempts: number) => ({
    retryConfig: { ...settings().retryConfig, maxAttempts },
  });

  it("counts leases: the one past it deletes the task, and buries its name", () =>
    withPull((pull, rig) => {
      const { id } = pull.create({ id: "named" });
      pull.create();
      for (let lease = 1; lease <= 3; lease++) {
        expect(pull.lease()).toHaveLength(2);
        rig.advance(MINUTE + SECOND);
        rig.restart();
      }
      expect(pull.get(id).dispatchCount).toBe(3);
      const fresh = pull.create();
      expect(ids(pull.lease())).toEqual([fresh.id]);
      expect(error(rig.engine.getTask(id, false, rig.now)).message).toBe(GONE);
      expect(rig.count("task")).toBe(1);
    }, limited(3)));

  it("does not count renewals and cancellations", () =>
    withPull((pull, rig) => {
      pull.create();
      const renewed = value(pull.renew(pull.leaseOne(), HOUR));
      expect(value(pull.renew(renewed, 0)).dispatchCount).toBe(1);
      expect(pull.leaseOne().dispatchCount).toBe(2);
      rig.advance(HOUR);
      expect(pull.lease()).toEqual([]);
      expect(rig.count("task")).toBe(0);
    }, limited(2)));

  it("may be a task's own", () =>
    withPull((pull, rig) => {
      const own = { ...settings().retryConfig, maxAttempts: 3 };
      const patient = pull.create({
        meta: encodeMeta({ target: { kind: "pull" }, retryConfig: own }),
      });
      pull.create();
      pull.lease();
      rig.advance(MINUTE);
      expect(ids(pull.lease())).toEqual([patient.id]);
    }, limited(1)));

  it("of -1 is none", () =>
    withPull((pull, rig) => {
      pull.create();
      for (let lease = 1; lease <= 20; lease++) {
        expect(pull.leaseOne().dispatchCount).toBe(lease);
        rig.advance(HOUR);
      }
    }, limited(-1)));

  it("takes many used up tasks away on the way to one that is left", () =>
    withPull((pull, rig) => {
      pull.createMany(700);
      pull.lease();
      rig.advance(MINUTE);
      const { id } = pull.create();
      expect(ids(pull.lease({ maxTasks: 1 }))).toEqual([id]);
      expect(rig.count("task")).toBe(1);
    }, limited(1)));
});

describe("acknowledge", () => {
  it("deletes the task, once, and buries its name", () =>
    withPull((pull, rig) => {
      pull.create({ id: "a", body: new Uint8Array(5000) });
      pull.create();
      const leased = pull.lease();
      rig.restart();
      for (const task of leased) {
        expect(pull.acknowledge(task).ok).toBe(true);
        expect(error(pull.acknowledge(task))).toEqual({
          code: "NOT_FOUND",
          cause: "TASK_GONE",
          message: GONE,
        });
      }
      expect([rig.count("task"), rig.count("payload")]).toEqual([0, 0]);
      expect(error(rig.engine.createTask(pullSpec({ id: "a" }), rig.now)).code).toBe(
        "ALREADY_EXISTS",
      );
    }));

  it("is refused with another schedule time than the lease's, and changes nothing", () =>
    withPull((pull, rig) => {
      const created = [pull.create(), pull.create({ id: "named" })];
      for (const task of created) {
        expect(error(pull.acknowledge(task)).code).toBe("FAILED_PRECONDITION");
      }
      const leased = pull.lease();
      const renewed = leased.map((task) => value(pull.renew(task, HOUR)));
      rig.restart();
      for (const stale of [...created, ...leased]) {
        expect(error(pull.acknowledge(stale)).code).toBe("FAILED_PRECONDITION");
        expect(error(pull.renew(stale, 0)).code).toBe("FAILED_PRECONDITION");
      }
      for (const task of renewed) expect(pull.get(task.id)).toEqual(task);
      expect(pull.lease()).toEqual([]);
    }));

  it("counts after the lease lapsed for as long as nobody else has leased the task", () =>
    withPull((pull, rig) => {
      pull.createMany(2);
      const leased = pull.lease();
      rig.advance(HOUR);
      expect(pull.acknowledge(leased[0]!).ok).toBe(true);
      const again = pull.leaseOne();
      expect(error(pull.acknowledge(leased[1]!)).code).toBe("FAILED_PRECONDITION");
      expect(pull.acknowledge(again).ok).toBe(true);
    }));

  it("never fits another lease of the task, also one that ends in the same moment", () =>
    withPull((pull, rig) => {
      pull.create();
      const first = pull.leaseOne({ leaseDurationUs: 10 * SECOND });
      rig.advance(4 * SECOND);
      value(pull.renew(first, 0));
      const second = pull.leaseOne({ leaseDurationUs: 6 * SECOND });
      expect(Math.floor(second.scheduleTimeUs / 1000)).toBe(
        Math.floor(first.scheduleTimeUs / 1000),
      );
      expect(error(pull.acknowledge(first)).code).toBe("FAILED_PRECONDITION");
      expect(error(pull.renew(first, HOUR)).code).toBe("FAILED_PRECONDITION");
      expect(pull.acknowledge(second).ok).toBe(true);
    }));

  it("never fits a task again that another has leased and released since", () =>
    withPull((pull, rig) => {
      pull.create();
      const first = pull.leaseOne();
      rig.advance(MINUTE);
      const second = value(pull.renew(pull.leaseOne(), 0));
      expect(second.scheduleTimeUs).toBeGreaterThan(rig.now - 1000);
      expect(error(pull.acknowledge(first)).code).toBe("FAILED_PRECONDITION");
      expect(pull.leaseOne().dispatchCount).toBe(3);
    }));

  it("of what never was is NOT_FOUND", () =>
    withPull((pull) => {
      expect(error(pull.acknowledge({ id: "never", scheduleTimeUs: NOW }))).toEqual({
        code: "NOT_FOUND",
        cause: "NO_TASK",
        message: "Requested entity was not found.",
      });
    }));

  it("of many answers each by itself", () =>
    withPull((pull, rig) => {
      pull.createMany(3);
      const [a, b, c] = pull.lease();
      const stale = { ...keyOf(b!), scheduleTimeUs: 1 };
      const answers = value(
        rig.engine.pull.each([a!, stale, c!, a!], (key) =>
          rig.engine.pull.acknowledge(key, rig.now),
        ),
      );
      expect(answers.map((answer) => (answer.ok ? "OK" : answer.error.code))).toEqual([
        "OK",
        "FAILED_PRECONDITION",
        "OK",
        "NOT_FOUND",
      ]);
      expect(rig.count("task")).toBe(1);
    }));
});

describe("renew", () => {
  it.each([
    ["lengthens", HOUR],
    ["shortens", SECOND],
  ])("%s the lease from now on", (_how, durationUs) =>
    withPull((pull, rig) => {
      pull.create({ body: new Uint8Array([1, 2]) });
      const lease = pull.leaseOne();
      rig.advance(5 * SECOND);
      rig.restart();
      const renewed = value(rig.engine.pull.renew(keyOf(lease), durationUs, true, rig.now));
      expect(renewed.scheduleTimeUs).toBe(rig.now + durationUs);
      expect(renewed.dispatchCount).toBe(1);
      expect(renewed.body).toEqual(new Uint8Array([1, 2]));
      rig.advance(durationUs - 1);
      expect(pull.lease()).toEqual([]);
      rig.advance(1);
      expect(pull.leaseOne().id).toBe(lease.id);
    }),
  );

  it("by 0 makes the task available at once, as a cancellation does", () =>
    withPull((pull, rig) => {
      pull.create();
      const lease = pull.leaseOne();
      rig.advance(SECOND);
      const cancelled = value(pull.renew(lease, 0));
      expect(cancelled.scheduleTimeUs).toBe(rig.now);
      rig.restart();
      expect(pull.leaseOne().id).toBe(lease.id);
    }));

  it("is refused once the lease has lapsed", () =>
    withPull((pull, rig) => {
      pull.create();
      const lease = pull.leaseOne();
      rig.advance(MINUTE);
      expect(error(pull.renew(lease, MINUTE))).toEqual({
        code: "FAILED_PRECONDITION",
        cause: "LEASE_LOST",
        message: "The task's lease has expired.",
      });
      expect(pull.leaseOne().id).toBe(lease.id);
    }));

  it("works while the queue is paused, and so does acknowledging", () =>
    withPull((pull, rig) => {
      pull.create();
      const lease = pull.leaseOne();
      rig.engine.pause();
      expect(pull.acknowledge(value(pull.renew(lease, HOUR))).ok).toBe(true);
    }));

  it("without a key extends whoever's lease it is, if there is one", () =>
    withPull((pull, rig) => {
      const { id } = pull.create();
      const extend = () => rig.engine.pull.extend(id, HOUR, rig.now);
      expect(error(extend()).code).toBe("FAILED_PRECONDITION");
      pull.lease();
      rig.restart();
      expect(value(extend()).scheduleTimeUs).toBe(rig.now + HOUR);
      rig.advance(HOUR);
      expect(error(extend()).code).toBe("FAILED_PRECONDITION");
      expect(error(rig.engine.pull.extend("never", HOUR, rig.now)).code).toBe("NOT_FOUND");
    }));
});

describe("a task leaves", () => {
  it("by delete, leased or not", () =>
    withPull((pull, rig) => {
      const [waiting] = pull.createMany(1);
      value(rig.engine.deleteTask(waiting!, rig.now));
      pull.create();
      const lease = pull.leaseOne();
      value(rig.engine.deleteTask(lease.id, rig.now));
      expect(error(pull.acknowledge(lease)).message).toBe(GONE);
    }));

  it("by purge: at once for every reader and every lease", () =>
    withPull((pull, rig) => {
      pull.createMany(3);
      const lease = pull.leaseOne({ maxTasks: 1 });
      value(rig.engine.purge(rig.now));
      const fresh = pull.create();
      expect(ids(pull.lease())).toEqual([fresh.id]);
      expect(error(pull.acknowledge(lease)).message).toBe(GONE);
      expect(error(pull.renew(lease, HOUR)).message).toBe(GONE);
      while (rig.engine.wakeAtUs(rig.now) <= rig.now) rig.engine.sweep(rig.now);
      expect(rig.count("task")).toBe(1);
    }));

  it("by expiry: hidden at once, and swept", () =>
    withPull(
      (pull, rig) => {
        pull.create({ id: "old" });
        const lease = pull.leaseOne();
        rig.advance(10 * DAY);
        pull.create();
        rig.advance(1);
        expect(error(pull.acknowledge(lease)).message).toBe(GONE);
        expect(pull.lease()).toHaveLength(1);
        expect(rig.engine.wakeAtUs(rig.now)).toBeLessThanOrEqual(rig.now);
        rig.engine.sweep(rig.now);
        expect([rig.count("task"), rig.count("tombstone")]).toEqual([1, 1]);
        expect(rig.engine.wakeAtUs(rig.now)).toBeGreaterThan(rig.now);
      },
      { taskTtlUs: 10 * DAY },
    ));
});

describe("the engine", () => {
  it("never dispatches from a pull queue, nor wakes for one that is available", () =>
    withPull((pull, rig) => {
      pull.create();
      pull.create({ scheduleTimeUs: NOW + SECOND });
      rig.create();
      expect(rig.tick()).toEqual([]);
      rig.advance(HOUR);
      rig.restart();
      expect(rig.tick()).toEqual([]);
      expect(rig.engine.isBusy(rig.now)).toBe(false);
      expect(rig.engine.wakeAtUs(rig.now)).toBeGreaterThan(rig.now + DAY);
    }));

  it("does not run a task of a pull queue", () =>
    withPull((pull, rig) => {
      const { id } = pull.create();
      expect(error(rig.engine.runTask(id, false, rig.now)).code).toBe("FAILED_PRECONDITION");
    }));

  it("leases tasks from when the queue was a push queue, but none that is being attempted", () =>
    withPull((pull, rig) => {
      rig.engine.updateSettings(settings(), rig.now);
      const running = rig.create();
      const [order] = rig.tick();
      const waiting = rig.create({ scheduleTimeUs: NOW + SECOND });
      rig.engine.updateSettings(settings({ type: "PULL" }), rig.now);
      const added = pull.create();
      rig.advance(SECOND);
      expect(ids(pull.lease())).toEqual([added.id, waiting.id]);
      rig.respond(order!, 500);
      rig.advance(HOUR);
      const retried = pull.lease().find(({ id }) => id === running.id);
      expect(retried).toMatchObject({ dispatchCount: 2, responseCount: 1 });
      expect(pull.get(running.id)).toEqual(retried);
      expect(rig.respond(order!, 200)).toBeNull();
      expect(pull.acknowledge(retried!).ok).toBe(true);
    }));

  it("dispatches what was leased once the queue is a push queue, when the lease is over", () =>
    withPull((pull, rig) => {
      const { id } = rig.create(taskSpec());
      pull.lease();
      rig.engine.updateSettings(settings(), rig.now);
      expect(rig.tick()).toEqual([]);
      rig.advance(MINUTE);
      const [order] = rig.tick();
      expect(order).toMatchObject({ taskId: id, attempt: 2 });
      rig.respond(order!, 500);
      expect(pull.get(id).id).toBe(id);
    }));
});

describe("batches of leases", () => {
  it("cost one row each, and are written over when nothing of them is left", () =>
    withPull((pull, rig) => {
      for (let round = 0; round < 50; round++) {
        pull.createMany(2 * MIN_TASKS);
        for (const task of pull.lease()) expect(pull.acknowledge(task).ok).toBe(true);
        rig.advance(SECOND);
      }
      expect(rig.count("lease_batch")).toBe(1);
    }));

  it("are no more than so many; further tasks are found through the index", () =>
    withPull((pull, rig) => {
      const leases: TaskRecord[] = [];
      for (let round = 0; round < MAX_BATCHES + 3; round++) {
        pull.createMany(MIN_TASKS);
        leases.push(...pull.lease({ leaseDurationUs: DAY }));
        rig.advance(SECOND);
      }
      expect(rig.count("lease_batch")).toBe(MAX_BATCHES);
      expect(rig.count("task WHERE moved = 1")).toBe(3 * MIN_TASKS);
      rig.restart();
      for (const index of [0, 7 * MIN_TASKS, leases.length - 1]) {
        expect(pull.get(leases[index]!.id)).toEqual(leases[index]);
      }
    }));

  it("hold tasks of few leases and of many", () =>
    withPull((pull, rig) => {
      pull.createMany(2 * MIN_TASKS);
      pull.lease();
      rig.advance(MINUTE);
      pull.createMany(2 * MIN_TASKS);
      const leased = pull.lease();
      expect(new Set(leased.map((task) => task.scheduleTimeUs)).size).toBe(2);
      expect(rig.count("task WHERE moved = 1")).toBe(0);
      for (const task of leased) expect(pull.get(task.id)).toEqual(task);
    }));
});

it("tables of the first version are brought up to date, with what is in them", () =>
  withPull((pull, rig) => {
    for (const table of ["task", "payload", "claim", "tombstone", "pace", "operation"]) {
      rig.sql.exec(`DROP TABLE ${table}`);
    }
    for (const table of ["lease_batch", "tally", "pending"]) rig.sql.exec(`DROP TABLE ${table}`);
    const [queue] = [...rig.sql.exec("SELECT * FROM queue").raw()];
    rig.sql.exec("DROP TABLE queue");
    rig.sql.exec(MIGRATIONS[0]!);
    rig.sql.exec("UPDATE schema_version SET version = 1");
    rig.sql.exec("INSERT INTO queue VALUES (?, ?, ?, ?, ?, ?)", ...queue!);
    rig.sql.exec("INSERT INTO task(at, seq, tag, meta) VALUES (?, ?, 'a', ?)", NOW, NOW, "{}");
    migrate(rig.sql);
    rig.restart();
    const leased = pull.leaseOne({ selection: tagged("a") });
    expect(pull.get(leased.id)).toEqual(leased);
    expect(pull.acknowledge(leased).ok).toBe(true);
  }));
