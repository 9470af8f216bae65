/** The Queue class: each sentence of its description (App Engine's Queue; rpc.md §5), by its words. */
import { describe, expect, test } from "vitest";
import {
  BadTaskStateError,
  BadTransactionStateError,
  DuplicateTaskNameError,
  InvalidDeadlineError,
  InvalidLeaseTimeError,
  InvalidMaxTasksError,
  InvalidQueueModeError,
  InvalidQueueNameError,
  InvalidTagError,
  InvalidTaskError,
  InvalidTaskNameError,
  Queue,
  QueuePausedError,
  QueueStatistics,
  Task,
  TaskAlreadyExistsError,
  TaskLeaseExpiredError,
  TaskTooLargeError,
  TombstonedTaskError,
  TooManyTasksError,
  UnknownQueueError,
} from "../../src/client/index.ts";
import { encodeMeta } from "../../src/core/model.ts";
import { connect, fakeServer, madeQueue, pushQueue, refusal, storeTask } from "./harness.ts";

/** A small pull task. */
function pull(payload: string, more: { tag?: string; name?: string } = {}): Task {
  return new Task({ method: "PULL", payload, ...more });
}

async function payloads(queue: Queue): Promise<string[]> {
  const found = [];
  for await (const task of queue.list({ withPayload: true })) found.push(task.text());
  return found;
}

const texts = (tasks: readonly Task[]) => tasks.map((task) => task.text());

describe("a Queue", () => {
  test("is instantiated by name; without one it is the automatic default queue", async () => {
    const connection = connect();
    expect(new Queue(undefined, connection).name).toBe("default");
    expect(connection.queue("mail").name).toBe("mail");
    const task = await connection.queue().add(new Task({ url: "/x", countdown: 60 }));
    expect(task.queueName).toBe("default");
    expect(await connection.queue().get()).toEqual({
      name: "default",
      mode: "push",
      state: "RUNNING",
      rate: 5,
      bucketSize: 5,
      maxConcurrentRequests: 1000,
    });
  });

  test("has a name of letters, digits and hyphens: else InvalidQueueNameError", () => {
    for (const name of ["", "a_b", "x".repeat(101), "a/b"]) {
      expect(() => connect().queue(name), name).toThrow(InvalidQueueNameError);
    }
  });

  test("must correspond to a queue that exists: else UnknownQueueError", async () => {
    const queue = connect().queue("missing");
    await expect(queue.add(pull("x"))).rejects.toThrow(UnknownQueueError);
    await expect(queue.leaseTasks(1, 1)).rejects.toThrow(UnknownQueueError);
    await expect(queue.purge()).rejects.toThrow(UnknownQueueError);
    await expect(queue.get()).rejects.toMatchObject({ code: "NOT_FOUND", reason: "UNKNOWN_QUEUE" });
  });

  test("may stand for the same system queue as another object", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    expect(texts(await new Queue(queue.name, queue.connection).leaseTasks(60, 1))).toEqual(["x"]);
  });

  test("may be made of the connection's options", () => {
    const options = { baseUrl: "https://x.example.com", project: "p", location: "us-central1" };
    expect(new Queue("mail", options).connection.project).toBe("p");
  });
});

