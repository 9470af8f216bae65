/** Stored tasks through App Engine's RPC interface: leases, deletion, looking at them. */
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, SECOND, taskParts } from "../support/factory.ts";
import { RecordingTarget } from "../support/recording-target.ts";
import { bytes, Code, type Input, pb, pullTask, RpcApp, text } from "./rpc-client.ts";

// Whatever is dispatched on the way is answered, and stays in the test.
beforeEach(() => new RecordingTarget().release());

const START = Math.floor(Date.now() / 1000) * SECOND;

/** A pull queue whose clock stands still. */
async function pullQueue(changes: object = {}) {
  const app = new RpcApp();
  const { queue } = await app.queue("PULL", false, changes);
  await app.setClock(queue, START);
  return {
    app,
    queue,
    add: async (...tags: (string | undefined)[]) =>
      (
        await app.add(
          ...tags.map((tag) => pullTask(queue, tag === undefined ? {} : { tag: bytes(tag) })),
        )
      ).names,
    lease: async (changed: Partial<Input<"QueryAndOwnTasks">> = {}) =>
      (await app.ok("QueryAndOwnTasks", leaseOf(queue, changed))).task,
    refusal: (changed: Partial<Input<"QueryAndOwnTasks">>) =>
      app.refused("QueryAndOwnTasks", leaseOf(queue, changed)),
    at: (offset: number) => app.setClock(queue, START + offset),
  };
}

function leaseOf(queue: string, changes: object): Input<"QueryAndOwnTasks"> {
  return { queueName: bytes(queue), leaseSeconds: 60, maxTasks: 10n, ...changes };
}

