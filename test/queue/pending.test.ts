/** Tasks of open transactions in a queue: unseen until the commit, and then as if created by it. */
import { describe, expect, it } from "vitest";
import {
  MAX_TRANSACTION_CALL_SIZE,
  MAX_TRANSACTION_SIZE,
  MAX_TRANSACTION_TASKS,
  TRANSACTION_ASK_US,
  TRANSACTION_ASKS,
  TRANSACTION_GRACE_US,
  TRANSACTION_OVERDUE_US,
} from "../../src/core/limits.ts";
import type { CreatedTask, TaskSpec } from "../../src/core/model.ts";
import { encodeMeta } from "../../src/core/model.ts";
import type { EngineRig } from "../support/engine.ts";
import { error, value, withEngine } from "../support/engine.ts";
import { DAY, httpMeta, MINUTE, SECOND, settings, taskSpec } from "../support/factory.ts";

function prepare(rig: EngineRig, tx: string, ...changes: Partial<TaskSpec>[]): CreatedTask[] {
  const specs = (changes.length === 0 ? [{}] : changes).map(taskSpec);
  return value(rig.engine.pending.prepare(tx, specs, rig.now)).map(value);
}

function prepareOne(rig: EngineRig, tx: string, changes: Partial<TaskSpec> = {}): CreatedTask {
  return prepare(rig, tx, changes)[0]!;
}

const commit = (rig: EngineRig, tx: string) =>
  value(rig.engine.pending.resolve(tx, "COMMITTED", rig.now));
const rollback = (rig: EngineRig, tx: string) =>
  value(rig.engine.pending.resolve(tx, "ROLLED_BACK", rig.now));

const listed = (rig: EngineRig) =>
  value(rig.engine.listTasks(1000, undefined, true, rig.now)).tasks;
const count = (rig: EngineRig) => value(rig.engine.getStats(rig.now)).tasksCount;

const PULL = encodeMeta({ target: { kind: "pull" } });
const pullSettings = settings({ type: "PULL" });
const lease = (rig: EngineRig) =>
  value(
    rig.engine.pull.leaseTasks(
      {
        maxTasks: 100,
        leaseDurationUs: MINUTE,
        selection: { kind: "any" },
        withBody: true,
        maxBytes: 1e6,
      },
      rig.now,
    ),
  );

describe("a pending task", () => {
  it("is there for nobody", () =>
    withEngine((rig) => {
      const { id } = prepareOne(rig, "1");
      expect(rig.tick()).toEqual([]);
      expect(listed(rig)).toEqual([]);
      expect(count(rig)).toBe(0);
      for (const refused of [
        rig.engine.getTask(id, false, rig.now),
        rig.engine.deleteTask(id, rig.now),
        rig.engine.runTask(id, false, rig.now),
      ]) {
        // Not "no longer exists", for it did not yet.
        expect(error(refused)).toMatchObject({ code: "NOT_FOUND", cause: "NO_TASK" });
      }
      expect(rig.tick()).toEqual([]);
    }));

  it("is not leased", () =>
    withEngine((rig) => {
      prepareOne(rig, "1", { meta: PULL });
      expect(lease(rig)).toEqual([]);
      commit(rig, "1");
      expect(lease(rig)).toHaveLength(1);
    }, pullSettings));

  it("costs one row, its commit one and the row of the task", () =>
    withEngine((rig) => {
      const rows = () =>
        ["pending", "task", "payload", "tombstone"].map((table) => rig.count(table));
      prepare(rig, "1", {}, { body: new Uint8Array(5000) });
      expect(rows()).toEqual([2, 0, 0, 0]);
      rig.engine.pause();
      commit(rig, "1");
      expect(rows()).toEqual([0, 2, 1, 0]);
    }));

  it("keeps others from taking its id for a name", () =>
    withEngine((rig) => {
      const { id } = prepareOne(rig, "1");
      const named = rig.engine.createTask(taskSpec({ id }), rig.now);
      expect(error(named)).toMatchObject({ code: "ALREADY_EXISTS", cause: "TASK_EXISTS" });
    }));
});