describe("add", () => {
  test("adds a task, and returns the task that was supplied", async () => {
    const queue = await madeQueue();
    const task = pull("x");
    expect(await queue.add(task)).toBe(task);
    expect(await payloads(queue)).toEqual(["x"]);
  });

  test("adds all tasks of a list, and returns the list that was supplied", async () => {
    const queue = await madeQueue();
    const tasks = Array.from({ length: 100 }, (_, index) => pull(String(index)));
    expect(await queue.add(tasks)).toBe(tasks);
    expect(await payloads(queue)).toEqual(tasks.map((task) => task.text()));
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(100);
  });

  test("of an empty list makes no call", async () => {
    const { connection, sent } = fakeServer();
    expect(await connection.queue().add([])).toEqual([]);
    expect(sent).toEqual([]);
  });

  test("raises when a task cannot be enqueued, but other tasks may be", async () => {
    const queue = await madeQueue();
    await queue.add(pull("first", { name: "taken" }));
    const [again, other] = [pull("second", { name: "taken" }), pull("other")];
    await expect(queue.add([again, other])).rejects.toThrow(TaskAlreadyExistsError);
    expect([again.wasEnqueued, other.wasEnqueued]).toEqual([false, true]);
    expect(await payloads(queue)).toEqual(["first", "other"]);
  });

  test("raises the error that is not about a name that is taken, where there are both", async () => {
    const { connection } = fakeServer({
      body: {
        results: [
          refusal(409, "ALREADY_EXISTS", "TASK_ALREADY_EXISTS").body,
          { name: "b" },
          refusal(400, "INVALID_ARGUMENT", "TASK_TOO_LARGE").body,
        ],
      },
    });
    const tasks = ["a", "b", "c"].map((name) => pull(name));
    await expect(connection.queue().add(tasks)).rejects.toThrow(TaskTooLargeError);
    expect(tasks.map(({ wasEnqueued }) => wasEnqueued)).toEqual([false, true, false]);
  });

  test("of a task that has already been added to a queue raises a BadTaskStateError", async () => {
    const queue = await madeQueue();
    const task = await queue.add(pull("x"));
    await expect(queue.add(task)).rejects.toThrow(BadTaskStateError);
    await expect((await madeQueue()).add(task)).rejects.toThrow(BadTaskStateError);
    const twice = pull("y");
    await expect(queue.add([twice, twice])).rejects.toThrow(BadTaskStateError);
    const both = [queue.add(twice), queue.add(twice)];
    await expect(both[1]).rejects.toThrow(BadTaskStateError);
    await both[0];
    expect(await payloads(queue)).toEqual(["x", "y"]);
  });

  test("transactional outside of a transaction raises a BadTransactionStateError", async () => {
    const queue = await madeQueue();
    await expect(queue.add(pull("x"), { transactional: true })).rejects.toThrow(
      BadTransactionStateError,
    );
    expect(await payloads(queue)).toEqual([]);
  });

  test("of more tasks than a bulk call may have raises a TooManyTasksError", async () => {
    const { connection, sent } = fakeServer();
    const tasks = Array.from({ length: 101 }, () => pull("x"));
    await expect(connection.queue().add(tasks)).rejects.toThrow(TooManyTasksError);
    expect(sent).toEqual([]);
  });

  test("of two tasks with the same name raises a DuplicateTaskNameError", async () => {
    const { connection, sent } = fakeServer();
    const tasks = [pull("x", { name: "a" }), pull("y", { name: "a" })];
    await expect(connection.queue().add(tasks)).rejects.toThrow(DuplicateTaskNameError);
    expect(sent).toEqual([]);
  });

  test("of push and pull tasks together raises an InvalidTaskError", async () => {
    const queue = await madeQueue();
    await expect(queue.add([pull("x"), new Task()])).rejects.toThrow(InvalidTaskError);
  });

  test("of a name that is gone not long raises a TombstonedTaskError", async () => {
    const queue = await madeQueue();
    const task = await queue.add(pull("x", { name: "once" }));
    await queue.deleteTasks(task);
    await expect(queue.add(pull("y", { name: "once" }))).rejects.toThrow(TombstonedTaskError);
  });

  test("of a task of the other kind of queue raises an InvalidQueueModeError", async () => {
    await expect((await madeQueue()).add(new Task())).rejects.toThrow(InvalidQueueModeError);
    await expect((await pushQueue()).add(pull("x"))).rejects.toThrow(InvalidQueueModeError);
  });

  test("of what is no Task raises a TypeError", async () => {
    await expect(
      connect()
        .queue()
        .add({} as Task),
    ).rejects.toThrow(TypeError);
  });
});