describe("QueryAndOwnTasks", () => {
  it("takes tasks in the order of their etas, also of those in the past", async () => {
    const { app, queue, lease } = await pullQueue();
    const { names } = await app.add(
      ...[1, 3, 2].map((seconds) => pullTask(queue, { etaUsec: BigInt(START - seconds * SECOND) })),
    );
    const leased = await lease();
    expect(leased.map(({ taskName }) => text(taskName))).toEqual([names[1], names[2], names[0]]);
  });

  it("leases in order of time; the expiry is the new eta; what is leased is not leased again", async () => {
    const { app, queue, add, lease, at } = await pullQueue();
    const later = await app.add(pullTask(queue, { etaUsec: BigInt(START + HOUR) }));
    const [first, second, third] = await add(undefined, "t", undefined);
    const leased = await lease({ maxTasks: 2n, leaseSeconds: 0.5 });
    expect(leased.map(({ taskName }) => text(taskName))).toEqual([first, second]);
    expect(leased.map(({ tag }) => text(tag))).toEqual(["", "t"]);
    for (const { etaUsec, body } of leased) {
      expect(Number(etaUsec) - START).toBeGreaterThanOrEqual(0.5 * SECOND);
      expect(Number(etaUsec) - START).toBeLessThan(0.5 * SECOND + 2000);
      expect(text(body)).toBe("payload");
    }
    expect((await lease()).map(({ taskName }) => text(taskName))).toEqual([third]);
    await at(SECOND);
    const again = await lease();
    expect(again.map(({ retryCount }) => retryCount)).toEqual([2, 2]);
    await at(2 * HOUR);
    expect((await lease()).map(({ taskName }) => text(taskName))).toContain(later.names[0]);
  });

  it("takes a lease of no time at all, and of a week", async () => {
    const { add, lease, at } = await pullQueue();
    await add(undefined);
    expect(await lease({ leaseSeconds: 0 })).toHaveLength(1);
    await at(2000);
    const [long] = await lease({ leaseSeconds: 604_800 });
    expect(Number(long?.etaUsec)).toBeGreaterThanOrEqual(START + 7 * DAY);
  });

  it("leases by tag, by the oldest task's tag, and by its having none", async () => {
    const { add, lease } = await pullQueue();
    const [a1, b1, a2, none] = await add("a", "b", "a", undefined);
    const names = async (changes: object) =>
      (await lease({ groupByTag: true, ...changes })).map(({ taskName }) => text(taskName));
    expect(await names({ tag: bytes("b") })).toEqual([b1]);
    expect(await names({ tag: bytes("nobody") })).toEqual([]);
    expect(await names({})).toEqual([a1, a2]);
    expect(await names({ tag: bytes("") })).toEqual([none]);
  });

  it("leases untagged tasks alone where the oldest has no tag", async () => {
    const { add, lease } = await pullQueue();
    const [n1, , n2] = await add(undefined, "a", undefined);
    const leased = await lease({ groupByTag: true });
    expect(leased.map(({ taskName }) => text(taskName))).toEqual([n1, n2]);
  });

  it("deletes a task whose leases are used up, by its own limit or the queue's", async () => {
    const { app, queue, lease, at } = await pullQueue();
    const { names } = await app.add(
      pullTask(queue, { retryParameters: { retryLimit: 2 } }),
      pullTask(queue),
    );
    expect(await lease()).toHaveLength(2);
    await at(2 * MINUTE);
    expect(await lease()).toHaveLength(2);
    await at(4 * MINUTE);
    expect((await lease()).map(({ taskName }) => text(taskName))).toEqual([names[1]]);
  });

  it.each<[string, Partial<Input<"QueryAndOwnTasks">>, string]>([
    ["a negative lease", { leaseSeconds: -0.001 }, "INVALID_REQUEST"],
    ["a lease beyond a week", { leaseSeconds: 604_800.5 }, "INVALID_REQUEST"],
    ["a lease that is no number", { leaseSeconds: Number.NaN }, "INVALID_REQUEST"],
    ["no tasks", { maxTasks: 0n }, "INVALID_REQUEST"],
    ["too many tasks", { maxTasks: 1001n }, "INVALID_REQUEST"],
    ["a tag without grouping", { tag: bytes("t") }, "INVALID_REQUEST"],
    ["an empty tag without grouping", { tag: bytes("") }, "INVALID_REQUEST"],
    ["a long tag", { groupByTag: true, tag: bytes("t".repeat(501)) }, "INVALID_TAG"],
    ["a queue that is not there", { queueName: bytes("missing") }, "UNKNOWN_QUEUE"],
    ["a queue that cannot be", { queueName: bytes("a b") }, "INVALID_QUEUE_NAME"],
    ["a push queue", { queueName: bytes("default") }, "INVALID_QUEUE_MODE"],
  ])("refuses %s and leases nothing", async (_what, changes, code) => {
    const { add, refusal, lease } = await pullQueue();
    await add(undefined);
    expect(await refusal(changes)).toBe(code);
    expect(await lease()).toMatchObject([{ retryCount: 1 }]);
  });

  it("is QUEUE_PAUSED while the queue is", async () => {
    const { app, queue, add, refusal, lease } = await pullQueue();
    await add(undefined);
    const pause = (isPaused: boolean) =>
      app.ok("PauseQueue", { appId: bytes(app.project), queueName: bytes(queue), pause: isPaused });
    await pause(true);
    expect(await refusal({})).toBe("QUEUE_PAUSED");
    await pause(false);
    expect(await lease()).toHaveLength(1);
  });
});