describe("commit", () => {
  it("dispatches what is due at once, with the id that was told", () =>
    withEngine((rig) => {
      const { id, scheduleTimeUs, createTimeUs } = prepareOne(rig, "1");
      // The engine's scans are past the place by now, and have seen nothing more to come.
      rig.advance(5 * SECOND);
      for (let n = 0; n < 3; n++) {
        rig.create();
        for (const order of rig.tick()) rig.respond(order, 200);
      }
      expect(rig.engine.isBusy(rig.now)).toBe(false);
      expect(commit(rig, "1")).toBe(1);
      const record = value(rig.engine.getTask(id, false, rig.now));
      expect(record).toMatchObject({ id, scheduleTimeUs, createTimeUs });
      expect(rig.tick().map(({ taskId }) => taskId)).toEqual([id]);
    }));

  it("keeps a schedule time to come, and wakes for it", () =>
    withEngine((rig) => {
      const at = rig.now + MINUTE;
      const { id } = prepareOne(rig, "1", { scheduleTimeUs: at });
      commit(rig, "1");
      expect(rig.tick()).toEqual([]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(at);
      rig.advance(MINUTE);
      expect(rig.tick().map(({ taskId }) => taskId)).toEqual([id]);
    }));

  it("keeps payload, settled part and tag, small and large", () =>
    withEngine((rig) => {
      const bodies = [undefined, new Uint8Array([1, 2]), new Uint8Array(200_000).fill(7)];
      const ids = prepare(
        rig,
        "1",
        ...bodies.map((body) => ({ meta: PULL, tag: "t", ...(body ? { body } : {}) })),
      ).map(({ id }) => id);
      commit(rig, "1");
      const leased = lease(rig);
      expect(leased.map(({ id }) => id)).toEqual(ids);
      expect(leased.map(({ body }) => body)).toEqual(bodies);
      expect(leased.map(({ tag, meta }) => [tag, meta])).toEqual(ids.map(() => ["t", PULL]));
    }, pullSettings));

  it("counts the tasks from then on", () =>
    withEngine((rig) => {
      prepare(rig, "1", {}, {}, {});
      rig.engine.pause();
      expect(count(rig)).toBe(0);
      commit(rig, "1");
      expect(count(rig)).toBe(3);
      rig.restart();
      expect(count(rig)).toBe(3);
    }));

  it("puts tasks into a paused queue, where they stay", () =>
    withEngine((rig) => {
      prepareOne(rig, "1");
      rig.engine.pause();
      commit(rig, "1");
      expect(rig.tick()).toEqual([]);
      expect(listed(rig)).toHaveLength(1);
      rig.engine.resume();
      expect(rig.tick()).toHaveLength(1);
    }));

  it("calls those who wait for tasks", () =>
    withEngine((rig) => {
      prepareOne(rig, "1", { meta: PULL, tag: "t" });
      const selection = { kind: "tag", tag: "t" } as const;
      value(rig.engine.pull.wait({ selection, waitMs: 60_000, place: "w" }, rig.now));
      expect(rig.engine.callWaiters(rig.now)).toEqual([]);
      commit(rig, "1");
      expect(rig.engine.callWaiters(rig.now)).toEqual([{ place: "w", isReady: true }]);
    }, pullSettings));

  it("is about the tasks of its transaction alone, and only once", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const mine = prepare(rig, "12", {}, {}).map(({ id }) => id);
      prepare(rig, "1", {});
      prepare(rig, "123", {});
      expect(commit(rig, "12")).toBe(2);
      expect(commit(rig, "12")).toBe(0);
      expect(rollback(rig, "12")).toBe(0);
      expect(listed(rig).map(({ id }) => id)).toEqual(mine);
    }));

  it("comes after a purge that came between: its tasks are as new as the commit, under their ids", () =>
    withEngine((rig) => {
      const created = prepare(rig, "1", {}, { scheduleTimeUs: rig.now + MINUTE });
      const ids = created.map(({ id }) => id);
      rig.create({ scheduleTimeUs: rig.now + MINUTE });
      rig.advance(SECOND);
      value(rig.engine.purge(rig.now));
      rig.engine.sweep(rig.now);
      expect(commit(rig, "1")).toBe(2);
      rig.engine.sweep(rig.now);
      expect(count(rig)).toBe(2);
      expect(listed(rig).map(({ id }) => id)).toEqual(ids);
      expect(ids.map((id) => value(rig.engine.getTask(id, false, rig.now)).id)).toEqual(ids);
      rig.restart();
      const [order] = rig.tick();
      expect(order?.taskId).toBe(ids[0]);
      rig.respond(order!, 200);
      expect(error(rig.engine.getTask(ids[0]!, false, rig.now)).cause).toBe("TASK_GONE");
      expect(value(rig.engine.deleteTask(ids[1]!, rig.now))).toBe(null);
      expect(count(rig)).toBe(0);
    }));

  it("is not too late for a task older than tasks of the queue may become", () =>
    withEngine((rig) => {
      const { id } = prepareOne(rig, "1");
      rig.engine.pause();
      rig.advance(32 * DAY);
      commit(rig, "1");
      expect(listed(rig).map((task) => task.id)).toEqual([id]);
    }));

  it("gives no number to two tasks, whatever the clock does across a restart", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const pending = prepareOne(rig, "1");
      rig.now -= 1000;
      rig.restart();
      const others = Array.from({ length: 3 }, () =>
        rig.create({ scheduleTimeUs: rig.now + 1000 }),
      );
      expect(Math.min(...others.map(({ createTimeUs }) => createTimeUs))).toBeGreaterThan(
        pending.createTimeUs,
      );
      commit(rig, "1");
      expect(new Set(listed(rig).map(({ id }) => id)).size).toBe(4);
    }));
});