describe("addAll", () => {
  test("splits a list into legal batches", async () => {
    const queue = await madeQueue();
    const tasks = Array.from({ length: 250 }, (_, index) => pull(String(index)));
    expect(await queue.addAll(new Set(tasks))).toEqual(tasks);
    expect((await queue.fetchStatistics()).tasks).toBe(250);
  });

  test("splits by size too", async () => {
    const { connection, sent } = fakeServer(({ body }) => ({
      body: { results: body.tasks.map(() => ({ name: "n" })) },
    }));
    const payload = new Uint8Array(1_000_000);
    const tasks = Array.from({ length: 20 }, () => new Task({ method: "PULL", payload }));
    await connection.queue().addAll(tasks);
    expect(sent.map(({ body }) => body.tasks.length)).toEqual([8, 8, 4]);
  });

  test("finds what is wrong with any task before it adds the first", async () => {
    const queue = await madeQueue();
    const tasks = Array.from({ length: 150 }, (_, index) => pull("x", { name: `n${index}` }));
    await expect(queue.addAll([...tasks, pull("y", { name: "n0" })])).rejects.toThrow(
      DuplicateTaskNameError,
    );
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });
});

describe("deleteTasks", () => {
  test("deletes a task or a list of tasks, selected by task name alone", async () => {
    const queue = await madeQueue();
    const [a, b, c] = await queue.add([pull("a"), pull("b"), pull("c")]);
    await queue.leaseTasks(60, 3);
    expect(await queue.deleteTasks(a!)).toBe(a);
    const other = new Task({ method: "PULL", payload: "unrelated", name: b!.name });
    await queue.deleteTasks([other, c!]);
    expect([a, other, c].map((task) => task?.wasDeleted)).toEqual([true, true, true]);
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });

  test("of a deleted task, or one without a name, raises a BadTaskStateError immediately", async () => {
    const queue = await madeQueue();
    const [a, b] = await queue.add([pull("a"), pull("b")]);
    await queue.deleteTasks(a!);
    await expect(queue.deleteTasks([b!, a!])).rejects.toThrow(BadTaskStateError);
    await expect(queue.deleteTasks([b!, pull("new")])).rejects.toThrow(BadTaskStateError);
    expect((await queue.fetchStatistics()).tasks).toBe(1);
  });

  test("of a task that is not there leaves wasDeleted false", async () => {
    const queue = await madeQueue();
    const task = await queue.add(pull("a", { name: "a" }));
    await queue.deleteTasksByName("a");
    await queue.deleteTasks(task);
    const never = pull("b", { name: "never" });
    await queue.deleteTasks(never);
    expect([task.wasDeleted, never.wasDeleted]).toEqual([false, false]);
  });

  test("of two tasks with the same name raises a DuplicateTaskNameError", async () => {
    const tasks = [pull("x", { name: "a" }), pull("y", { name: "a" })];
    await expect(connect().queue().deleteTasks(tasks)).rejects.toThrow(DuplicateTaskNameError);
  });

  test("of a queue that does not exist raises an UnknownQueueError", async () => {
    const task = pull("x", { name: "a" });
    await expect(connect().queue("missing").deleteTasks(task)).rejects.toThrow(UnknownQueueError);
  });
});

describe("deleteTasksByName", () => {
  test("deletes by one name or many", async () => {
    const queue = await madeQueue();
    const names = Array.from({ length: 1200 }, (_, index) => `n${index}`);
    await queue.addAll(names.map((name) => pull("x", { name })));
    await queue.deleteTasksByName(names.slice(1));
    await queue.deleteTasksByName("n0");
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });

  test("checks names before it deletes any", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x", { name: "a" }));
    await expect(queue.deleteTasksByName(["a", "not a name"])).rejects.toThrow(
      InvalidTaskNameError,
    );
    expect((await queue.fetchStatistics()).tasks).toBe(1);
  });
});

