/** The figures of a queue: exact, and what keeping them costs. */

import { describe, expect, it, vi } from "vitest";
import { Engine } from "../../src/queue/engine.ts";
import { Store } from "../../src/queue/store.ts";
import { LARGE } from "../../src/queue/tally.ts";
import { type EngineRig, value } from "../support/engine.ts";
import { DAY, HOUR, MINUTE, NOW, SECOND, settings } from "../support/factory.ts";
import { withPull } from "../support/pull.ts";

const stats = (rig: EngineRig) => value(rig.engine.getStats(rig.now));

/** Has the tables filled with tasks as creating them would. */
function fill(rig: EngineRig, count: number): void {
  rig.sql.exec(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO task(at, seq, meta) SELECT ? + i, ? + i, '{}' FROM n",
    count,
    NOW,
    NOW,
  );
}

describe("the number of tasks", () => {
  it("follows every way in and out, in this life and the next", () =>
    withPull((pull, rig) => {
      const count = () => {
        const { tasksCount } = stats(rig);
        rig.restart();
        expect(stats(rig).tasksCount).toBe(tasksCount);
        expect(rig.count("task")).toBe(tasksCount);
        return tasksCount;
      };
      expect(count()).toBe(0);
      pull.createMany(30);
      expect(count()).toBe(30);
      const leased = pull.lease({ maxTasks: 20 });
      expect(count()).toBe(30);
      for (const task of leased.slice(0, 12)) value(pull.acknowledge(task));
      expect(count()).toBe(18);
      value(rig.engine.deleteTask(leased[15]!.id, rig.now));
      pull.create({ id: "named" });
      expect(rig.engine.createTask({ id: "named", meta: pull.get("named").meta }, NOW).ok).toBe(
        false,
      );
      expect(count()).toBe(18);
    }));

  it("is that of the tasks created since a purge, from the purge on", () =>
    withPull((pull, rig) => {
      pull.createMany(5000);
      expect(stats(rig).tasksCount).toBe(5000);
      value(rig.engine.purge(rig.now));
      pull.createMany(3);
      expect(stats(rig).tasksCount).toBe(3);
      rig.engine.sweep(rig.now);
      rig.restart();
      expect(stats(rig).tasksCount).toBe(3);
      while (rig.engine.wakeAtUs(rig.now) <= rig.now) rig.engine.sweep(rig.now);
      expect(stats(rig).tasksCount).toBe(3);
      expect(rig.count("task")).toBe(3);
    }));

  it("is without the expired once they are swept", () =>
    withPull(
      (pull, rig) => {
        pull.createMany(3);
        rig.advance(10 * DAY + SECOND);
        rig.engine.sweep(rig.now);
        expect(stats(rig).tasksCount).toBe(0);
      },
      { taskTtlUs: 10 * DAY },
    ));

  it("of many is kept while the queue rests, so that no life counts anew", () =>
    withPull((pull, rig) => {
      fill(rig, LARGE);
      rig.restart();
      expect(stats(rig).tasksCount).toBe(LARGE);
      expect(rig.engine.memoryWakeAtUs).toBe(NOW + 2 * SECOND);
      rig.advance(2 * SECOND);
      rig.engine.keepFigures(rig.now);
      expect(rig.engine.memoryWakeAtUs).toBe(Number.POSITIVE_INFINITY);

      const counting = vi.spyOn(Store.prototype, "countTasks");
      rig.restart();
      pull.createMany(3);
      value(rig.engine.deleteTask(pull.create().id, rig.now));
      expect(stats(rig).tasksCount).toBe(LARGE + 3);
      expect(counting).not.toHaveBeenCalled();
      // A crash now: what was kept is written off, so the next life counts once.
      rig.restart();
      expect(stats(rig).tasksCount).toBe(LARGE + 3);
      expect(stats(rig).tasksCount).toBe(LARGE + 3);
      expect(counting).toHaveBeenCalledTimes(1);
      counting.mockRestore();
    }));

  it("is written off with the first change, whatever the change is", () =>
    withPull((pull, rig) => {
      fill(rig, LARGE);
      const keep = () => {
        rig.restart();
        stats(rig);
        rig.advance(2 * SECOND);
        rig.engine.keepFigures(rig.now);
        expect(rig.count("tally WHERE tasks IS NOT NULL")).toBe(1);
        rig.restart();
      };
      const changes: (() => void)[] = [
        () => pull.create(),
        () => value(rig.engine.deleteTask(pull.create({ id: "a" }).id, rig.now)),
        () => value(rig.engine.purge(rig.now)),
      ];
      for (const change of changes) {
        keep();
        change();
        expect(rig.count("tally WHERE tasks IS NOT NULL")).toBe(0);
      }
      pull.create();
      rig.restart();
      expect(stats(rig).tasksCount).toBe(1);
    }));

  it("costs nothing where nobody asks", () =>
    withPull((pull, rig) => {
      fill(rig, LARGE);
      rig.restart();
      pull.create();
      pull.lease();
      expect(rig.engine.memoryWakeAtUs).toBe(Number.POSITIVE_INFINITY);
      stats(rig);
      rig.advance(2 * HOUR);
      pull.create();
      expect(rig.engine.memoryWakeAtUs).toBe(Number.POSITIVE_INFINITY);
      rig.engine.keepFigures(rig.now);
      expect(rig.count("tally")).toBe(0);
    }));
});