describe("ModifyTaskLease", () => {
  async function leased() {
    const rig = await pullQueue();
    await rig.add(undefined);
    const [one] = await rig.lease();
    if (one === undefined) throw new Error("nothing leased");
    const modify = (changes: Partial<Input<"ModifyTaskLease">>): Input<"ModifyTaskLease"> => ({
      queueName: bytes(rig.queue),
      taskName: one.taskName,
      etaUsec: one.etaUsec,
      leaseSeconds: 300,
      ...changes,
    });
    return {
      ...rig,
      one,
      ok: (changes: Partial<Input<"ModifyTaskLease">>) =>
        rig.app.ok("ModifyTaskLease", modify(changes)),
      refused: (changes: Partial<Input<"ModifyTaskLease">>) =>
        rig.app.refused("ModifyTaskLease", modify(changes)),
    };
  }

  it("gives the lease another end, and counts no lease", async () => {
    const { ok, lease, at } = await leased();
    await at(30 * SECOND);
    const { updatedEtaUsec } = await ok({ leaseSeconds: 120.25 });
    expect(Math.abs(Number(updatedEtaUsec) - (START + 150.25 * SECOND))).toBeLessThan(2000);
    await at(150 * SECOND);
    expect(await lease()).toEqual([]);
    await at(151 * SECOND);
    expect(await lease()).toMatchObject([{ retryCount: 2 }]);
  });

  it("guards it by the eta that is known", async () => {
    const { ok, refused, one } = await leased();
    expect(await refused({ etaUsec: one.etaUsec + 1n })).toBe("TASK_LEASE_EXPIRED");
    expect(await refused({ etaUsec: 2n ** 62n })).toBe("TASK_LEASE_EXPIRED");
    const { updatedEtaUsec } = await ok({});
    expect(await refused({})).toBe("TASK_LEASE_EXPIRED");
    await ok({ etaUsec: updatedEtaUsec });
  });

  it("is TASK_LEASE_EXPIRED when the lease has run out", async () => {
    const { refused, at } = await leased();
    await at(61 * SECOND);
    expect(await refused({})).toBe("TASK_LEASE_EXPIRED");
  });

  it("releases the task with 0 seconds", async () => {
    const { ok, lease } = await leased();
    const { updatedEtaUsec } = await ok({ leaseSeconds: 0 });
    expect(Number(updatedEtaUsec)).toBeLessThanOrEqual(START);
    expect(await lease()).toHaveLength(1);
  });

  it("tells a task that never was from one that is gone", async () => {
    const { app, queue, one, refused } = await leased();
    expect(await refused({ taskName: bytes("never") })).toBe("UNKNOWN_TASK");
    await app.ok("Delete", { queueName: bytes(queue), taskName: [one.taskName] });
    expect(await refused({})).toBe("TOMBSTONED_TASK");
  });

  it.each<[string, Partial<Input<"ModifyTaskLease">>, string]>([
    ["a negative lease", { leaseSeconds: -1 }, "INVALID_REQUEST"],
    ["a lease beyond a week", { leaseSeconds: 604_801 }, "INVALID_REQUEST"],
    ["a name that cannot be", { taskName: bytes("a b") }, "INVALID_TASK_NAME"],
    ["a queue that is not there", { queueName: bytes("missing") }, "UNKNOWN_QUEUE"],
    ["a push queue", { queueName: bytes("default") }, "INVALID_QUEUE_MODE"],
  ])("refuses %s and changes nothing", async (_what, changes, code) => {
    const { refused, ok } = await leased();
    expect(await refused(changes)).toBe(code);
    await ok({});
  });

  it("is QUEUE_PAUSED while the queue is, and changes nothing", async () => {
    const { app, queue, refused, ok } = await leased();
    const admin = { appId: bytes(app.project), queueName: bytes(queue) };
    await app.ok("PauseQueue", { ...admin, pause: true });
    expect(await refused({})).toBe("QUEUE_PAUSED");
    await app.ok("PauseQueue", { ...admin, pause: false });
    await ok({});
  });
});

describe("Delete", () => {
  const codes = (results: readonly number[]) => results.map((code) => Code[code]);

  it("has a result for each name, in order", async () => {
    const { app, queue, add, lease } = await pullQueue();
    const [first, second] = await add(undefined, undefined);
    const [leased] = await lease({ maxTasks: 1n });
    const names = [first, "never", "a b", first, second].map((name) => bytes(name ?? ""));
    const { result } = await app.ok("Delete", { queueName: bytes(queue), taskName: names });
    expect(text(leased?.taskName ?? bytes(""))).toBe(first);
    expect(codes(result)).toEqual([
      "OK",
      "UNKNOWN_TASK",
      "INVALID_TASK_NAME",
      "TOMBSTONED_TASK",
      "OK",
    ]);
    expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 0 } });
    expect((await app.ok("Delete", { queueName: bytes(queue) })).result).toEqual([]);
  });

  it("says of each name what is wrong with the queue", async () => {
    const { app, queue } = await pullQueue();
    const taskName = [bytes("a"), bytes("b")];
    const results = async (name: string) =>
      codes((await app.ok("Delete", { queueName: bytes(name), taskName })).result);
    expect(await results("missing")).toEqual(["UNKNOWN_QUEUE", "UNKNOWN_QUEUE"]);
    expect(await results("a b")).toEqual(["INVALID_QUEUE_NAME", "INVALID_QUEUE_NAME"]);
    await app.ok("DeleteQueue", { appId: bytes(app.project), queueName: bytes(queue) });
    expect(await results(queue)).toEqual(["TOMBSTONED_QUEUE", "TOMBSTONED_QUEUE"]);
    expect(await results("default")).toEqual(["UNKNOWN_TASK", "UNKNOWN_TASK"]);
  });

  it("takes more names than one commit", async () => {
    const { app, queue, add } = await pullQueue();
    const [last] = await add(undefined);
    const taskName = Array.from({ length: 2500 }, (_, index) => bytes(`t${index}`));
    const { result } = await app.ok("Delete", {
      queueName: bytes(queue),
      taskName: [...taskName, bytes(last ?? "")],
    });
    expect(result).toHaveLength(2501);
    expect(Code[result[2500] ?? -1]).toBe("OK");
  });
});