describe("leaseTasks", () => {
  test("leases a number of tasks for a period of time", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b", "c"].map((text) => pull(text)));
    const before = Date.now() / 1000;
    const leased = await queue.leaseTasks(60, 2);
    expect(texts(leased)).toEqual(["a", "b"]);
    for (const { etaPosix } of leased) {
      expect(etaPosix).toBeGreaterThanOrEqual(before + 60);
      expect(etaPosix).toBeLessThan(Date.now() / 1000 + 60.1);
    }
    expect(texts(await queue.leaseTasks(60, 2))).toEqual(["c"]);
  });

  test("returns all available tasks if fewer than maxTasks are", async () => {
    const queue = await madeQueue();
    await queue.add([pull("a"), pull("b")]);
    expect(await queue.leaseTasks(60, 1000)).toHaveLength(2);
    expect(await queue.leaseTasks(60, 1000)).toEqual([]);
  });

  test("of a push queue results in an InvalidQueueModeError", async () => {
    const queue = await pushQueue();
    await expect(queue.leaseTasks(60, 1)).rejects.toThrow(InvalidQueueModeError);
    await expect(queue.leaseTasksByTag(60, 1)).rejects.toThrow(InvalidQueueModeError);
  });

  test("supports at most 1000 tasks for no longer than a week; lease seconds are positive", async () => {
    const queue = await madeQueue();
    await queue.add(pull("a"));
    for (const seconds of [0, -1, 604_801, 1.5, Number.NaN]) {
      await expect(queue.leaseTasks(seconds, 1)).rejects.toThrow(InvalidLeaseTimeError);
    }
    for (const count of [0, -1, 1001, 1.5]) {
      await expect(queue.leaseTasks(60, count)).rejects.toThrow(InvalidMaxTasksError);
    }
    await expect(queue.leaseTasks("60" as unknown as number, 1)).rejects.toThrow(TypeError);
    await expect(queue.leaseTasks(60, "1" as unknown as number)).rejects.toThrow(TypeError);
    expect(await queue.leaseTasks(604_800, 1000)).toHaveLength(1);
  });

  test("converts all non-pull tasks in the pull queue into pull tasks", async () => {
    const queue = await madeQueue();
    const target = {
      kind: "http",
      url: "https://example.com",
      method: "POST",
      headers: {},
    } as const;
    const spec = { meta: encodeMeta({ target }), body: new TextEncoder().encode("pushed") };
    for (const lease of [() => queue.leaseTasks(60, 1), () => queue.leaseTasksByTag(60, 1)]) {
      await storeTask(queue, spec);
      const [task] = await lease();
      expect([task?.method, task?.url, task?.text()]).toEqual(["PULL", undefined, "pushed"]);
      await queue.acknowledge(task!);
    }
  });

  test("of a paused queue results in a QueuePausedError", async () => {
    const queue = await madeQueue();
    await queue.pause();
    await expect(queue.leaseTasks(60, 1)).rejects.toThrow(QueuePausedError);
    await queue.resume();
    expect(await queue.leaseTasks(60, 1)).toEqual([]);
  });

  test("waits for tasks where there are none", async () => {
    const queue = await madeQueue();
    const leasing = queue.leaseTasks(60, 1, { wait: 30 });
    await queue.add(pull("late"));
    expect(texts(await leasing)).toEqual(["late"]);
  });
});