describe("an id", () => {
  it("is never that of a task that is there, whatever the clock does across a restart", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const there = rig.create();
      rig.restart();
      const pending = prepareOne(rig, "1");
      expect(pending.id).not.toBe(there.id);
      commit(rig, "1");
      expect(listed(rig).map(({ id }) => id)).toEqual([there.id, pending.id]);
    }));
});

describe("rollback", () => {
  it("leaves nothing", () =>
    withEngine((rig) => {
      const { id } = prepareOne(rig, "1", { body: new Uint8Array(5000) });
      expect(rollback(rig, "1")).toBe(1);
      expect(commit(rig, "1")).toBe(0);
      expect(rig.tick()).toEqual([]);
      expect(listed(rig)).toEqual([]);
      expect(error(rig.engine.getTask(id, false, rig.now)).code).toBe("NOT_FOUND");
      expect(["pending", "task", "payload"].map((table) => rig.count(table))).toEqual([0, 0, 0]);
    }));
});

describe("a restart", () => {
  it("keeps pending tasks, their ids and their limits", () =>
    withEngine((rig) => {
      rig.engine.pause();
      const ids = prepare(rig, "1", {}, {}).map(({ id }) => id);
      prepare(rig, "2", {});
      rig.restart();
      expect(listed(rig)).toEqual([]);
      expect(error(rig.engine.getTask(ids[0]!, false, rig.now)).cause).toBe("NO_TASK");
      const many = Array.from({ length: MAX_TRANSACTION_TASKS - 1 }, () => taskSpec());
      const refused = rig.engine.pending.prepare("1", many, rig.now);
      expect(error(refused).code).toBe("RESOURCE_EXHAUSTED");
      commit(rig, "1");
      expect(listed(rig).map(({ id }) => id)).toEqual(ids);
    }));
});

describe("prepare refuses", () => {
  it.each([
    ["a name", taskSpec({ id: "mine" }), { code: "INVALID_ARGUMENT" }],
    [
      "a task for the other type of queue",
      taskSpec({ queueType: "PULL" }),
      { code: "INVALID_ARGUMENT", cause: "WRONG_QUEUE_TYPE" },
    ],
  ])("%s, and with it the whole call", (_what, spec, refusal) =>
    withEngine((rig) => {
      const results = value(
        rig.engine.pending.prepare("1", [taskSpec(), spec, taskSpec()], rig.now),
      );
      expect(results.map(error)).toMatchObject([{ code: "ABORTED" }, refusal, { code: "ABORTED" }]);
      expect(rig.count("pending")).toBe(0);
      expect(rig.engine.pending.askAtUs(rig.now)).toBe(Number.POSITIVE_INFINITY);
    }),
  );

  it("more tasks than a transaction may have here", () =>
    withEngine((rig) => {
      const specs = Array.from({ length: MAX_TRANSACTION_TASKS }, () => taskSpec());
      value(rig.engine.pending.prepare("1", specs, rig.now));
      const refused = rig.engine.pending.prepare("1", [taskSpec()], rig.now);
      expect(error(refused).code).toBe("RESOURCE_EXHAUSTED");
      value(rig.engine.pending.prepare("2", [taskSpec()], rig.now));
    }));

  it("more bytes than a call, and than a transaction, may have", () =>
    withEngine((rig) => {
      const body = new Uint8Array(MAX_TRANSACTION_CALL_SIZE);
      const one = [taskSpec({ body: new Uint8Array(1) }), taskSpec({ body })];
      expect(error(rig.engine.pending.prepare("1", one, rig.now)).code).toBe("INVALID_ARGUMENT");
      const fitting = Math.floor(MAX_TRANSACTION_SIZE / MAX_TRANSACTION_CALL_SIZE);
      for (let n = 0; n < fitting; n++) prepareOne(rig, "1", { body });
      const more = rig.engine.pending.prepare("1", [taskSpec({ body })], rig.now);
      expect(error(more).code).toBe("RESOURCE_EXHAUSTED");
      expect(rig.count("pending")).toBe(fitting);
    }));

  it("what comes when the decision is known", () =>
    withEngine((rig) => {
      commit(rig, "1");
      const refused = rig.engine.pending.prepare("1", [taskSpec()], rig.now);
      expect(error(refused)).toMatchObject({
        code: "FAILED_PRECONDITION",
        cause: "TRANSACTION_OVER",
      });
    }));
});