describe("recent leases and attempts", () => {
  it("are counted for a minute and an hour, and across a rest and a restart", () =>
    withPull((pull, rig) => {
      stats(rig);
      pull.createMany(7);
      pull.lease({ maxTasks: 4 });
      rig.advance(30 * SECOND);
      pull.lease();
      expect(stats(rig)).toMatchObject({ leasedLastMinute: 7, leasedLastHour: 7 });
      rig.advance(2 * SECOND);
      rig.engine.keepFigures(rig.now);
      rig.restart();
      rig.advance(28 * SECOND);
      expect(stats(rig)).toMatchObject({ leasedLastMinute: 3, leasedLastHour: 7 });
      rig.advance(30 * SECOND);
      expect(stats(rig)).toMatchObject({ leasedLastMinute: 0, leasedLastHour: 7 });
      rig.advance(HOUR);
      expect(stats(rig)).toMatchObject({ leasedLastMinute: 0, leasedLastHour: 0 });
    }));

  it("are written once a minute by a queue that never rests", () =>
    withPull((pull, rig) => {
      const writing = vi.spyOn(Store.prototype, "writeTally");
      stats(rig);
      for (let second = 0; second < 180; second++) {
        pull.create();
        value(pull.acknowledge(pull.leaseOne()));
        rig.engine.keepFigures(rig.now);
        rig.advance(SECOND);
      }
      expect(writing.mock.calls.length).toBeLessThanOrEqual(3);
      writing.mockRestore();
      rig.restart();
      expect(stats(rig).leasedLastHour).toBeGreaterThanOrEqual(120);
    }));

  it("of a push queue: attempts that ended, and what runs", () =>
    withPull((_pull, rig) => {
      rig.engine.updateSettings(settings(), rig.now);
      for (let index = 0; index < 3; index++) rig.create();
      const [first, second] = rig.tick();
      rig.respond(first!, 200);
      rig.respond(second!, 500);
      expect(stats(rig)).toEqual({
        tasksCount: 2,
        oldestScheduleTimeUs: NOW,
        executedLastMinute: 2,
        executedLastHour: 2,
        concurrentDispatches: 1,
        effectiveRate: 100_000,
        leasedLastMinute: 0,
        leasedLastHour: 0,
      });
      rig.advance(MINUTE);
      expect(stats(rig)).toMatchObject({ executedLastMinute: 0, executedLastHour: 2 });
    }));

  it("the rate told is the one in force", () =>
    withPull((_pull, rig) => {
      rig.engine.updateSettings(settings(), rig.now);
      rig.create();
      rig.respond(rig.tick()[0]!, 503);
      expect(stats(rig).effectiveRate).toBe(50_000);
    }));
});

it("the oldest is the first schedule time of what is not hidden", () =>
  withPull((pull, rig) => {
    expect(stats(rig).oldestScheduleTimeUs).toBeUndefined();
    pull.create();
    value(rig.engine.purge(rig.now));
    expect(stats(rig).oldestScheduleTimeUs).toBeUndefined();
    pull.create({ scheduleTimeUs: NOW + HOUR });
    pull.create({ scheduleTimeUs: NOW + MINUTE });
    expect(stats(rig).oldestScheduleTimeUs).toBe(NOW + MINUTE);
  }));

it("an object without a queue has no figures", () =>
  withPull((_pull, rig) => {
    rig.sql.exec("DELETE FROM queue");
    expect(new Engine(new Store(rig.sql), NOW).getStats(NOW).ok).toBe(false);
  }));