describe("leaseTasksByTag", () => {
  test("returns tasks with the tag that is specified", async () => {
    const queue = await madeQueue();
    await queue.add([pull("1", { tag: "a" }), pull("2", { tag: "b" }), pull("3", { tag: "a" })]);
    const leased = await queue.leaseTasksByTag(60, 10, "a");
    expect(leased.map((task) => [task.text(), task.tag])).toEqual([
      ["1", "a"],
      ["3", "a"],
    ]);
    expect(texts(await queue.leaseTasks(60, 10))).toEqual(["2"]);
  });

  test("without a tag returns tasks of the oldest task's tag", async () => {
    const queue = await madeQueue();
    await queue.add([pull("1", { tag: "b" }), pull("2", { tag: "a" }), pull("3", { tag: "b" })]);
    expect(texts(await queue.leaseTasksByTag(60, 10))).toEqual(["1", "3"]);
    await queue.add([pull("4"), pull("5")]);
    expect(texts(await queue.leaseTasksByTag(60, 10))).toEqual(["2"]);
    expect(texts(await queue.leaseTasksByTag(60, 10))).toEqual(["4", "5"]);
  });

  test("raises an InvalidLeaseTimeError for no valid number or one outside the range", async () => {
    const queue = await madeQueue();
    for (const seconds of ["60", -1, 604_801, Number.NaN]) {
      await expect(queue.leaseTasksByTag(seconds as number, 1)).rejects.toThrow(
        InvalidLeaseTimeError,
      );
    }
    expect(await queue.leaseTasksByTag(1.5, 1)).toEqual([]);
  });

  test("raises an InvalidMaxTasksError for no valid integer or one outside the range", async () => {
    const queue = await madeQueue();
    for (const count of ["1", 0, 1001, 1.5, Number.NaN]) {
      await expect(queue.leaseTasksByTag(60, count as number)).rejects.toThrow(
        InvalidMaxTasksError,
      );
    }
  });

  test("raises an InvalidTagError for a tag that is too long", async () => {
    await expect(connect().queue().leaseTasksByTag(1, 1, "x".repeat(501))).rejects.toThrow(
      InvalidTagError,
    );
  });
});

describe("modifyTaskLease", () => {
  test("modifies the lease of a task, whose eta is its new end", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const [task] = await queue.leaseTasks(10, 1);
    await queue.modifyTaskLease(task!, 604_800);
    expect(task!.etaPosix).toBeGreaterThan(Date.now() / 1000 + 604_700);
    await queue.modifyTaskLease(task!, 0.5);
    expect(task!.etaPosix).toBeLessThan(Date.now() / 1000 + 1);
  });

  test("to 0 seconds makes the task available for leasing again", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const [task] = await queue.leaseTasks(60, 1);
    await queue.modifyTaskLease(task!, 0);
    expect(texts(await queue.leaseTasks(60, 1))).toEqual(["x"]);
  });

  test("raises a TypeError if leaseSeconds is not a valid float or integer", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const [task] = await queue.leaseTasks(60, 1);
    for (const seconds of ["60", null, Number.NaN]) {
      await expect(queue.modifyTaskLease(task!, seconds as number)).rejects.toThrow(TypeError);
    }
  });

  test("raises an InvalidLeaseTimeError if leaseSeconds is negative or outside the range", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const [task] = await queue.leaseTasks(60, 1);
    for (const seconds of [-1, 604_801]) {
      await expect(queue.modifyTaskLease(task!, seconds)).rejects.toThrow(InvalidLeaseTimeError);
    }
  });

  test("raises a TaskLeaseExpiredError where another holds the lease", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const [mine] = await queue.leaseTasks(60, 1);
    const [copy] = await queue.leaseTasks(60, 1);
    expect(copy).toBeUndefined();
    await queue.modifyTaskLease(mine!, 60);
    const stale = await queue.leaseTasks(60, 1);
    expect(stale).toEqual([]);
    const { etaPosix } = mine!;
    await queue.modifyTaskLease(mine!, 0);
    const [theirs] = await queue.leaseTasks(60, 1);
    expect(theirs!.etaPosix).toBeGreaterThan(etaPosix - 60);
    await expect(queue.modifyTaskLease(mine!, 60)).rejects.toThrow(TaskLeaseExpiredError);
    await expect(queue.acknowledge(mine!)).rejects.toThrow(TaskLeaseExpiredError);
    await queue.acknowledge(theirs!);
  });

  test("of a task that was not leased from this queue raises a BadTaskStateError", async () => {
    const queue = await madeQueue();
    await expect(queue.modifyTaskLease(pull("x"), 60)).rejects.toThrow(BadTaskStateError);
    const other = await (await madeQueue()).add(pull("x"));
    await expect(queue.modifyTaskLease(other, 60)).rejects.toThrow(BadTaskStateError);
  });
});