describe("header overrides of the queue", () => {
  const headers = [{ key: "X-Own", value: "queue" }];
  it("are laid over the task when it is added, and shown then", () =>
    withEngine(
      (rig) => {
        const { id, meta } = prepareOne(rig, "1", { meta: encodeMeta(httpMeta()) });
        expect(meta).toContain("X-Own");
        commit(rig, "1");
        expect(value(rig.engine.getTask(id, false, rig.now)).meta).toBe(meta);
      },
      settings({ httpTarget: { headers } }),
    ));
});

describe("doubts", () => {
  const questions = (rig: EngineRig) => rig.engine.pending.takeQuestions(rig.now);

  it("are asked about some time after the tasks came, and again without an answer", () =>
    withEngine((rig) => {
      prepareOne(rig, "1");
      expect(questions(rig)).toEqual([]);
      expect(rig.engine.wakeAtUs(rig.now)).toBe(rig.now + TRANSACTION_ASK_US);
      for (let n = 0; n < 3; n++) {
        rig.advance(TRANSACTION_ASK_US);
        const [question] = questions(rig);
        expect(question?.transaction).toBe("1");
        expect(questions(rig)).toEqual([]);
        rig.engine.pending.answered(question!);
        expect(rig.engine.wakeAtUs(rig.now)).toBe(rig.now + TRANSACTION_ASK_US);
      }
    }));

  it("rest until the transaction's end where it is open, unless tasks came meanwhile", () =>
    withEngine((rig) => {
      const end = rig.now + 30 * MINUTE;
      prepareOne(rig, "1");
      rig.advance(TRANSACTION_ASK_US);
      const [early] = questions(rig);
      prepareOne(rig, "1");
      rig.engine.pending.answered(early!, end);
      rig.advance(TRANSACTION_ASK_US);
      const [later] = questions(rig);
      expect(later).toBeDefined();
      rig.engine.pending.answered(later!, end);
      rig.now = end + TRANSACTION_GRACE_US - 1;
      expect(questions(rig)).toEqual([]);
      rig.advance(1);
      expect(questions(rig)).toHaveLength(1);
    }));

  it("are asked about seldom where the transaction stays open past its end", () =>
    withEngine((rig) => {
      prepareOne(rig, "1");
      const end = rig.now + SECOND;
      rig.advance(MINUTE);
      for (let n = 0; n < 3; n++) {
        const [question] = questions(rig);
        rig.engine.pending.answered(question!, end);
        rig.advance(TRANSACTION_OVERDUE_US);
        expect(questions(rig)).toEqual([]);
        rig.advance(TRANSACTION_ASK_US);
      }
    }));

  it("are asked about at once after a restart, a few at a time", () =>
    withEngine((rig) => {
      const all = Array.from({ length: TRANSACTION_ASKS + 3 }, (_, n) => String(n + 1));
      for (const tx of all) prepareOne(rig, tx);
      rig.restart();
      const first = questions(rig);
      expect(first).toHaveLength(TRANSACTION_ASKS);
      // No time helps with the rest before an answer comes; an alarm stands for a loss of all.
      expect(rig.engine.wakeAtUs(rig.now)).toBe(rig.now + TRANSACTION_ASK_US);
      for (const question of first) {
        commit(rig, question.transaction);
        rig.engine.pending.answered(question);
      }
      expect(rig.engine.pending.askAtUs(rig.now)).toBeLessThanOrEqual(rig.now);
      const rest = questions(rig);
      expect([...first, ...rest].map(({ transaction }) => transaction).sort()).toEqual(all.sort());
    }));

  it("end with the decision", () =>
    withEngine((rig) => {
      rig.engine.pause();
      prepareOne(rig, "1");
      rollback(rig, "1");
      expect(rig.engine.pending.askAtUs(rig.now)).toBe(Number.POSITIVE_INFINITY);
      rig.advance(TRANSACTION_ASK_US);
      expect(questions(rig)).toEqual([]);
    }));
});