describe("ForceRun", () => {
  const run = async (app: RpcApp, queue: string, name: string) => {
    const message = { queueName: bytes(queue), taskName: bytes(name) };
    return Code[(await app.ok("ForceRun", message)).result];
  };

  it("dispatches a task though the queue is paused, and says why it cannot", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH", true);
    const { names } = await app.add({ queueName: bytes(queue), etaUsec: BigInt(START + DAY) });
    expect(await run(app, queue, names[0] ?? "")).toBe("OK");
    expect(await app.stub(queue).getTask(names[0] ?? "", false)).toMatchObject({
      value: { dispatchCount: 1 },
    });
    const pull = await app.queue("PULL");
    const pulled = await app.add(pullTask(pull.queue));
    expect(await run(app, queue, "never")).toBe("UNKNOWN_TASK");
    expect(await run(app, queue, "a b")).toBe("INVALID_TASK_NAME");
    expect(await run(app, "missing", "never")).toBe("UNKNOWN_QUEUE");
    expect(await run(app, pull.queue, pulled.names[0] ?? "")).toBe("INVALID_QUEUE_MODE");
  });
});

describe("FetchTask", () => {
  it("shows a push task as it was added", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH", true);
    await app.setClock(queue, START);
    await app.add({
      queueName: bytes(queue),
      taskName: bytes("mine"),
      etaUsec: BigInt(START + DAY),
      url: bytes("/work"),
      method: pb.TaskQueueAddRequest_RequestMethod.PUT,
      header: [{ key: bytes("X-A"), value: bytes("1") }],
      body: bytes("content"),
      retryParameters: { retryLimit: 3, ageLimitSec: 60n },
      dispatchDeadlineUsec: 30_000_000n,
    });
    const { task: response } = await app.ok("FetchTask", {
      queueName: bytes(queue),
      taskName: bytes("mine"),
    });
    expect(response?.task).toHaveLength(1);
    const shown = response?.task[0];
    expect(shown).toMatchObject({
      taskName: bytes("mine"),
      etaUsec: BigInt(START + DAY),
      url: bytes("/work"),
      method: pb.TaskQueueQueryTasksResponse_Task_RequestMethod.PUT,
      retryCount: 0,
      executionCount: 0,
      header: [{ key: bytes("X-A"), value: bytes("1") }],
      bodySize: 7,
      body: bytes("content"),
      retryParameters: {
        retryLimit: 3,
        ageLimitSec: 60n,
        minBackoffSec: 0.1,
        maxBackoffSec: 3600,
        maxDoublings: 16,
      },
      dispatchDeadlineUsec: 30_000_000n,
    });
    expect(Number(shown?.creationTimeUsec)).toBeGreaterThanOrEqual(START);
    expect(shown?.runlog).toBeUndefined();
  });

  it("shows a pull task with its leases", async () => {
    const { app, queue, add, lease } = await pullQueue();
    const [name] = await add("t");
    await lease();
    const { task: response } = await app.ok("FetchTask", {
      queueName: bytes(queue),
      taskName: bytes(name ?? ""),
    });
    expect(response?.task[0]).toMatchObject({
      retryCount: 1,
      tag: bytes("t"),
      body: bytes("payload"),
      header: [],
    });
  });

  it("shows an HTTP task that another interface made", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH", true);
    const made = await app.stub(queue).createTask(...taskParts());
    if (!made.ok) throw new Error(made.error.message);
    const { task: response } = await app.ok("FetchTask", {
      queueName: bytes(queue),
      taskName: bytes(made.value.id),
    });
    expect(text(response?.task[0]?.url ?? bytes(""))).toBe("https://example.com/hook");
  });

  it("refuses what is not there", async () => {
    const { app, queue, add } = await pullQueue();
    const [name] = await add(undefined);
    const code = (taskName: string, from = queue) =>
      app.refused("FetchTask", { queueName: bytes(from), taskName: bytes(taskName) });
    expect(await code("never")).toBe("UNKNOWN_TASK");
    expect(await code("a b")).toBe("INVALID_TASK_NAME");
    expect(await code("never", "missing")).toBe("UNKNOWN_QUEUE");
    await app.ok("Delete", { queueName: bytes(queue), taskName: [bytes(name ?? "")] });
    expect(await code(name ?? "")).toBe("TOMBSTONED_TASK");
  });
});