describe("acknowledge and renewLeases", () => {
  test("settle many tasks with one call, each only while its lease holds", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b", "c"].map((text) => pull(text)));
    const tasks = await queue.leaseTasks(60, 3);
    await queue.renewLeases(tasks, 120);
    await queue.modifyTaskLease(tasks[1]!, 0);
    const [theirs] = await queue.leaseTasks(60, 1);
    await expect(queue.renewLeases(tasks, 60)).rejects.toThrow(TaskLeaseExpiredError);
    await expect(queue.acknowledge(tasks)).rejects.toThrow(TaskLeaseExpiredError);
    expect(tasks.map(({ wasDeleted }) => wasDeleted)).toEqual([true, false, true]);
    expect(await queue.acknowledge(theirs!)).toBe(theirs);
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });
});

describe("purge", () => {
  test("removes all tasks from this queue", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b"].map((text) => pull(text)));
    await queue.purge();
    expect(await payloads(queue)).toEqual([]);
    await queue.add(pull("after"));
    expect(await payloads(queue)).toEqual(["after"]);
  });
});

describe("fetchStatistics", () => {
  test("tells the queue's figures", async () => {
    const queue = await madeQueue();
    expect(await queue.fetchStatistics()).toMatchObject({ tasks: 0, oldestEtaUsec: undefined });
    const [first] = await queue.add([pull("a"), pull("b")]);
    await queue.leaseTasks(60, 1);
    const statistics = await queue.fetchStatistics();
    expect(statistics).toBeInstanceOf(QueueStatistics);
    expect(statistics).toMatchObject({ tasks: 2, inFlight: 0, leasedLastMinute: 1 });
    expect(statistics.queue).toBe(queue);
    expect(statistics.oldestEta?.getTime()).toBeGreaterThan(first!.eta.getTime() - 5000);
  });

  test("of several queues tells each, in their order", async () => {
    const queues = [await madeQueue(), await madeQueue()];
    await queues[1]?.add(pull("x"));
    const both = await QueueStatistics.fetch(queues);
    expect(both.map(({ tasks }) => tasks)).toEqual([0, 1]);
    expect((await QueueStatistics.fetch(queues[1]!)).tasks).toBe(1);
  });
});

describe("pause, resume and list", () => {
  test("pause and resume the queue", async () => {
    const queue = await madeQueue();
    await queue.pause();
    expect(await queue.get()).toMatchObject({ mode: "pull", state: "PAUSED" });
    await queue.resume();
    expect(await queue.get()).toMatchObject({ state: "RUNNING" });
  });

  test("list goes through all tasks, page by page", async () => {
    const queue = await madeQueue();
    const tasks = Array.from({ length: 25 }, (_, index) => pull(String(index), { tag: "t" }));
    await queue.add(tasks);
    const names = [];
    for await (const task of queue.list({ pageSize: 10 })) {
      expect([task.tag, task.text()]).toEqual(["t", ""]);
      names.push(task.name);
    }
    expect(names).toEqual(tasks.map(({ name }) => name));
  });

  test("list shows what a push task is", async () => {
    const queue = await pushQueue();
    const options = { url: "https://example.com/x", payload: "p", dispatchDeadline: 20 } as const;
    await queue.add(new Task(options));
    for await (const task of queue.list({ withPayload: true })) {
      expect([task.method, task.url, task.text(), task.dispatchDeadline]).toEqual([
        "POST",
        options.url,
        "p",
        20,
      ]);
    }
  });
});

describe("every call", () => {
  test("takes a deadline, which must be above 0: else InvalidDeadlineError", async () => {
    const queue = await madeQueue();
    expect(await queue.leaseTasks(1, 1, { deadline: 5 })).toEqual([]);
    await expect(queue.leaseTasks(1, 1, { deadline: 0 })).rejects.toThrow(InvalidDeadlineError);
    await expect(queue.purge({ deadline: "1" as unknown as number })).rejects.toThrow(TypeError);
  });
});