describe("QueryTasks", () => {
  const query = (queue: string, changes: object): Input<"QueryTasks"> => ({
    queueName: bytes(queue),
    ...changes,
  });

  async function filled() {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL", true);
    await app.setClock(queue, START);
    const add = (name: string, offset: number) =>
      pullTask(queue, {
        taskName: bytes(name),
        etaUsec: BigInt(START + offset),
        body: bytes(name),
      });
    await app.add(add("d", HOUR), add("c", DAY), add("b", HOUR), add("e", HOUR), add("a", 2 * DAY));
    const names = async (changes: Partial<Input<"QueryTasks">>) => {
      const { task: tasks } = await app.ok(
        "QueryTasks",
        query(queue, { maxRows: 100, ...changes }),
      );
      return tasks.map(({ taskName, body }) => {
        expect(text(body)).toBe(text(taskName));
        return text(taskName);
      });
    };
    return { app, queue, names };
  }

  it("lists by name, from a name on", async () => {
    const { names } = await filled();
    expect(await names({})).toEqual(["a", "b", "c", "d", "e"]);
    expect(await names({ startTaskName: bytes("c") })).toEqual(["c", "d", "e"]);
    expect(await names({ startTaskName: bytes("bb"), maxRows: 2 })).toEqual(["c", "d"]);
  });

  it("has one row where none are asked for", async () => {
    const { app, queue } = await filled();
    expect((await app.ok("QueryTasks", { queueName: bytes(queue) })).task).toHaveLength(1);
  });

  it("lists by time, then name, from a time and name on", async () => {
    const { names } = await filled();
    expect(await names({ startEtaUsec: 0n })).toEqual(["b", "d", "e", "c", "a"]);
    const hour = BigInt(START + HOUR);
    expect(await names({ startEtaUsec: hour, startTaskName: bytes("d") })).toEqual([
      "d",
      "e",
      "c",
      "a",
    ]);
    expect(await names({ startEtaUsec: hour + 1n, startTaskName: bytes("d") })).toEqual(["c", "a"]);
  });

  it("pages through all by the last of each page", async () => {
    const { app, queue } = await filled();
    const seen: string[] = [];
    let start: Partial<Input<"QueryTasks">> = { startEtaUsec: 0n };
    for (let page = 0; page < 5; page++) {
      const { task: tasks } = await app.ok("QueryTasks", query(queue, { maxRows: 2, ...start }));
      const last = tasks.at(-1);
      if (last === undefined) break;
      seen.push(...tasks.map(({ taskName }) => text(taskName)));
      start = { startEtaUsec: last.etaUsec, startTaskName: last.taskName };
    }
    expect([...new Set(seen)]).toEqual(["b", "d", "e", "c", "a"]);
  });

  it.each<[string, Partial<Input<"QueryTasks">>, string]>([
    ["no rows", { maxRows: 0 }, "INVALID_REQUEST"],
    ["a tag to start from", { startTag: bytes("t") }, "INVALID_REQUEST"],
    ["a time before 1970", { startEtaUsec: -1n }, "INVALID_ETA"],
    ["a queue that is not there", { queueName: bytes("missing") }, "UNKNOWN_QUEUE"],
  ])("refuses %s", async (_what, changes, code) => {
    const { app, queue } = await filled();
    expect(await app.refused("QueryTasks", query(queue, changes))).toBe(code);
  });

  it("is empty for an empty queue", async () => {
    const app = new RpcApp();
    expect((await app.ok("QueryTasks", { queueName: bytes("default") })).task).toEqual([]);
  });
});
